#include "tests/nn/parity.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/support.h"
#include "weights/layout.h"

namespace graft::test {
namespace {

using weights::Checkpoint;

double largest_of(const Tensor& t) {
  double largest = 0;
  Tensor values = t.to(DType::f64).contiguous();
  for (double v : values.span<double>()) largest = std::max(largest, std::abs(v));
  return largest;
}

// One parameter's relative difference. Where the true gradient is 0, as that of a bias which the next batch
// norm takes out again, the f64 reference holds 1e-17 and rounding is all there is: then the scale is the
// network's largest gradient.
double gradient_difference(const Tensor& grad, const Tensor& reference, double largest) {
  double scale = largest_of(reference), relative = max_relative_difference(grad, reference);
  return scale > 1e-10 * largest || !std::isfinite(relative) ? relative : relative * scale / largest;
}

struct Gradients {
  Worst exact, f32, torch32;
};

// The collected gradients against those of one mode, "eval/" or "train/".
Gradients compare_gradients(nn::Classifier& network, const Checkpoint& golden, const std::string& mode) {
  std::vector<nn::NamedTensor> parameters = nn::named_parameters(network);
  double largest = 0;
  for (const nn::NamedTensor& t : parameters)
    largest = std::max(largest, largest_of(golden.read(mode + "grad/" + t.name)));
  Gradients worst;
  for (const nn::NamedTensor& t : parameters) {
    Tensor grad = t.parameter->var.grad();
    REQUIRE_MESSAGE(grad.defined(), t.name << " got no gradient");
    Tensor exact = weights::to_engine(golden.read(mode + "grad/" + t.name), t.published);
    worst.exact.see(t.name, gradient_difference(grad, exact, largest));
    if (!golden.find(mode + "grad32/" + t.name)) continue;
    Tensor f32 = weights::to_engine(golden.read(mode + "grad32/" + t.name), t.published);
    if (largest_of(exact) > 1e-10 * largest) worst.f32.see(t.name, gradient_difference(grad, f32, largest));
    worst.torch32.see(t.name, gradient_difference(f32, exact, largest));
  }
  return worst;
}

void clear_gradients(nn::Classifier& network) {
  for (const nn::NamedTensor& t : nn::named_parameters(network)) t.parameter->var.clear_grad();
}

// Forward in evaluation mode, looking at every block; returns the logits.
Var observe_blocks(nn::Classifier& network, const Var& input, const Checkpoint& golden, Parity& parity) {
  std::map<std::string, Tensor> outputs;
  nn::Observing observing(network, [&](const std::string& name, const Tensor& y) { outputs[name] = y; });
  Var logits = network.forward(input);
  const std::string prefix = "eval/block/";
  for (const weights::Entry& entry : golden.entries()) {
    if (entry.name.rfind(prefix, 0) != 0) continue;
    std::string block = entry.name.substr(prefix.size());
    REQUIRE_MESSAGE(outputs.count(block) == 1, "no output of " << block << " was seen");
    Tensor exact = from_published(golden.read(entry.name));
    parity.block.see(block, max_relative_difference(outputs[block], exact));
    if (!golden.find("eval/block32/" + block)) continue;
    Tensor f32 = from_published(golden.read("eval/block32/" + block));
    parity.block32.see(block, max_relative_difference(f32, exact));
  }
  return logits;
}

void compare_loss(const Var& logits, const Var& loss, const Checkpoint& golden, const std::string& mode,
                  Worst& worst) {
  worst.see(mode + "logits", max_relative_difference(logits.value(), golden.read(mode + "logits")));
  worst.see(mode + "loss", max_relative_difference(loss.value(), golden.read(mode + "loss")));
}

}  // namespace

Tensor from_published(const Tensor& t) {
  return t.rank() == 4 ? t.permute({0, 2, 3, 1}).contiguous() : t;
}

Parity compare(nn::Classifier& network, const Checkpoint& golden) {
  Parity parity;
  Var input(from_published(golden.read("input")).to(network.dtype()));
  Tensor labels = golden.read("labels");

  network.eval();
  {
    NoGrad no_grad;
    Var logits = observe_blocks(network, input, golden, parity);
    parity.logits.see("eval/logits without gradients",
                      max_relative_difference(logits.value(), golden.read("eval/logits")));
  }
  Var logits = observe_blocks(network, input, golden, parity);
  Var loss = cross_entropy(logits, labels);
  compare_loss(logits, loss, golden, "eval/", parity.logits);
  backward(loss);
  Gradients gradients = compare_gradients(network, golden, "eval/");
  parity.gradient = gradients.exact, parity.gradient32 = gradients.f32, parity.torch32 = gradients.torch32;
  clear_gradients(network);

  if (!golden.find("train/logits")) return parity;
  network.train();
  nn::for_each_layer<nn::Dropout>(network, [](const std::string&, nn::Dropout& dropout) {
    dropout.set_p(0);  // the reference drops nothing
  });
  logits = network.forward(input);
  loss = cross_entropy(logits, labels);
  compare_loss(logits, loss, golden, "train/", parity.train_logits);
  backward(loss);
  gradients = compare_gradients(network, golden, "train/");
  parity.train_gradient = gradients.exact, parity.train_torch32 = gradients.torch32;
  clear_gradients(network);
  for (const nn::NamedTensor& t : nn::named_tensors(network)) {
    if (t.buffer)
      parity.statistics.see(t.name, max_relative_difference(t.value(), golden.read("train/after/" + t.name)));
  }
  return parity;
}

}  // namespace graft::test
