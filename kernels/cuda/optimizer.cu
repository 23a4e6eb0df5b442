#include "kernels/optimizer.h"

#include <cmath>

#include "kernels/cuda/tensor_table.h"
#include "kernels/optimizer_scalar.h"

namespace graft::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPiece = 4 * kThreads;

template <scalar::Momentum how>
struct SgdFormula {
  scalar::Sgd<float> sgd;
  template <class T>
  __device__ void operator()(const ParameterEntry<T>& e, int64_t i, float& value, float grad) const {
    if constexpr (how == scalar::Momentum::none) {
      float unused = 0;
      sgd.step<how>(value, grad, unused);
    } else {
      sgd.step<how>(value, grad, e.first[i]);
    }
  }
};

struct AdamFormula {
  scalar::Adam<float> adam;
  template <class T>
  __device__ void operator()(const ParameterEntry<T>& e, int64_t i, float& value, float grad) const {
    adam.step(value, grad, e.first[i], e.second[i], e.mean_scale, e.square_scale);
  }
};

// One block per piece of a parameter.
template <class T, class Formula>
__global__ void step_parameters(const __grid_constant__ ParameterTable<T, kPiece> table, Formula formula) {
  const ParameterEntry<T>& e = table.entry_of(blockIdx.x);
  auto [begin, end] = table.piece_of(e, blockIdx.x);
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    float value = e.load(i);
    formula(e, i, value, to_float(e.grad[i]));
    e.store(i, value);
  }
}

// All parameters in as few launches as the tables allow.
template <class Parameters, class ToEntry, class Formula>
void step_all(const char* op, const Parameters& parameters, ToEntry to_entry, Formula formula) {
  auto of_type = [&](auto zero) {
    using T = decltype(zero);
    for_each_table<T, kPiece>(parameters, to_entry, [&](const ParameterTable<T, kPiece>& table) {
      launch(op, step_parameters<T, Formula>, one_block_per(table.blocks, kThreads), table, formula);
    });
  };
  check_types(op, parameters);
  of_type(float{});
  of_type(__nv_bfloat16{});
}

template <scalar::Momentum how>
void sgd(const SgdStep& s) {
  SgdFormula<how> formula{
      {static_cast<float>(s.lr), static_cast<float>(s.momentum), static_cast<float>(s.weight_decay)}};
  auto to_entry = [](const SgdParameter& p, auto& entry) { entry.first = data<float>(p.velocity); };
  step_all("sgd_step", s.parameters, to_entry, formula);
}

}  // namespace

void sgd_step(const SgdStep& s) {
  if (s.momentum == 0) {
    sgd<scalar::Momentum::none>(s);
  } else if (s.nesterov) {
    sgd<scalar::Momentum::nesterov>(s);
  } else {
    sgd<scalar::Momentum::plain>(s);
  }
}

void adam_step(const AdamStep& s) {
  AdamFormula formula{scalar::Adam<float>::of(s)};
  auto to_entry = [&](const AdamParameter& p, auto& entry) {
    double t = static_cast<double>(p.t);
    entry.first = data<float>(p.mean);
    entry.second = data<float>(p.square);
    entry.mean_scale = static_cast<float>(s.lr / (1 - std::pow(s.beta1, t)));
    entry.square_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  };
  step_all("adam_step", s.parameters, to_entry, formula);
}

}  // namespace graft::kernels::cuda
