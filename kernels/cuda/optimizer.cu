#include "kernels/optimizer.h"

#include <cmath>

#include "kernels/cuda/elements.h"
#include "kernels/cuda/launch.h"
#include "kernels/optimizer_scalar.h"

namespace graft::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPiece = 4 * kThreads;  // elements of one parameter for each block

// A parameter, as the kernel sees it.
template <class T>
struct Entry {
  T* value;
  const T* grad;
  float* first;   // velocity or mean; null where there is none
  float* second;  // square
  float* master;  // null: value is stepped itself
  int64_t n;
  unsigned first_block;
  float rate, square_scale;  // AdamW's, which depend on the parameter's own count of steps
};

// Goes into the kernel by value: no copy to the device to wait for, and a captured step keeps it.
constexpr int kMostEntries = 256;  // 16 KiB; a kernel's arguments end at 32,764 bytes
template <class T>
struct Table {
  Entry<T> entries[kMostEntries];
  int count = 0;
  unsigned blocks = 0;

  void add(Entry<T> entry) {
    entry.first_block = blocks;
    entries[count++] = entry;
    blocks += grid_size((entry.n + kPiece - 1) / kPiece);
  }
  // The last entry that starts at or before the block.
  __device__ const Entry<T>& entry_of(unsigned block) const {
    int low = 0, high = count;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      (entries[middle].first_block <= block ? low : high) = middle;
    }
    return entries[low];
  }
};

static_assert(sizeof(Table<float>) <= 17 * 1024);

template <scalar::Momentum how>
struct SgdFormula {
  scalar::Sgd<float> sgd;
  template <class T>
  __device__ void operator()(const Entry<T>& e, int64_t i, float& value, float grad) const {
    if constexpr (how == scalar::Momentum::none) {
      float unused = 0;
      sgd.step<how>(value, grad, unused);
    } else {
      sgd.step<how>(value, grad, e.first[i]);
    }
  }
};

struct AdamWFormula {
  scalar::AdamW<float> adamw;
  template <class T>
  __device__ void operator()(const Entry<T>& e, int64_t i, float& value, float grad) const {
    adamw.step(value, grad, e.first[i], e.second[i], e.rate, e.square_scale);
  }
};

// One block per piece of a parameter.
template <class T, class Formula>
__global__ void step_parameters(const __grid_constant__ Table<T> table, Formula formula) {
  const Entry<T>& e = table.entry_of(blockIdx.x);
  int64_t begin = int64_t{blockIdx.x - e.first_block} * kPiece, end = min(begin + kPiece, e.n);
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    float value = e.master ? e.master[i] : to_float(e.value[i]);
    formula(e, i, value, to_float(e.grad[i]));
    if (e.master) e.master[i] = value;
    e.value[i] = from_float<T>(value);
  }
}

template <class T, class Formula>
void step(const char* op, const Table<T>& table, Formula formula) {
  if (table.blocks > 0) {
    launch(op, step_parameters<T, Formula>, one_block_per(table.blocks, kThreads), table, formula);
  }
}

// Parameters of type T in as few launches as the table allows.
template <class T, class Parameters, class ToEntry, class Formula>
void step_all(const char* op, const Parameters& parameters, ToEntry to_entry, Formula formula) {
  Table<T> table;
  for (const auto& p : parameters) {
    if (p.value.dtype() != (std::is_same_v<T, float> ? DType::f32 : DType::bf16) || p.value.numel() == 0)
      continue;
    Entry<T> entry{};
    entry.value = data<T>(p.value);
    entry.grad = data<T>(p.grad);
    entry.master = data<float>(p.master);
    entry.n = p.value.numel();
    to_entry(p, entry);
    table.add(entry);
    if (table.count == kMostEntries) {
      step(op, table, formula);
      table = {};
    }
  }
  step(op, table, formula);
}

template <class Parameters>
void check_types(const char* op, const Parameters& parameters) {
  for (const auto& p : parameters) with_storage(p.value.dtype(), op, [](auto) {});
}

template <scalar::Momentum how>
void sgd(const SgdStep& s) {
  SgdFormula<how> formula{
      {static_cast<float>(s.lr), static_cast<float>(s.momentum), static_cast<float>(s.weight_decay)}};
  auto to_entry = [](const SgdParameter& p, auto& entry) { entry.first = data<float>(p.velocity); };
  step_all<float>("sgd_step", s.parameters, to_entry, formula);
  step_all<__nv_bfloat16>("sgd_step", s.parameters, to_entry, formula);
}

}  // namespace

void sgd_step(const SgdStep& s) {
  check_types("sgd_step", s.parameters);
  if (s.momentum == 0) {
    sgd<scalar::Momentum::none>(s);
  } else if (s.nesterov) {
    sgd<scalar::Momentum::nesterov>(s);
  } else {
    sgd<scalar::Momentum::plain>(s);
  }
}

void adamw_step(const AdamWStep& s) {
  check_types("adamw_step", s.parameters);
  AdamWFormula formula{{static_cast<float>(s.beta1), static_cast<float>(1 - s.beta1),
                        static_cast<float>(s.beta2), static_cast<float>(1 - s.beta2),
                        static_cast<float>(1 - s.lr * s.weight_decay), static_cast<float>(s.eps)}};
  auto to_entry = [&](const AdamWParameter& p, auto& entry) {
    double t = static_cast<double>(p.t);
    entry.first = data<float>(p.mean);
    entry.second = data<float>(p.square);
    entry.rate = static_cast<float>(s.lr / (1 - std::pow(s.beta1, t)));
    entry.square_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  };
  step_all<float>("adamw_step", s.parameters, to_entry, formula);
  step_all<__nv_bfloat16>("adamw_step", s.parameters, to_entry, formula);
}

}  // namespace graft::kernels::cuda
