// What the tensor memory accelerator knows of a matrix in global memory, or of several of one size at even
// distances: where they are, and the box that one copy takes. Made on the host, passed to a kernel as `const
// __grid_constant__ TensorMap`.
#pragma once

#include <cstdint>

#ifndef GRAFT_SIM
#include <cuda.h>
#endif

namespace graft::kernels::cuda {

// How a box of rows of 128 bytes lies in shared memory: as it is; or with the eight 16-byte pieces of row r
// exchanged, piece p at p ^ (r % 8), so that a column of pieces touches all banks.
enum class Swizzle : uint8_t { none, b128 };

#ifdef GRAFT_SIM
struct TensorMap {
  const void* data;
  int64_t rows, cols, row_bytes;
  int element_bytes, box_rows, box_cols;
  Swizzle swizzle;
  int64_t count, matrix_bytes;
};
#else
using TensorMap = CUtensorMap;
#endif

// A matrix of `rows` x `cols` elements of 2 or 4 bytes (bf16 or f32), `row_bytes` from row to row, a multiple
// of 16, `data` aligned to 16; `count` of them, `matrix_bytes` apart, also a multiple of 16. The box has at
// most 256 rows and columns; with Swizzle::b128 its rows are 128 bytes. Throws Error otherwise, and
// DeviceError where the driver cannot make it.
TensorMap make_tensor_map(const void* data, int64_t rows, int64_t cols, int64_t row_bytes, int element_bytes,
                          int box_rows, int box_cols, Swizzle swizzle, int64_t count = 1,
                          int64_t matrix_bytes = 16);

}  // namespace graft::kernels::cuda
