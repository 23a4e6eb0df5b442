// Matrix products. Contiguous matrices of one type, f32 or f64 on the CPU, f32 or bf16 on CUDA; the caller
// allocates c. Sums are in the tensors' type, of bf16 in float, in an order that is a function of the sizes
// alone; a row of a product with `a` by rows does not depend on the other rows.
//
// Each of a, b and c may have a batch axis B before the two that are named: then all three have it, and c[i]
// is the product of a[i] and b[i]. (kernels/linear.h has the product of a linear layer.)
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// a [M, K], b [N, K], bias [N] or undefined, of batches undefined, c [M, N]: c = a b^T + bias.
GRAFT_KERNEL(matmul_nt, (const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c),
             (a, b, bias, c))
// a [M, K], b [K, N], c [M, N]: c = a b.
GRAFT_KERNEL(matmul_nn, (const Tensor& a, const Tensor& b, const Tensor& c), (a, b, c))
// a [K, M], b [K, N], c [M, N]: c = a^T b.
GRAFT_KERNEL(matmul_tn, (const Tensor& a, const Tensor& b, const Tensor& c), (a, b, c))
// a [K, N], c [N]: the sum of the rows, the gradient of a bias.
GRAFT_KERNEL(sum_rows, (const Tensor& a, const Tensor& c), (a, c))

}  // namespace graft::kernels
