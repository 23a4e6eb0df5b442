// The published sizes against torchvision, from a folder that tests/parity/torchvision_parity.sh fills.
#include <cstdio>
#include <filesystem>

#include "nn/models/registry.h"
#include "tests/nn/parity.h"
#include "tests/support.h"
#include "weights/load.h"

using namespace graft;
using graft::test::Parity;
using graft::test::Worst;
using weights::Checkpoint;

TEST_CASE("full-size networks equal torchvision's") {
  std::string folder = env::parity();
  if (folder.empty()) {
    MESSAGE("skipped: GRAFT_PARITY is not set");
    return;
  }
  std::printf("%-15s %-7s %8s %8s %8s %8s %8s   training: %8s %8s %8s %8s\n", "network", "file", "logits", "block",
              "gradient", "grad f32", "torch32", "logits", "gradient", "torch32", "statist.");
  int compared = 0;
  for (const std::string& name : nn::model_names()) {
    for (const char* container : {"zip", "legacy"}) {
      std::string weights_file = str(folder, "/", name, "-", container, ".pth");
      if (!std::filesystem::exists(weights_file)) continue;
      CAPTURE(weights_file);
      Checkpoint golden = Checkpoint::open(str(folder, "/", name, "-golden.pth"));
      auto network = nn::make_classifier(name, golden.find("eval/logits")->shape.back());
      weights::load(*network, Checkpoint::open(weights_file)).require_complete();
      Parity p = test::compare(*network, golden);
      std::printf("%-15s %-7s %8.1e %8.1e %8.1e %8.1e %8.1e   %9s %8.1e %8.1e %8.1e %8.1e\n", name.c_str(), container,
                  p.logits.value, p.block.value, p.gradient.value, p.gradient32.value, p.torch32.value, "",
                  p.train_logits.value, p.train_gradient.value, p.train_torch32.value, p.statistics.value);
      std::printf("    worst block %s; worst gradient %s, in training %s\n", p.block.name.c_str(),
                  p.gradient.name.c_str(), p.train_gradient.name.c_str());
      CHECK_MESSAGE(p.logits.value <= 1e-5, p.logits.name << ": " << p.logits.value);
      CHECK_MESSAGE(p.block.value <= 1e-5, p.block.name << ": " << p.block.value);
      CHECK_MESSAGE(p.gradient.value <= 1e-4, p.gradient.name << ": " << p.gradient.value);
      ++compared;
    }
  }
  CHECK_MESSAGE(compared > 0, "no reference in " << folder);
}
