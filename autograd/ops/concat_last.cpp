#include "kernels/concat_last.h"

#include "autograd/ops.h"

namespace graft {

Var concat_last(const std::vector<Var>& parts) {
  GRAFT_CHECK(!parts.empty(), "concat_last: no parts");
  GRAFT_CHECK(parts[0].shape().rank() >= 1, "concat_last: needs at least one axis, got ", parts[0].shape());
  Shape shape = parts[0].shape();
  shape[-1] = 0;
  for (const Var& part : parts) {
    Shape expected = shape;
    bool same_rank = part.shape().rank() == shape.rank();
    if (same_rank) expected[-1] = part.shape().back();
    GRAFT_CHECK(same_rank && part.shape() == expected && part.value().dtype() == parts[0].value().dtype(),
                "concat_last: ", part.value(), " does not fit ", parts[0].value(),
                "; all but the last axis must be equal, and the type");
    shape[-1] += part.shape().back();
  }
  Tensor y = Tensor::empty(shape, parts[0].value().dtype(), parts[0].value().device());
  std::vector<Shape> shapes;
  int64_t column = 0;
  for (const Var& part : parts) {
    kernels::copy_columns(part.value().contiguous(), 0, y, column, part.shape().back());
    column += part.shape().back();
    shapes.push_back(part.shape());
  }
  return record("concat_last", y, parts, [shapes](const Tensor& dy) {
    Grads grads;
    int64_t from = 0;
    for (const Shape& s : shapes) {
      grads.push_back(Tensor::empty(s, dy.dtype(), dy.device()));
      kernels::copy_columns(dy, from, grads.back(), 0, s.back());
      from += s.back();
    }
    return grads;
  });
}

}  // namespace graft
