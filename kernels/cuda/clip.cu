#include "kernels/clip.h"

#include "kernels/cuda/team.h"
#include "kernels/cuda/tensor_table.h"

namespace graft::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPiece = 64 * kThreads;

// One tensor, of either type.
struct Elements {
  const void* x;
  void* y;  // where x is scaled
  int64_t n;
  unsigned first_block;
  bool is_bf16;

  static Elements of(const char* op, const Tensor& x, void* y) {
    with_storage(x.dtype(), op, [](auto) {});
    return {x.raw(), y, x.numel(), 0, x.dtype() == DType::bf16};
  }
  // f(x, y) as what they are
  template <class F>
  __device__ void with_type(F f) const {
    if (is_bf16) {
      f(static_cast<const __nv_bfloat16*>(x), static_cast<__nv_bfloat16*>(y));
    } else {
      f(static_cast<const float*>(x), static_cast<float*>(y));
    }
  }
};
using Table = TensorTable<Elements, kPiece, 900>;

// One block per piece; the last of all blocks to be done adds up what the others have left in `sums`, in
// their order. `arrived` counts the blocks of all launches.
__global__ void __launch_bounds__(kThreads)
    sum_squares_of_pieces(const __grid_constant__ Table table, unsigned first, unsigned blocks, double* sums,
                          unsigned* arrived, double* y) {
  const Elements& e = table.entry_of(blockIdx.x);
  auto [begin, end] = table.piece_of(e, blockIdx.x);
  double sum = 0;
  e.with_type([&, begin = begin, end = end](const auto* x, auto*) {
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
      double v = static_cast<double>(to_float(x[i]));
      sum += v * v;
    }
  });
  sum = block_reduce(sum, Sum());
  bool& is_last = shared<bool>();
  if (threadIdx.x == 0) {
    sums[first + blockIdx.x] = sum;
    __threadfence();  // the sum before the news of it
    is_last = atomicAdd(arrived, 1u) == blocks - 1;
    __threadfence();  // the news before the others' sums are read
  }
  __syncthreads();  // is_last is written
  if (!is_last) return;
  sum = 0;
  for (unsigned i = threadIdx.x; i < blocks; i += kThreads) sum += sums[i];
  sum = block_reduce(sum, Sum());
  if (threadIdx.x == 0) *y = sum;
}

// One block per piece.
__global__ void __launch_bounds__(kThreads) scale_pieces(const __grid_constant__ Table table, float factor) {
  const Elements& e = table.entry_of(blockIdx.x);
  auto [begin, end] = table.piece_of(e, blockIdx.x);
  e.with_type([&, begin = begin, end = end](const auto* x, auto* y) {
    using T = std::remove_pointer_t<decltype(y)>;
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
      y[i] = from_float<T>(to_float(x[i]) * factor);
  });
}

// f(table, first) for each table, `first` being the number of blocks before it. to_y gives where tensor i
// goes.
template <class ToY, class F>
void for_each_table(const char* op, const TensorList& x, ToY to_y, F f) {
  Table table;
  unsigned first = 0;
  for (size_t i = 0; i < x.of.size(); ++i) {
    table.add(Elements::of(op, x.of[i], to_y(i)));
    if (table.count < Table::kMost && i + 1 < x.of.size()) continue;
    f(table, first);
    first += table.blocks;
    table = {};
  }
}

}  // namespace

void sum_squares_of_all(const TensorList& x, const Tensor& y) {
  unsigned blocks = 0;
  for (const Tensor& t : x.of) blocks += Table::blocks_of(Elements::of("sum_squares_of_all", t, nullptr));
  if (blocks == 0) return y.fill(0);
  // The counter's 4 bytes come first, in a double of their own.
  Tensor scratch = Tensor::empty({1 + int64_t{blocks}}, DType::f64, y.device());
  scratch.slice(0, 0, 1).fill(0);
  auto* arrived = static_cast<unsigned*>(scratch.raw());
  for_each_table(
      "sum_squares_of_all", x, [](size_t) { return nullptr; },
      [&](const Table& table, unsigned first) {
        launch("sum_squares_of_all", sum_squares_of_pieces, one_block_per(table.blocks, kThreads), table,
               first, blocks, data<double>(scratch) + 1, arrived, data<double>(y));
      });
}

void scale_all(const TensorList& x, double factor, const TensorList& y) {
  for_each_table(
      "scale_all", x, [&](size_t i) { return y.of[i].raw(); },
      [&](const Table& table, unsigned) {
        launch("scale_all", scale_pieces, one_block_per(table.blocks, kThreads), table,
               static_cast<float>(factor));
      });
}

}  // namespace graft::kernels::cuda
