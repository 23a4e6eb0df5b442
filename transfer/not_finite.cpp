#include "transfer/not_finite.h"

#include <algorithm>
#include <cmath>

namespace graft::transfer {

bool all_finite(const Tensor& tensor) {
  Tensor values = tensor.to(kCpu).to(DType::f64).contiguous();
  auto span = values.span<double>();
  return std::all_of(span.begin(), span.end(), [](double v) { return std::isfinite(v); });
}

std::string place_not_finite(nn::Module& network, const std::function<void()>& forward_and_backward) {
  auto is_broken = [](const Tensor& t) { return is_float(t.dtype()) && !all_finite(t); };
  auto called = [](const std::string& name) { return name.empty() ? "the network" : name; };
  std::string found, last_finite;
  nn::Observing observing(
      network,
      [&](const std::string& name, const Tensor& output) {
        if (found.empty() && is_broken(output))
          found = str("; the output of ", called(name), " is the first that is not finite");
      },
      [&](const std::string& name, const Tensor& gradient) {
        if (!found.empty()) return;
        if (!is_broken(gradient)) {
          last_finite = called(name);
        } else if (last_finite.empty()) {
          found = "; the gradient of the network's output is not finite";
        } else {
          // What comes in behind a layer is finite and what leaves before it is not: the layer's own doing.
          found = str("; the gradient breaks on its way back through ", last_finite, ", before it comes to ",
                      name);
        }
      });
  forward_and_backward();
  if (!found.empty() || last_finite.empty()) return found;
  // Nothing in front of the last layer on the way back was looked at.
  for (const nn::NamedTensor& t : nn::named_parameters(network)) {
    Tensor gradient = t.parameter->var.grad();
    if (gradient.defined() && is_broken(gradient))
      return str("; the gradient breaks on its way back through ", last_finite);
  }
  return "";
}

}  // namespace graft::transfer
