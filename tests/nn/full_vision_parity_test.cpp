// CLIP ViT-B/32 and ViT-B/16 against transformers and torchvision, from a folder that
// tests/parity/vision_parity.sh fills.
#include <cstdio>
#include <filesystem>

#include "tests/nn/vision.h"
#include "tests/support.h"
#include "transfer/clip.h"
#include "transfer/source.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

void tell(const std::string& name, const char* type, const DecoderParity& p) {
  std::printf("%-12s %s  logits %.1e  block %.1e (%s)  gradient %.1e (%s)\n", name.c_str(), type,
              p.logits.value, p.block.value, p.block.name.c_str(), p.gradient.value, p.gradient.name.c_str());
  std::fflush(stdout);
  check_bars(p);
}

void widen(Module& from, Module& to) {
  auto a = named_tensors(from), b = named_tensors(to);
  for (size_t i = 0; i < a.size(); ++i) b[i].set_value(a[i].value().to(DType::f64));
}

void check_clip(const std::string& folder) {
  auto loaded = transfer::load_clip(folder);
  DecoderGolden golden = read_golden(folder);
  tell("clip-b32", "f32", compare(*loaded.model, golden));
  Clip wide(loaded.model->config, {}, DType::f64);
  widen(*loaded.model, wide);
  tell("clip-b32", "f64", compare(wide, golden, DType::f64));
}

void check_vit(const std::string& name, const std::string& weights, const std::string& folder) {
  auto network = transfer::load_published(name, weights).network;
  DecoderGolden golden = read_golden(folder);
  tell(name, "f32", compare(*network, golden));
  auto wide = make_classifier(name, network->classes(), 0, DType::f64);
  widen(*network, *wide);
  tell(name, "f64", compare(*wide, golden));
}

}  // namespace

TEST_CASE("full-size CLIP and vision transformers equal transformers' and torchvision's") {
  std::string folder = env::parity();
  if (folder.empty()) {
    MESSAGE("skipped: GRAFT_PARITY is not set");
    return;
  }
  if (!std::filesystem::exists(folder + "/clip-b32")) {
    MESSAGE("skipped: no CLIP in " << folder);
    return;
  }
  check_clip(folder + "/clip-b32");
  check_vit("vit_b_16", folder + "/vit_b_16/weights.pth", folder + "/vit_b_16");
  check_vit("hf_vit_b_16", folder + "/hf_vit_b_16", folder + "/hf_vit_b_16");
}
