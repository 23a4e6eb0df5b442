// What tests/parity/strict_load.sh gives to PyTorch: networks saved by graft, with an input and graft's own
// logits for it.
#include "core/env.h"
#include "nn/models/registry.h"
#include "tests/support.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("export: networks for PyTorch to load with strict=True") {
  if (env::parity().empty()) {
    MESSAGE("skipped: GRAFT_PARITY names no folder");
    return;
  }
  NoGrad no_grad;
  for (std::string name : {"resnet18", "resnet50", "mobilenet_v2", "squeezenet1_0", "squeezenet1_1"}) {
    auto net = nn::make_classifier(name, 1000, 3);
    uint64_t seed = 100;
    for (const auto& t : nn::named_tensors(*net)) {
      // Statistics of a trained network are not 0 and 1: variances must stay positive.
      if (t.name.ends_with("running_mean"))
        t.value().copy_from(random_tensor(t.value().shape(), ++seed, DType::f32));
      if (t.name.ends_with("running_var")) t.value().fill(1.5);
    }
    net->eval();
    Tensor images = random_tensor({2, 96, 96, 3}, 7, DType::f32);
    Tensor logits = net->forward(Var(images)).value();
    std::string path = str(env::parity(), "/", name);
    weights::save(*net, path + ".pth");
    weights::save(*net, path + ".safetensors");
    weights::save_torch_zip(path + ".case",
                            {{"images", images.permute({0, 3, 1, 2}).contiguous()}, {"logits", logits}});
  }
}
