#include "transfer/adapt.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "autograd/ops.h"
#include "nn/layers.h"
#include "core/sha256.h"
#include "nn/models/registry.h"
#include "tests/app/program.h"
#include "tests/transfer/drawn.h"
#include "transfer/batches.h"
#include "transfer/certificate.h"
#include "transfer/score.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

constexpr data::Preprocess kSmall{.resize = 0, .crop = 8};

// Darker, with less contrast: another camera.
PictureSet dimmed(PictureSet set) {
  for (auto& pixels : set.pixels) {
    auto image = std::make_shared<data::Image>(*pixels);
    for (uint8_t& v : image->rgb) v = static_cast<uint8_t>(v / 4 + 10);
    pixels = image;
  }
  return set;
}

std::map<std::string, std::string> digests(nn::Module& network) {
  std::map<std::string, std::string> out;
  for (const nn::NamedTensor& t : nn::named_tensors(network)) out[t.name] = sha256(t.value());
  return out;
}

bool is_statistic(const std::string& name) {
  return name.ends_with("running_mean") || name.ends_with("running_var") ||
         name.ends_with("num_batches_tracked");
}

}  // namespace

TEST_CASE("adapt: the first norm's statistics are those of its inputs, batch by batch; nothing else moves") {
  auto network = small_network();
  PictureExamples target(drawn_pictures(2, 5, 8, 3), kSmall);
  auto before = digests(*network);
  Adapted adapted = adapt_statistics(*network, target, {.batch = 4, .seed = 7});
  CHECK(adapted.pictures == 10);
  CHECK(adapted.batches == 3);  // 4, 4 and 2
  CHECK(adapted.certificate.frozen_bytes_changed == 0);
  CHECK(adapted.certificate.unmoved.empty());
  int statistics = 0, others = 0;
  for (const auto& [name, digest] : digests(*network)) {
    CAPTURE(name);
    CHECK((digest != before.at(name)) == is_statistic(name));
    ++(is_statistic(name) ? statistics : others);
  }
  CHECK(statistics == 3 * adapted.layers);
  CHECK(static_cast<int>(adapted.certificate.frozen.size()) == others);

  // By hand, for the norm behind the first convolution.
  NoGrad no_grad;
  int64_t channels = network->bn1.running_mean.value.numel();
  std::vector<double> mean(static_cast<size_t>(channels)), variance(mean);
  for (const auto& batch : batches_of(10, 4, 7, 1)) {
    Tensor y = network->conv1.forward(network->taken(target.inputs(batch))).value();
    int64_t rows = y.numel() / channels;
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < rows; ++i) sum += y.data<float>()[i * channels + c];
      double m = sum / static_cast<double>(rows);
      for (int64_t i = 0; i < rows; ++i) squares += std::pow(y.data<float>()[i * channels + c] - m, 2);
      double share = static_cast<double>(batch.size()) / 10;
      mean[static_cast<size_t>(c)] += share * m;
      variance[static_cast<size_t>(c)] += share * squares / static_cast<double>(rows - 1);
    }
  }
  for (int64_t c = 0; c < channels; ++c) {
    auto at = static_cast<size_t>(c);
    CHECK(network->bn1.running_mean.value.data<float>()[c] == doctest::Approx(mean[at]).epsilon(1e-4));
    CHECK(network->bn1.running_var.value.data<float>()[c] == doctest::Approx(variance[at]).epsilon(1e-4));
  }
  CHECK(network->bn1.num_batches_tracked.value.item() == 3);
  CHECK(network->bn1.how.momentum == doctest::Approx(0.1));
  CHECK_FALSE(network->bn1.training());
}

TEST_CASE("adapt: the same pictures give the same bits, whatever the statistics were before") {
  PictureExamples target(drawn_pictures(3, 4, 8, 3), kSmall), other(drawn_pictures(2, 4, 8, 9), kSmall);
  auto first = small_network(), second = small_network();
  adapt_statistics(*first, target);
  adapt_statistics(*second, other);
  CHECK(weights_sha256(*first) != weights_sha256(*second));
  adapt_statistics(*second, target);
  CHECK(weights_sha256(*first) == weights_sha256(*second));
  adapt_statistics(*second, target, {.batch = 5, .seed = 1});
  CHECK(weights_sha256(*first) != weights_sha256(*second));
}

