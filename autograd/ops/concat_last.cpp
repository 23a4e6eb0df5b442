#include "autograd/ops.h"
#include "kernels/concat_last.h"

namespace graft {
namespace {

// A tensor as rows of the axes before `axis`: columns are everything from there on.
Shape as_rows(const Shape& shape, int axis) {
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < shape.rank(); ++i) (i < axis ? rows : columns) *= shape[i];
  return {rows, columns};
}

Var joined(const char* op, const std::vector<Var>& parts, int axis) {
  GRAFT_CHECK(!parts.empty(), op, ": no parts");
  Shape shape = parts[0].shape();
  GRAFT_CHECK(axis >= -shape.rank() && axis < shape.rank(), op, ": ", shape, " has no axis ", axis);
  if (axis < 0) axis += shape.rank();
  shape[axis] = 0;
  for (const Var& part : parts) {
    Shape expected = shape;
    bool same_rank = part.shape().rank() == shape.rank();
    if (same_rank) expected[axis] = part.dim(axis);
    GRAFT_CHECK(same_rank && part.shape() == expected && part.value().dtype() == parts[0].value().dtype(), op,
                ": ", part.value(), " does not fit ", parts[0].value(), "; all axes but ", axis,
                " must be equal, and the type");
    shape[axis] += part.dim(axis);
  }
  Tensor y = Tensor::empty(shape, parts[0].value().dtype(), parts[0].value().device());
  Tensor rows = y.reshape(as_rows(shape, axis));
  std::vector<Shape> shapes;
  int64_t column = 0;
  for (const Var& part : parts) {
    Shape flat = as_rows(part.shape(), axis);
    kernels::copy_columns(part.value().contiguous().reshape(flat), 0, rows, column, flat[1]);
    column += flat[1];
    shapes.push_back(part.shape());
  }
  return record(op, y, parts, [shapes, axis, flat = rows.shape()](const Tensor& dy) {
    Grads grads;
    int64_t from = 0;
    for (const Shape& s : shapes) {
      grads.push_back(Tensor::empty(s, dy.dtype(), dy.device()));
      Shape part = as_rows(s, axis);
      kernels::copy_columns(dy.reshape(flat), from, grads.back().reshape(part), 0, part[1]);
      from += part[1];
    }
    return grads;
  });
}

}  // namespace

Var concat_last(const std::vector<Var>& parts) {
  return joined("concat_last", parts, -1);
}

Var concat(const std::vector<Var>& parts, int axis) {
  return joined("concat", parts, axis);
}

}  // namespace graft
