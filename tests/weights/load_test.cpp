#include "weights/load.h"

#include <cmath>
#include <limits>

#include "core/sha256.h"
#include "tests/support.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using weights::Checkpoint;
using weights::load;
using weights::NameMap;
using weights::SavedTensor;

namespace {

// A convolution, a norm with its counter, a dense layer.
struct Net : nn::Module {
  nn::Parameter conv, gamma, weight, bias;
  nn::Buffer mean, counter;

  explicit Net(uint64_t seed = 1, DType dtype = DType::f32)
      : conv(random_tensor({4, 3, 2, 5}, seed, dtype)),
        gamma(random_tensor({4}, seed + 1, dtype)),
        weight(random_tensor({2, 4}, seed + 2, dtype)),
        bias(random_tensor({2}, seed + 3, dtype)),
        mean(random_tensor({4}, seed + 4, dtype)),
        counter(Tensor::full({}, static_cast<double>(seed), DType::i64)) {}

  void parts(nn::Parts& p) override {
    p("conv.weight", conv, nn::Published::conv_oihw)("bn.weight", gamma)("bn.running_mean", mean)(
        "bn.num_batches_tracked", counter);
    p("fc.weight", weight)("fc.bias", bias);
  }
};

std::string hash(nn::Module& module) {
  Sha256 h;
  for (const auto& t : nn::named_tensors(module)) h.add(t.value());
  return h.hex();
}

// The network's tensors under changed names, saved.
Checkpoint changed(const TempDir& folder, Net& net,
                   const std::function<void(std::vector<SavedTensor>&)>& change) {
  std::vector<SavedTensor> tensors = weights::published_tensors(net);
  change(tensors);
  weights::save_safetensors(folder / "changed.safetensors", tensors);
  return Checkpoint::open(folder / "changed.safetensors");
}

}  // namespace

TEST_CASE("save and load: both formats give the same bits back") {
  TempDir folder;
  for (const char* name : {"net.safetensors", "net.pth", "net.graft"}) {
    Net net(1), other(50);
    weights::save(net, folder / name);
    weights::LoadReport report = load(other, Checkpoint::open(folder / name)).require_complete();
    CHECK(hash(net) == hash(other));
    CHECK(report.rows.size() == 6);
    CHECK(report.rows[0].shape == Shape{4, 5, 3, 2});
    CHECK(report.rows[0].transform == "OIHW -> OHWI");
    CHECK(report.rows[0].sha256 == sha256(net.conv.var.value()));
    CHECK(report.ledger().find(
              "conv.weight -> conv.weight  [4, 5, 3, 2]  f32 -> f32  OIHW -> OHWI  sha256 ") == 0);
  }
}

TEST_CASE("load: a file in another float type is converted, and the ledger says so") {
  TempDir folder;
  for (DType dtype : {DType::f64, DType::f16, DType::bf16}) {
    Net net(1, dtype), other(50);
    weights::save(net, folder / "net.pth");
    auto report = load(other, Checkpoint::open(folder / "net.pth")).require_complete();
    CHECK(bit_equal(other.weight.var.value(), net.weight.var.value().to(DType::f32)));
    CHECK(report.rows[4].from == dtype);
    CHECK(report.rows[4].to == DType::f32);
  }
}

TEST_CASE("load: one renamed tensor stops it with the nearest name; a rule, then a waiver, let it pass") {
  TempDir folder;
  Net net(1), other(50);
  std::string before = hash(other);
  Checkpoint file = changed(folder, net, [](auto& t) { t[4].name = "fc.wieght"; });
  auto report = load(other, file);
  CHECK_FALSE(report.complete());
  CHECK(hash(other) == before);
  check_throws<DataError>(
      [&] { report.require_complete(); },
      {"1 of 6 tensors not found in changed.safetensors", "missing    fc.weight [2, 4]",
       "did you mean fc.wieght?", "unexpected fc.wieght [2, 4]", "did you mean fc.weight?"});

  load(other, file, {.rename = {{"*.wieght", "*.weight"}}}).require_complete();
  CHECK(hash(other) == hash(net));

  Net third(70);
  report = load(third, file, {.waive = {"fc.w*"}}).require_complete();
  REQUIRE(report.waived.size() == 2);
  CHECK(report.waived[0].name == "fc.weight");
  CHECK(report.to_text().find("waived     fc.weight") != std::string::npos);
  CHECK(bit_equal(third.weight.var.value(), Net(70).weight.var.value()));
  CHECK(bit_equal(third.bias.var.value(), net.bias.var.value()));
}

