// From addresses in this program to lines of source.
#pragma once

#include <string>
#include <vector>

namespace graft::app {

// "softmax_rows, softmax.cu" for each code that the simulator describes as "..., graft+0x5a8c4", with the
// line where the program has debug information; by the addr2line of binutils. Where that is not installed or
// knows nothing, the code as it is.
std::vector<std::string> source_places(const std::vector<std::string>& codes);

}  // namespace graft::app
