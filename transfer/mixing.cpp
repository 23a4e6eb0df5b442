#include "transfer/mixing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"

namespace graft::transfer {
namespace {

constexpr uint64_t kMixingKey = 0x4D4958;  // what the random numbers are for; any constant no other has

// In (0, 1].
double above_zero(Rng& rng) {
  return (rng.bits() + 1.0) * 0x1p-32;
}

// The logarithm of a gamma variable of this shape.
double draw_log_gamma(double shape, Rng& rng) {
  double log_boost = 0;
  if (shape < 1) log_boost = std::log(above_zero(rng)) / shape, shape += 1;
  double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x = rng.normal(), root = 1 + c * x;
    if (root <= 0) continue;
    double v = root * root * root;
    if (std::log(above_zero(rng)) < x * x / 2 + d - d * v + d * std::log(v))
      return log_boost + std::log(d * v);
  }
}

// The box around a centre: `share` of the area before it is cut off at the edges.
data::Box draw_box(double share, int64_t height, int64_t width, Rng& rng) {
  double side = std::sqrt(share);
  auto w = static_cast<int64_t>(static_cast<double>(width) * side);
  auto h = static_cast<int64_t>(static_cast<double>(height) * side);
  int64_t x = rng.below(static_cast<uint32_t>(width)), y = rng.below(static_cast<uint32_t>(height));
  int64_t left = std::max<int64_t>(x - w / 2, 0), right = std::min(x + w / 2, width);
  int64_t top = std::max<int64_t>(y - h / 2, 0), bottom = std::min(y + h / 2, height);
  return {left, top, right - left, bottom - top};
}

template <class T>
void mix_row(const T* own, const T* other, const Shape& shape, const Mix& mix, T* out) {
  int64_t height = shape[1], line = shape[2] * shape[3], channels = shape[3];
  if (mix.kind == Mix::Kind::mixup) {
    T share = static_cast<T>(mix.share), rest = static_cast<T>(1 - mix.share);
    for (int64_t i = 0; i < height * line; ++i) out[i] = share * own[i] + rest * other[i];
    return;
  }
  std::copy_n(own, height * line, out);
  for (int64_t y = mix.box.top; y < mix.box.top + mix.box.height; ++y) {
    int64_t begin = y * line + mix.box.left * channels;
    std::copy_n(other + begin, mix.box.width * channels, out + begin);
  }
}

template <class T>
Tensor mixed_as(const Tensor& x, const Mix& mix) {
  Tensor out = x.empty_like();
  int64_t row = x.numel() / std::max<int64_t>(1, x.dim(0));
  const T* in = x.data<T>();
  T* to = out.data<T>();
  parallel_for(x.dim(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* other = in + mix.partners[static_cast<size_t>(i)] * row;
      mix_row(in + i * row, other, x.shape(), mix, to + i * row);
    }
  });
  return out;
}

Tensor permuted(const Tensor& labels, const std::vector<int64_t>& partners) {
  Tensor out = labels.empty_like();
  for (size_t i = 0; i < partners.size(); ++i) {
    out.data<int64_t>()[i] = labels.data<int64_t>()[partners[i]];
  }
  return out;
}

}  // namespace

double draw_share(double alpha, Rng& rng) {
  GRAFT_CHECK(alpha > 0, "mixing: alpha ", alpha, " is not above 0");
  double one = draw_log_gamma(alpha, rng), other = draw_log_gamma(alpha, rng);
  return std::nearbyint(0x1p20 / (1 + std::exp(other - one))) * 0x1p-20;
}

Mix draw_mix(const Recipe& recipe, int64_t rows, int64_t height, int64_t width, Rng& rng) {
  Mix mix;
  bool both = recipe.mixup > 0 && recipe.cutmix > 0;
  bool cuts = both ? rng.bits() % 2 == 1 : recipe.cutmix > 0;
  mix.kind = cuts ? Mix::Kind::cutmix : Mix::Kind::mixup;
  mix.share = draw_share(cuts ? recipe.cutmix : recipe.mixup, rng);
  mix.partners.resize(static_cast<size_t>(rows));
  std::iota(mix.partners.begin(), mix.partners.end(), 0);
  rng.shuffle(mix.partners);
  if (cuts) {
    mix.box = draw_box(1 - mix.share, height, width, rng);
    auto taken = static_cast<double>(mix.box.width * mix.box.height);
    mix.share = 1 - taken / static_cast<double>(height * width);
  }
  return mix;
}

Tensor mixed_inputs(const Tensor& x, const Mix& mix) {
  GRAFT_CHECK(x.rank() == 4 && is_float(x.dtype()) && x.dim(0) == static_cast<int64_t>(mix.partners.size()),
              "mixing: ", x, " is no batch of ", mix.partners.size(), " pictures [N, H, W, C]");
  Tensor whole = x.contiguous();
  if (x.dtype() == DType::f64) return mixed_as<double>(whole, mix);
  return mixed_as<float>(whole.to(DType::f32), mix).to(x.dtype());
}

MixedBatch mixed_batch(Tensor inputs, Tensor labels, const Recipe& recipe, uint64_t seed, int epoch,
                       int64_t first_sample) {
  if (recipe.mixup <= 0 && recipe.cutmix <= 0) return {std::move(inputs), std::move(labels)};
  Rng rng(seed ^ kMixingKey, static_cast<uint64_t>(epoch), static_cast<uint64_t>(first_sample));
  Mix mix = draw_mix(recipe, inputs.dim(0), inputs.dim(1), inputs.dim(2), rng);
  Targets targets(labels);
  targets.partners = permuted(labels, mix.partners);
  DType type = inputs.dtype() == DType::f64 ? DType::f64 : DType::f32;
  targets.share = Tensor::full({}, mix.share, type);
  targets.rest = Tensor::full({}, 1 - mix.share, type);
  return {mixed_inputs(inputs, mix), targets};
}

}  // namespace graft::transfer