TEST_CASE("load: another shape is listed with both shapes, and can be waived") {
  TempDir folder;
  Net net(1), other(50);
  std::string before = hash(other);
  Checkpoint file = changed(folder, net, [](auto& t) { t[4].value = random_tensor({10, 4}, 3, DType::f32); });
  check_throws<DataError>([&] { load(other, file).require_complete(); },
                          {"shape      fc.weight  model [2, 4], file [10, 4]", "swap the head"});
  CHECK(hash(other) == before);
  auto report = load(other, file, {.waive = {"fc.weight"}}).require_complete();
  CHECK(report.waived[0].what == "shape [10, 4] in the file, [2, 4] in the network");
}

TEST_CASE("load: an integer tensor for a float one is refused") {
  TempDir folder;
  Net net(1);
  Checkpoint file = changed(folder, net, [](auto& t) { t[5].value = Tensor::zeros({2}, DType::i64); });
  check_throws<DataError>([&] { load(net, file).require_complete(); },
                          {"type", "fc.bias", "type i64 in the file, f32 in the network"});
}

TEST_CASE("load: wrappers are stripped only where every name has them") {
  TempDir folder;
  Net net(1), other(50);
  for (std::string prefix : {"module.", "model.", "_orig_mod.", "_orig_mod.module."}) {
    Checkpoint file = changed(folder, net, [&](auto& tensors) {
      for (auto& t : tensors) t.name = prefix + t.name;
    });
    auto report = load(other, file).require_complete();
    CHECK(report.stripped == prefix);
    CHECK(report.to_text().find(prefix) != std::string::npos);
  }
  Checkpoint mixed = changed(folder, net, [](auto& t) { t[0].name = "module." + t[0].name; });
  CHECK_FALSE(load(other, mixed).complete());
}

TEST_CASE("load: batch norm counters may be missing; nothing else may") {
  TempDir folder;
  Net net(1), other(50);
  Checkpoint file = changed(folder, net, [](auto& t) { t.erase(t.begin() + 3); });
  auto report = load(other, file).require_complete();
  CHECK(report.waived[0].name == "bn.num_batches_tracked");
  CHECK(report.rows.size() == 5);
}

namespace {

// One parameter under two names.
struct TiedNet : nn::Module {
  nn::Parameter words{random_tensor({5, 3}, 1, DType::f32)};
  void parts(nn::Parts& p) override { p("words.weight", words)("head.weight", words); }
};

}  // namespace

TEST_CASE("load: a tied tensor may be in the file under either name, or under both with equal values") {
  TempDir folder;
  Tensor value = random_tensor({5, 3}, 9, DType::f32), other = value.clone();
  other.data<float>()[14] = 0;
  auto file = [&](const std::vector<SavedTensor>& tensors) {
    weights::save_torch_zip(folder / "tied.pth", tensors);
    return Checkpoint::open(folder / "tied.pth");
  };
  SavedTensor words{"words.weight", value}, head{"head.weight", value.clone()};
  for (const std::vector<SavedTensor>& tensors :
       {std::vector<SavedTensor>{words}, {head}, {words, head}, {head, words}}) {
    TiedNet net;
    auto report = load(net, file(tensors)).require_complete();
    CHECK(bit_equal(net.words.var.value(), value));
    REQUIRE(report.rows.size() == 2);
    for (const weights::LoadRow& row : report.rows) CHECK(row.sha256 == sha256(value));
  }
  TiedNet net;
  Checkpoint differs = file({words, {"head.weight", other}});
  check_throws<DataError>([&] { load(net, differs).require_complete(); },
                          {"head.weight", "differs from words.weight, to which the network ties it"});
  CHECK(bit_equal(net.words.var.value(), TiedNet().words.var.value()));
  auto report = load(net, differs, {.waive = {"head.weight"}}).require_complete();
  CHECK(bit_equal(net.words.var.value(), value));
  CHECK(report.rows[1].transform == "tied to words.weight");
  CHECK(report.rows[1].sha256 == sha256(value));
}

TEST_CASE("load: values that are not finite are counted") {
  TempDir folder;
  Net net(1);
  net.weight.var.value().data<float>()[1] = std::nanf("");
  net.weight.var.value().data<float>()[2] = std::numeric_limits<float>::infinity();
  weights::save(net, folder / "net.safetensors");
  auto report = load(net, Checkpoint::open(folder / "net.safetensors"));
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings[0] == "fc.weight: 2 of 8 values are NaN or infinite");
}

TEST_CASE("load: a damaged tensor leaves the network as it was") {
  TempDir folder;
  Net net(1), other(50);
  weights::save(net, folder / "net.pth");
  std::string before = hash(other);
  FILE* f = std::fopen((folder / "net.pth").c_str(), "r+b");
  std::fseek(f, -1300, SEEK_END);
  int byte = std::fgetc(f);
  std::fseek(f, -1300, SEEK_END);
  std::fputc(byte ^ 1, f);
  std::fclose(f);
  CHECK_THROWS_AS(load(other, Checkpoint::open(folder / "net.pth")), DataError);
  CHECK(hash(other) == before);
}
