#include "kernels/lamb.h"

#include <cmath>

#include "kernels/cuda/team.h"
#include "kernels/cuda/tensor_table.h"
#include "kernels/optimizer_scalar.h"

namespace graft::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPiece = 64 * kThreads;  // each block adds up the pieces of its parameter: they must be few

// One block per piece of a parameter: moves mean and square, and sums[block] = the squares of value and of
// the update over the piece.
template <class T>
__global__ void lamb_moments(const __grid_constant__ ParameterTable<T, kPiece> table,
                             scalar::Lamb<float> lamb, double2* sums) {
  const ParameterEntry<T>& e = table.entry_of(blockIdx.x);
  auto [begin, end] = table.piece_of(e, blockIdx.x);
  double of_value = 0, of_update = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    float value = e.load(i), mean = e.first[i], square = e.second[i];
    lamb.move(to_float(e.grad[i]), mean, square);
    e.first[i] = mean;
    e.second[i] = square;
    double update = lamb.update(value, mean, square, e.mean_scale, e.square_scale);
    of_value += double{value} * value;
    of_update += update * update;
  }
  of_value = block_reduce(of_value, Sum());
  of_update = block_reduce(of_update, Sum());
  if (threadIdx.x == 0) sums[blockIdx.x] = make_double2(of_value, of_update);
}

// One block per piece of a parameter: the norms of the whole parameter, and the step.
template <class T>
__global__ void lamb_apply(const __grid_constant__ ParameterTable<T, kPiece> table, scalar::Lamb<float> lamb,
                           const double2* sums) {
  const ParameterEntry<T>& e = table.entry_of(blockIdx.x);
  double of_value = 0, of_update = 0;
  int64_t pieces = (e.n + kPiece - 1) / kPiece;
  for (int64_t p = threadIdx.x; p < pieces; p += kThreads) {
    double2 sum = sums[e.first_block + p];
    of_value += sum.x;
    of_update += sum.y;
  }
  of_value = block_reduce(of_value, Sum());
  of_update = block_reduce(of_update, Sum());
  float rate = lamb.rate(of_value, of_update);
  auto [begin, end] = table.piece_of(e, blockIdx.x);
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    float value = e.load(i);
    e.store(i, value - rate * lamb.update(value, e.first[i], e.second[i], e.mean_scale, e.square_scale));
  }
}

}  // namespace

void lamb_step(const LambStep& s) {
  check_types("lamb_step", s.parameters);
  auto lamb = scalar::Lamb<float>::of(s);
  auto to_entry = [&](const AdamParameter& p, auto& entry) {
    double t = static_cast<double>(p.t);
    entry.first = data<float>(p.mean);
    entry.second = data<float>(p.square);
    entry.mean_scale = static_cast<float>(1 / (1 - std::pow(s.beta1, t)));
    entry.square_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  };
  auto of_type = [&](auto zero) {
    using T = decltype(zero);
    for_each_table<T, kPiece>(s.parameters, to_entry, [&](const ParameterTable<T, kPiece>& table) {
      Tensor scratch = Tensor::empty({int64_t{table.blocks}, 2}, DType::f64, s.lead().device());
      auto* sums = static_cast<double2*>(scratch.raw());
      launch("lamb_step: moments", lamb_moments<T>, one_block_per(table.blocks, kThreads), table, lamb, sums);
      launch("lamb_step", lamb_apply<T>, one_block_per(table.blocks, kThreads), table, lamb, sums);
    });
  };
  of_type(float{});
  of_type(__nv_bfloat16{});
}

}  // namespace graft::kernels::cuda
