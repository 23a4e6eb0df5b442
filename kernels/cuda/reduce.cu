#include "kernels/reduce.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"

namespace graft::kernels::cuda {
namespace {

struct Value {
  __device__ double operator()(double x) const { return x; }
};
struct Square {
  __device__ double operator()(double x) const { return x * x; }
};

constexpr unsigned kThreads = 256;
constexpr int64_t kPiece = 16384;  // elements for each block

// One block per piece: sums[block] = the sum of f(x) over its piece.
template <class T, class F>
__global__ void sum_pieces(const T* x, int64_t n, F f, double* sums) {
  int64_t begin = int64_t{blockIdx.x} * kPiece, end = min(begin + kPiece, n);
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) sum += f(static_cast<double>(to_float(x[i])));
  sum = block_reduce(sum, Sum());
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One block: y = factor * (the sum of the pieces).
template <class T>
__global__ void sum_of_pieces(const double* sums, int64_t pieces, double factor, T* y) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < pieces; i += kThreads) sum += sums[i];
  sum = block_reduce(sum, Sum());
  if (threadIdx.x != 0) return;
  if constexpr (std::is_same_v<T, double>) {
    *y = factor * sum;
  } else {
    *y = from_float<T>(static_cast<float>(factor * sum));
  }
}

// The pieces are a function of n alone, and so is the order of every addition.
template <class Y, class F>
void total(const char* op, const Tensor& x, F f, double factor, const Tensor& y) {
  int64_t n = x.numel(), pieces = (n + kPiece - 1) / kPiece;
  Tensor sums = Tensor::empty({pieces}, DType::f64, x.device());
  with_storage(x.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    launch("sum_pieces", sum_pieces<T, F>, one_block_per(pieces, kThreads), data<T>(x), n, f,
           data<double>(sums));
  });
  launch("sum_of_pieces", sum_of_pieces<Y>, one_block_per(1, kThreads), data<double>(sums), pieces, factor,
         data<Y>(y));
}

// One thread per element.
template <class T>
__global__ void spread(const T* dy, double factor, T* dx, int64_t n) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) dx[i] = from_float<T>(static_cast<float>(factor * static_cast<double>(to_float(*dy))));
}

}  // namespace

void sum(const Tensor& x, double factor, const Tensor& y) {
  with_storage(x.dtype(), "sum", [&](auto zero) { total<decltype(zero)>("sum", x, Value(), factor, y); });
}

void sum_grad(const Tensor& dy, double factor, const Tensor& dx) {
  with_storage(dy.dtype(), "sum_grad", [&](auto zero) {
    using T = decltype(zero);
    launch("sum_grad", spread<T>, one_thread_per(dx.numel()), data<T>(dy), factor, data<T>(dx), dx.numel());
  });
}

void sum_squares(const Tensor& x, const Tensor& y) {
  total<double>("sum_squares", x, Square(), 1, y);
}

}  // namespace graft::kernels::cuda
