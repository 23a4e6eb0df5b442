// Whole networks: an accelerator's loss and gradients are the CPU's.
#include "autograd/ops.h"
#include "nn/models/registry.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

// One training step's forward and backward: the loss, then every parameter's gradient and every running
// statistic, on the CPU.
std::vector<std::pair<std::string, Tensor>> step(const char* name, int64_t size, bool train, Device device) {
  auto network = make_classifier(name, 5, 3);
  network->train(train);
  move_to(*network, device);
  Tensor pictures = random_tensor({3, size, size, 3}, 1, DType::f32);
  Tensor labels = Tensor::from<int64_t>(std::vector<int64_t>{4, 0, 2}, {3});
  Var loss = cross_entropy(network->forward(Var(pictures.to(device))), labels.to(device));
  backward(loss);
  std::vector<std::pair<std::string, Tensor>> out = {{"loss", loss.value().to(kCpu)}};
  for (const NamedTensor& t : named_tensors(*network)) {
    out.emplace_back(t.name, (t.parameter ? t.parameter->var.grad() : t.value()).to(kCpu));
  }
  return out;
}

}  // namespace

TEST_CASE("networks: loss, gradients and running statistics are the CPU's on every device") {
  struct Case {
    const char* name;
    int64_t size;
    bool train;
  };
  // Pictures of odd sizes, too: the last windows of a strided layer hang over the edge.
  for (const Case& c : {Case{"meadow_resnet", 64, true}, Case{"meadow_resnet", 33, false},
                        Case{"mobilenet_v2", 35, false}, Case{"squeezenet1_1", 39, false}}) {
    CAPTURE(c.name);
    CAPTURE(c.train);
    auto expected = step(c.name, c.size, c.train, kCpu);
    CHECK(expected[0].second.item() > 0);
    for (Device device : devices()) {
      if (!device.is_cuda()) continue;
      auto got = step(c.name, c.size, c.train, device);
      REQUIRE(got.size() == expected.size());
      for (size_t i = 0; i < got.size(); ++i) {
        CAPTURE(got[i].first);
        CHECK(max_relative_difference(got[i].second, expected[i].second) <= 1e-4);
      }
    }
  }
}
