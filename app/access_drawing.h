// Draws which lane of a warp touches which memory in one request of a kernel, for `graft kernels`.
#pragma once

#include <string>
#include <vector>

#include "kernels/cuda/sim/watch.h"

namespace graft::app {

// Lanes as 0-9 and a-v, a character for each word of 4 bytes (of smaller elements the last lane that shares
// it); "." where nobody is.
//
// Global memory: a line for every four sectors of 32 bytes, in the order of addresses, with gaps left out:
// what the memory must deliver. Shared memory: a line for each pass, 32 banks wide; a second line is what a
// bank conflict costs.
std::vector<std::string> draw_access(const sim::Instruction& instruction);

}  // namespace graft::app
