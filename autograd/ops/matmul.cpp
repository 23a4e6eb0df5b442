#include "kernels/matmul.h"

#include "autograd/ops.h"

namespace graft {
namespace {

// [..., R, C] as the batch of matrices that the kernels take.
Tensor as_batch(const Tensor& t) {
  int64_t batch = 1;
  for (int axis = 0; axis + 2 < t.shape().rank(); ++axis) batch *= t.dim(axis);
  return t.contiguous().reshape({batch, t.dim(-2), t.dim(-1)});
}

// Checks a and b, whose inner size is b's axis `inner`, and gives the result's shape.
Shape product_shape(const char* op, const Tensor& a, const Tensor& b, int inner) {
  int rank = a.shape().rank();
  GRAFT_CHECK(rank >= 2 && b.shape().rank() == rank, op, ": ", a, " and ", b,
              " are not matrices, or batches of matrices with the same leading axes");
  for (int axis = 0; axis + 2 < rank; ++axis) {
    GRAFT_CHECK(a.dim(axis) == b.dim(axis), op, ": ", a, " and ", b, " differ in axis ", axis);
  }
  GRAFT_CHECK(a.dtype() == b.dtype(), op, ": ", a, " and ", b, " differ in type");
  GRAFT_CHECK(a.dim(-1) == b.dim(inner), op, ": inner sizes ", a.dim(-1), " and ", b.dim(inner), " differ (",
              a, " and ", b, ")");
  Shape shape = a.shape();
  shape[-1] = b.dim(inner == -1 ? -2 : -1);
  return shape;
}

}  // namespace

Var matmul(const Var& a, const Var& b) {
  Shape shape = product_shape("matmul", a.value(), b.value(), -2), a_shape = a.shape(), b_shape = b.shape();
  Tensor left = as_batch(a.value()), right = as_batch(b.value());
  Tensor y = Tensor::empty(shape, left.dtype(), left.device());
  kernels::matmul_nn(left, right, as_batch(y));
  Tensor kept_a = b.needs_grad() ? left : Tensor(), kept_b = a.needs_grad() ? right : Tensor();
  return record("matmul", y, {a, b}, [=](const Tensor& dy) {
    Tensor flat = as_batch(dy);
    Grads grads(2);
    if (kept_b) {
      grads[0] = Tensor::empty(a_shape, dy.dtype(), dy.device());
      kernels::matmul_nt(flat, kept_b, {}, as_batch(grads[0]));
    }
    if (kept_a) {
      grads[1] = Tensor::empty(b_shape, dy.dtype(), dy.device());
      kernels::matmul_tn(kept_a, flat, as_batch(grads[1]));
    }
    return grads;
  });
}

Var matmul_nt(const Var& a, const Var& b) {
  Shape shape = product_shape("matmul_nt", a.value(), b.value(), -1), a_shape = a.shape(),
        b_shape = b.shape();
  Tensor left = as_batch(a.value()), right = as_batch(b.value());
  Tensor y = Tensor::empty(shape, left.dtype(), left.device());
  kernels::matmul_nt(left, right, {}, as_batch(y));
  Tensor kept_a = b.needs_grad() ? left : Tensor(), kept_b = a.needs_grad() ? right : Tensor();
  return record("matmul_nt", y, {a, b}, [=](const Tensor& dy) {
    Tensor flat = as_batch(dy);
    Grads grads(2);
    if (kept_b) {
      grads[0] = Tensor::empty(a_shape, dy.dtype(), dy.device());
      kernels::matmul_nn(flat, kept_b, as_batch(grads[0]));
    }
    if (kept_a) {
      grads[1] = Tensor::empty(b_shape, dy.dtype(), dy.device());
      kernels::matmul_tn(flat, kept_a, as_batch(grads[1]));
    }
    return grads;
  });
}

}  // namespace graft
