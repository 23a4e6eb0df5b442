// The ladder of the matrix product: from the kernel that anybody would write first to the engine's own, one
// idea a rung, each in the file of its name. c = a b for a [rows, depth], b [depth, cols], c [rows, cols],
// row by row in memory, on a CUDA device, real or simulated.
//
// So that a rung shows its idea and not its edges, it takes sizes that are multiples of its tile; the
// engine's kernels take all.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace graft::ladder {

struct Rung {
  const char* file;  // in bench/ladder/gemm/, or of the engine
  const char* idea;
  const char* kernel;  // its name, as errors and the simulator's Watch have it
  DType dtype;         // of a, b and c; sums are in float
  int64_t tile;        // rows and cols are multiples of it
  int64_t step;        // and the depth of this
  int capability;      // to which the engine is held back (GRAFT_CAPABILITY), and which the device must have
  void (*run)(const Tensor& a, const Tensor& b, const Tensor& c);
};

// In the order in which they are climbed.
const std::vector<Rung>& gemm_rungs();

// c = a b on this rung. Throws Error where the sizes are not its own.
void multiply(const Rung& rung, const Tensor& a, const Tensor& b, const Tensor& c);

void naive(const Tensor& a, const Tensor& b, const Tensor& c);
void coalesced(const Tensor& a, const Tensor& b, const Tensor& c);
void shared_tile(const Tensor& a, const Tensor& b, const Tensor& c);
void register_column(const Tensor& a, const Tensor& b, const Tensor& c);
void register_tile(const Tensor& a, const Tensor& b, const Tensor& c);
void vector_loads(const Tensor& a, const Tensor& b, const Tensor& c);
void tensor_cores(const Tensor& a, const Tensor& b, const Tensor& c);
void engine(const Tensor& a, const Tensor& b, const Tensor& c);

}  // namespace graft::ladder
