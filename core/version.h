#pragma once

#include <string_view>

namespace graft {

// The release; CMakeLists.txt says the same.
inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace graft
