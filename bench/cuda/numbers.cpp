// The numbers that the benchmarks compute with, and how far results are apart.
#include <algorithm>
#include <cmath>

#include "bench/cuda/session.h"
#include "core/accelerator.h"
#include "core/rng.h"
#include "kernels/binary.h"
#include "kernels/clip.h"

namespace graft::bench {
namespace {

// Drawing on the CPU takes long, so one block is drawn and laid out again and again. Its length is no
// multiple of a row's.
const Tensor& block_of_normals(DType dtype) {
  static const Tensor drawn = [] {
    Tensor t = Tensor::empty({(int64_t{1} << 20) + 7});
    Rng rng(1);
    for (float& v : t.span<float>()) v = static_cast<float>(rng.normal());
    return t.to(kDevice);
  }();
  static const Tensor rounded = drawn.to(DType::bf16);
  return dtype == DType::bf16 ? rounded : drawn;
}

double sum_of_squares(const Tensor& t) {
  Tensor sum = Tensor::empty({1}, DType::f64, kDevice);
  kernels::sum_squares_of_all({{t}}, sum);
  return sum.to(kCpu).item();
}

}  // namespace

double allowed_difference(DType dtype) {
  return dtype == DType::bf16 ? 0x1p-7 : 1e-4;
}

Tensor normal(const Shape& shape, DType dtype, uint64_t seed) {
  Tensor t = Tensor::empty(shape, dtype, kDevice);
  const Tensor& block = block_of_normals(dtype);
  int64_t from = static_cast<int64_t>(seed * 104729) % block.numel(), size = size_of(dtype);
  for (int64_t at = 0; at < t.numel(); from = 0) {
    int64_t count = std::min(block.numel() - from, t.numel() - at);
    accelerator_of(kDevice).copy(kDevice.index, static_cast<char*>(t.raw()) + at * size, kDevice.index,
                                 static_cast<const char*>(block.raw()) + from * size, count * size);
    at += count;
  }
  return t;
}

Tensor poisoned(const Shape& shape, DType dtype) {
  return Tensor::full(shape, NAN, dtype, kDevice);
}

Tensor on_cpu(const Tensor& t) {
  return t.to(DType::f32).to(kCpu);
}

double relative_difference(const Tensor& a, const Tensor& b) {
  Tensor left = a.to(DType::f32), right = b.to(DType::f32), rest = left.empty_like();
  kernels::multiply_scalar(right, Tensor::full({1}, -1, DType::f32, kDevice), rest);
  kernels::add(left, rest, rest);
  double norm = sum_of_squares(right);
  return std::sqrt(sum_of_squares(rest) / (norm == 0 ? 1 : norm));
}

Reference copy_of(const Tensor& t) {
  Tensor to = t.empty_like();
  return {{"copy", [t, to] { to.copy_from(t); }}, {}, t.bytes()};
}

}  // namespace graft::bench
