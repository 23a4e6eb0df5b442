#include "kernels/embedding.h"

#include "autograd/ops.h"

namespace graft {

Var embedding(const Var& table, const Tensor& indices, int64_t padding_index) {
  GRAFT_CHECK(table.shape().rank() == 2, "embedding: table ", table.value(), " is not [rows, columns]");
  GRAFT_CHECK(indices.dtype() == DType::i64, "embedding: indices are ", indices, ", must be i64");
  GRAFT_CHECK(padding_index < table.dim(0), "embedding: padding index ", padding_index,
              " is not a row of table ", table.value());
  Shape shape = indices.shape();
  shape.push_back(table.dim(1));
  Tensor value = table.value().contiguous(), which = indices.contiguous();
  Tensor y = Tensor::empty(shape, value.dtype(), value.device());
  kernels::embedding(value, which, y);
  return record("embedding", y, {table}, [which, padding_index, of = value.shape()](const Tensor& dy) {
    Tensor dtable = Tensor::empty(of, dy.dtype(), dy.device());
    kernels::embedding_grad(dy, which, padding_index, dtable);
    return Grads{dtable};
  });
}

}  // namespace graft
