#include "transfer/class_weights.h"

#include <algorithm>

#include "core/str.h"

namespace graft::transfer {

Tensor class_weights_of(const Recipe& recipe, const Labelled& training, DType dtype, Device device) {
  if (recipe.class_weights == ClassWeights::none) return {};
  auto classes = static_cast<int64_t>(training.classes.size());
  Tensor weights = Tensor::zeros({classes}, DType::f64);
  auto counts = weights.span<double>();
  for (int64_t label : training.labels) ++counts[static_cast<size_t>(label)];
  for (double& v : counts) {
    if (v > 0) v = static_cast<double>(training.size()) / (static_cast<double>(classes) * v);
  }
  return weights.to(dtype).to(device);
}

std::string describe_class_weights(const Tensor& weights, const Labelled& training) {
  constexpr size_t kAllUpTo = 12;
  auto values = weights.span<double>();
  auto named = [&](size_t c) { return str(training.classes[c], " ", fixed(values[c], 3)); };
  if (values.size() > kAllUpTo) {
    auto [low, high] = std::minmax_element(values.begin(), values.end());
    return str("class weights: from ", named(static_cast<size_t>(low - values.begin())), " to ",
               named(static_cast<size_t>(high - values.begin())));
  }
  std::string out = "class weights: ";
  for (size_t c = 0; c < values.size(); ++c) out += (c > 0 ? ", " : "") + named(c);
  return out;
}

}  // namespace graft::transfer
