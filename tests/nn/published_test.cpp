// Published checkpoints: all tensors load, and the logits on a fixed input are PyTorch's.
#include "nn/models/registry.h"
#include "tests/nn/parity.h"
#include "tests/support.h"
#include "weights/load.h"

using namespace graft;
using weights::Checkpoint;

namespace {

// Numbers in [-2, 2) that need no random generator: tests/golden/models.py makes the same.
Tensor fixed_input(int64_t size) {
  Tensor t = Tensor::empty({1, 3, size, size}, DType::f32);
  float* out = t.data<float>();
  for (uint64_t i = 0; i < static_cast<uint64_t>(t.numel()); ++i) {
    uint32_t bits = static_cast<uint32_t>(i * 2654435761u);
    out[i] = static_cast<float>(bits >> 8) * 0x1p-22f - 2;
  }
  return test::from_published(t);
}

}  // namespace

TEST_CASE("published checkpoints give the published logits") {
  GRAFT_NEEDS_ASSETS();
  struct Case {
    const char* model;
    const char* file;
    const char* reference;
  };
  const Case cases[] = {
      {"mobilenet_v2", "mobilenet_v2.pth", "mobilenet_v2.pth"},
      {"squeezenet1_0", "squeezenet1_0.pth", "squeezenet1_0.pth"},
      {"cifar_resnet20", "resnet20-12fca82f.th", "resnet20-12fca82f.th"},
      {"cifar_resnet32", "resnet32-d509ac18.th", "resnet32-d509ac18.th"},
      {"cifar_resnet20", "formats/resnet20-legacy-tar.pth", "resnet20-12fca82f.th"},
      {"cifar_resnet20", "formats/resnet20-zip-dataparallel-wrapped.pth", "resnet20-12fca82f.th"},
      {"cifar_resnet20", "formats/resnet20-zip-noncontiguous.pth", "resnet20-12fca82f.th"},
      {"cifar_resnet20", "formats/resnet20-zip-shared-storage.pth", "resnet20-12fca82f.th"},
  };
  Checkpoint reference = Checkpoint::open(test::source_dir() + "/tests/golden/models/published.pth");
  for (const Case& c : cases) {
    CAPTURE(c.file);
    Tensor expected = reference.read(c.reference);
    auto network = nn::make_classifier(c.model, expected.dim(-1));
    weights::load(*network, Checkpoint::open(env::assets() + "/weights/" + c.file)).require_complete();
    NoGrad no_grad;
    Tensor logits = network->forward(Var(fixed_input(nn::model_info(c.model).input.size))).value();
    CHECK(test::max_relative_difference(logits, expected) <= 1e-5);
  }
}
