#include "nn/init.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/rng.h"

namespace graft::nn {
namespace {

constexpr int64_t kPiece =
    4096;  // elements that share a random stream; changing it changes every starting value

// FNV-1a (Fowler, Noll, Vo), 64 bits: a name as a number.
uint64_t hash(std::string_view name) {
  uint64_t h = 0xcbf29ce484222325;
  for (unsigned char c : name) h = (h ^ c) * 0x100000001b3;
  return h;
}

// Fills with draw(rng), piece by piece.
template <class F>
void fill(Parameter& p, uint64_t seed, std::string_view name, F draw) {
  if (NoInit::active()) return;
  const Tensor& value = p.var.value();
  uint64_t stream = hash(name);
  with_real(value.dtype(), "init", [&](auto zero) {
    using T = decltype(zero);
    T* out = value.data<T>();
    parallel_for(value.numel(), kPiece, [&](int64_t begin, int64_t end) {
      Rng rng(seed, stream, static_cast<uint64_t>(begin / kPiece));
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(draw(rng));
    });
  });
}

}  // namespace

bool& NoInit::active() {
  thread_local bool active = false;
  return active;
}

int64_t fan_in(const Parameter& weight) {
  const Shape& shape = weight.var.shape();
  return shape.numel() / std::max<int64_t>(shape.front(), 1);
}

int64_t fan_out(const Parameter& weight) {
  const Shape& shape = weight.var.shape();
  return shape.numel() / std::max<int64_t>(shape.back(), 1);
}

void Init::normal(Parameter& p, std::string_view name, double standard_deviation) const {
  fill(p, seed, name, [=](Rng& rng) { return standard_deviation * rng.normal(); });
}

void Init::uniform(Parameter& p, std::string_view name, double bound) const {
  fill(p, seed, name, [=](Rng& rng) { return rng.uniform(-bound, bound); });
}

void Init::kaiming_normal_fan_in(Parameter& p, std::string_view name) const {
  normal(p, name, std::sqrt(2.0 / static_cast<double>(fan_in(p))));
}

void Init::kaiming_normal_fan_out(Parameter& p, std::string_view name) const {
  normal(p, name, std::sqrt(2.0 / static_cast<double>(fan_out(p))));
}

void Init::kaiming_uniform(Parameter& p, std::string_view name) const {
  uniform(p, name, std::sqrt(6.0 / static_cast<double>(fan_in(p))));
}

}  // namespace graft::nn