TEST_CASE("adapt: wins back what another camera took, without a label") {
  PictureSet train = drawn_pictures(3, 20, 8, 1), test = drawn_pictures(3, 20, 8, 2);
  RetrainOptions options = quick_options("scratch");
  options.recipe.epochs = 8;
  auto network = small_network(3);
  RunResult run = retrain(*network, train, test, options);
  REQUIRE(run.test.accuracy > 0.9);
  PictureExamples dim(dimmed(test), kSmall);
  double before = evaluate(*network, dim).accuracy;
  PictureSet unlabelled = dimmed(drawn_pictures(3, 20, 8, 4));
  std::fill(unlabelled.labels.begin(), unlabelled.labels.end(), 0);
  adapt_statistics(*network, PictureExamples(unlabelled, kSmall));
  double after = evaluate(*network, dim).accuracy;
  CAPTURE(before);
  CAPTURE(after);
  CHECK(before < 0.8);
  CHECK(after > 0.9);
}

TEST_CASE("adapt: what cannot be estimated is refused, and the network stays as it was") {
  PictureExamples one(drawn_pictures(1, 1, 8, 3), kSmall), two(drawn_pictures(2, 1, 8, 3), kSmall);
  auto network = small_network();
  std::string before = weights_sha256(*network);
  check_throws<DataError>([&] { adapt_statistics(*network, one); }, {"1 picture", "two or more"});
  check_throws<UsageError>([&] { adapt_statistics(*network, two, {.batch = 1}); }, {"batches of 1"});
  CHECK(weights_sha256(*network) == before);
  CHECK(adapt_statistics(*network, two).batches == 1);
  auto none = nn::make_classifier("squeezenet1_1", 2);
  check_throws<UsageError>([&] { adapt_statistics(*none, two); }, {"no batch norm", "graft tune"});
}

TEST_CASE("adapt: through the program, from a model.graft to another that eval and predict take") {
  Bench at(6);
  Ran ran = at.run(at.tune + " --out run");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  draw_class(at.dir / "dim", 90, 40, 40, 3);
  draw_class(at.dir / "dim/deeper", 40, 40, 90, 4);
  ran = at.run("adapt run/model.graft dim --out dim.graft --batch 4 --json a.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(at.dir / "a.json");
  CHECK(json["count"] == 7);
  CHECK(json["batches"] == 2);
  CHECK(json["layers"] == 19);
  CHECK(json["frozen_bytes_changed"] == 0);
  CHECK(json["moved"].size() == 2 * 19);
  CHECK(ran.out.find("19 batch norms") != std::string::npos);
  CHECK(ran.out.find("0 bytes changed") != std::string::npos);
  ran = at.run("eval dim.graft data --json e.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(at.dir / "e.json")["strategy"] == "adapt");
  std::string first = content(at.dir / "dim.graft");
  at.run("adapt run/model.graft dim --out dim.graft --batch 4");
  CHECK(content(at.dir / "dim.graft") == first);

  // Published weights, and back into tune.
  ran = at.run("adapt --model cifar_resnet20 --weights net.safetensors dim --out own.graft");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  ran = at.run("tune data --model cifar_resnet20 --weights own.graft --no-cache --out again");
  CHECK_MESSAGE(ran.code == 0, ran.err);

  check_complaint(at.run("adapt run/model.graft nowhere --out x.graft"), 65, {"nowhere"});
  check_complaint(at.run("adapt run/model.graft run --out x.graft"), 65, {"run", "no .jpg"});
  check_complaint(at.run("adapt run/model.graft dim dim --out x.graft"), 64, {"2 folders"});
  check_complaint(at.run("adapt run/model.graft dim"), 64, {"--out"});
  check_complaint(at.run("adapt run/model.graft dim --out no/where.graft"), 74, {"no/where.graft"});
  check_complaint(at.run("adapt net.safetensors dim --out x.graft"), 65, {"net.safetensors"});
  CHECK_FALSE(std::filesystem::exists(at.dir / "x.graft"));
}
