#include "autograd/ops.h"
#include "kernels/concat_last.h"

namespace graft {

Var slice(const Var& x, int axis, int64_t begin, int64_t end) {
  const Shape& shape = x.shape();
  GRAFT_CHECK(axis >= -shape.rank() && axis < shape.rank(), "slice: ", shape, " has no axis ", axis);
  GRAFT_CHECK(begin >= 0 && begin <= end && end <= shape[axis], "slice: [", begin, ", ", end, ") of axis ",
              axis, " of ", shape);
  if (axis < 0) axis += shape.rank();
  // As rows of the leading axes, each `inner` elements for every index of the axis.
  int64_t rows = 1, inner = 1;
  for (int i = 0; i < axis; ++i) rows *= shape[i];
  for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  Shape part = shape, whole = {rows, shape[axis] * inner}, flat = {rows, (end - begin) * inner};
  part[axis] = end - begin;
  Tensor y = Tensor::empty(flat, x.value().dtype(), x.value().device());
  kernels::copy_columns(x.value().contiguous().reshape(whole), begin * inner, y, 0, flat[1]);
  return record("slice", y.reshape(part), {x},
                [whole, flat, from = shape, first = begin * inner](const Tensor& dy) {
                  Tensor dx = Tensor::zeros(whole, dy.dtype(), dy.device());
                  kernels::copy_columns(dy.reshape(flat), 0, dx, first, flat[1]);
                  return Grads{dx.reshape(from)};
                });
}

}  // namespace graft
