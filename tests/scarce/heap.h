// The memory of this program, which runs out when a test says so. Every request of C++ is seen and, where
// malloc can be replaced (glibc, no sanitizer), every request of the libraries underneath too: of zlib, of
// stb_image, of the C library itself.
#pragma once

#include <cstdint>

namespace graft::test {

enum class Refuse : uint8_t {
  once,     // this request alone
  onwards,  // this one and all that follow, until relent()
  growth,   // this one, and then whatever does not fit into what was given back since
};
// From now on requests are counted from 0, and the one with this number is refused; a negative one: none is.
void refuse(int64_t number, Refuse how = Refuse::once);
// Refuses nothing any more. How many requests there were since refuse().
int64_t relent();
// Whether a request was refused since refuse().
bool was_refused();
// Blocks that are not freed yet.
int64_t blocks_held();
// Whether malloc is seen too.
bool sees_malloc();

}  // namespace graft::test
