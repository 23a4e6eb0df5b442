#include "kernels/concat_last.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

// T has an element's size; its bits are moved as they are.
template <class T>
struct CopyColumn : NoConstants {
  const T* from;
  T* to;
  int64_t from_cols, to_cols;
  __device__ void operator()(int64_t row, int column, NoConstants) const {
    to[row * to_cols + column] = from[row * from_cols + column];
  }
};

}  // namespace

void copy_columns(const Tensor& from, int64_t from_column, const Tensor& to, int64_t to_column,
                  int64_t count) {
  if (count == 0 || to.numel() == 0) return;
  with_bits(from.dtype(), [&](auto zero) {
    using T = decltype(zero);
    CopyColumn<T> f{{},
                    static_cast<const T*>(from.raw()) + from_column,
                    static_cast<T*>(to.raw()) + to_column,
                    from.dim(-1),
                    to.dim(-1)};
    map_columns("copy_columns", f, to.numel() / to.dim(-1), count);
  });
}

}  // namespace graft::kernels::cuda
