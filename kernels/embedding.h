// Rows of a table by index. table and dtable: [R, C]; indices: i64 of any shape with N elements; y and dy:
// [N elements..., C]. Contiguous; the caller allocates. Throws DataError, naming index and position, for an
// index that is not in [0, R); on a CUDA device, where nobody waits for the kernel, y gets 0 there and the
// next copy to the CPU or synchronize() throws.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// y[i] = table[indices[i]]
GRAFT_KERNEL(embedding, (const Tensor& table, const Tensor& indices, const Tensor& y), (table, indices, y))
// dtable[r] = the sum of dy[i] over all i with indices[i] = r, 0 for r = padding_index (none where that is
// negative). Each row's terms are added in the order of their positions, in double; on a CUDA device in float
// and in pieces that are a function of the sizes alone: the same bits on every run. Indices out of range are
// passed over.
GRAFT_KERNEL(embedding_grad,
             (const Tensor& dy, const Tensor& indices, int64_t padding_index, const Tensor& dtable),
             (dy, indices, padding_index, dtable))

}  // namespace graft::kernels
