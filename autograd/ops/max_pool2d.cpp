#include "kernels/max_pool2d.h"

#include "autograd/ops.h"

namespace graft {
namespace {

// Windows along an axis, as PyTorch counts them (pooling_output_shape in ATen/native/Pool.h): in ceil mode
// the last window may reach beyond the padded picture, but must start inside the picture or its left padding.
int64_t window_count(int64_t length, const Pool2d& how) {
  int64_t free = length + 2 * how.padding - how.size;
  if (free < 0 && !how.ceil_mode) return 0;
  int64_t steps = free + (how.ceil_mode ? how.stride - 1 : 0);
  if (steps < 0) return 0;
  int64_t count = steps / how.stride + 1;
  if (how.ceil_mode && (count - 1) * how.stride >= length + how.padding) --count;
  return count;
}

}  // namespace

Var max_pool2d(const Var& x, Pool2d how) {
  GRAFT_CHECK(x.shape().rank() == 4, "max_pool2d: needs [N, H, W, C], got ", x.shape());
  GRAFT_CHECK(how.size >= 1 && how.stride >= 1, "max_pool2d: size ", how.size, " and stride ", how.stride,
              " must be at least 1");
  GRAFT_CHECK(how.padding >= 0 && how.padding <= how.size / 2, "max_pool2d: padding ", how.padding,
              " is not between 0 and half the size ", how.size, "; a window could lie in the padding alone");
  int64_t height = window_count(x.dim(1), how), width = window_count(x.dim(2), how);
  GRAFT_CHECK(x.dim(1) > 0 && x.dim(2) > 0 && height > 0 && width > 0, "max_pool2d: no window of size ",
              how.size, " fits into ", x.shape(), " with padding ", how.padding);
  Tensor value = x.value().contiguous();
  Tensor y = Tensor::empty({x.dim(0), height, width, x.dim(3)}, value.dtype(), value.device());
  Tensor where;
  if (x.needs_grad() && !NoGrad::active()) {
    where = Tensor::empty(y.shape(), how.size <= 16 ? DType::u8 : DType::i32, value.device());
  }
  kernels::max_pool2d(value, how.size, how.stride, how.padding, y, where);
  return record("max_pool2d", y, {x}, [shape = x.shape(), how, where](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::max_pool2d_grad(dy, where, how.size, how.stride, how.padding, dx);
    return Grads{dx};
  });
}

}  // namespace graft
