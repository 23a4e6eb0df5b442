#include "transfer/plan.h"

#include "tests/support.h"
#include "transfer/certificate.h"
#include "transfer/rules.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

struct Norm : nn::Module {
  nn::Parameter weight{Tensor::full({2}, 1)};
  nn::Buffer running_mean{Tensor::zeros({2})};
  void parts(nn::Parts& p) override { p("weight", weight)("running_mean", running_mean); }
};
struct Stage : nn::Module {
  nn::Parameter weight{random_tensor({2, 2}, 1, DType::f32)};
  Norm bn;
  void parts(nn::Parts& p) override { p("weight", weight)("bn", bn); }
};
struct Net : nn::Module {
  Stage layer1, layer2;
  Stage fc;
  void parts(nn::Parts& p) override { p("layer1", layer1)("layer2", layer2)("fc", fc); }
};

std::vector<std::string> names(const std::vector<nn::NamedTensor>& tensors) {
  std::vector<std::string> out;
  for (const auto& t : tensors) out.push_back(t.name);
  return out;
}

}  // namespace

TEST_CASE("rules: globs") {
  struct Case {
    const char* pattern;
    const char* name;
    bool match;
  };
  for (Case c : {Case{"*", "", true},
                 {"*", "a.b", true},
                 {"layer4.*", "layer4.0.conv1.weight", true},
                 {"layer4.*", "layer40.weight", false},
                 {"*.bias", "fc.bias", true},
                 {"*.bias", "bias", false},
                 {"layer?.weight", "layer3.weight", true},
                 {"layer?.weight", "layer.weight", false},
                 {"*conv*weight", "a.conv1.weight", true},
                 {"a*b*c", "a__b__b", false},
                 {"", "", true},
                 {"", "a", false},
                 {"fc.weight", "fc.weight", true},
                 {"fc", "fc.weight", false}}) {
    CHECK_MESSAGE(matches(c.pattern, c.name) == c.match, c.pattern << " on " << c.name);
  }
  // Linear, not exponential: a pattern made to blow up a backtracking matcher.
  CHECK(!matches(std::string(200, '*') + "a*a*a*a*a*a*a*b", std::string(20000, 'a')));
}

TEST_CASE("rules: regular expressions match whole names") {
  CHECK(matches("re:layer[34]\\..*", "layer4.0.weight"));
  CHECK(!matches("re:layer[34]", "layer4.0.weight"));
  check_throws<UsageError>([] { matches("re:(", "a"); }, {"re:(", "regular expression"});
}

TEST_CASE("plan: later rules win, statistics follow the rules, gradients stop") {
  Net net;
  Plan p = plan(net, {{"*", Freeze::frozen},
                      {"layer2.*", Freeze::trainable, 0.1},
                      {"*running_mean", Freeze::frozen},
                      {"fc.*", Freeze::trainable, 1, 0.5}});
  CHECK(names(p.frozen) == std::vector<std::string>{"layer1.weight", "layer1.bn.weight",
                                                    "layer1.bn.running_mean", "layer2.bn.running_mean"});
  REQUIRE(p.groups.size() == 2);
  CHECK(p.groups[0].lr_scale == 0.1);
  CHECK(names(p.groups[0].parameters) == std::vector<std::string>{"layer2.weight", "layer2.bn.weight"});
  CHECK(p.groups[1].weight_decay == 0.5);
  CHECK(names(p.groups[1].parameters) == std::vector<std::string>{"fc.weight", "fc.bn.weight"});
  CHECK(names(p.moving).back() == "fc.bn.running_mean");
  CHECK(p.gradients_stop == "layer2");
  CHECK(p.parameters == 18);
  CHECK(p.trainable_parameters == 12);
  CHECK(!net.layer1.weight.var.needs_grad());
  CHECK(net.layer2.weight.var.needs_grad());
  net.train();
  CHECK(!net.layer1.weight.var.needs_grad());
  CHECK(plan(net, {{"*", Freeze::trainable}}).gradients_stop.empty());
}

TEST_CASE("plan: statistics that adapt may move, their weights not") {
  Net net;
  Plan p = plan(net, {{"*", Freeze::frozen_adapt_stats}});
  CHECK(p.groups.empty());
  CHECK(names(p.moving) ==
        std::vector<std::string>{"layer1.bn.running_mean", "layer2.bn.running_mean", "fc.bn.running_mean"});
}

TEST_CASE("plan: a rule that matches nothing is an error with the nearest name") {
  Net net;
  check_throws<UsageError>(
      [&] {
        plan(net, {{"*", Freeze::frozen}, {"layer2.wieght", Freeze::trainable}});
      },
      {"layer2.wieght", "matches no tensor", "layer2.weight"});
  CHECK(net.fc.weight.var.needs_grad());  // nothing was applied
}

TEST_CASE("certificate: says what moved and what did not") {
  Net net;
  Plan p = plan(net, {{"*", Freeze::frozen}, {"fc.*", Freeze::trainable}});
  Snapshot snapshot(p);
  net.fc.weight.var.value().fill(0.25);
  Certificate good = snapshot.certify();
  CHECK(good.broken.empty());
  CHECK(good.frozen.size() == 6);
  CHECK(good.frozen_bytes == 2 * (16 + 8 + 8));
  CHECK(good.unmoved == std::vector<std::string>{"fc.bn.weight", "fc.bn.running_mean"});
  CHECK_NOTHROW(require_intact(good));

  net.layer2.bn.running_mean.value.data<float>()[1] = 1e-30f;
  Certificate bad = snapshot.certify();
  CHECK(bad.broken == std::vector<std::string>{"layer2.bn.running_mean"});
  CHECK(bad.frozen_bytes_changed >= 1);
  CHECK(bad.digest != good.digest);
  check_throws<CertificateError>([&] { require_intact(bad); }, {"layer2.bn.running_mean", "moved"});
}

TEST_CASE("certificate: distances are relative to the tensor's length") {
  Net net;
  net.layer1.weight.var.value().fill(2);
  Snapshot snapshot(plan(net, {{"*", Freeze::trainable}}));
  net.layer1.weight.var.value().fill(3);
  net.layer1.bn.running_mean.value.fill(1);
  for (const Moved& m : snapshot.distances()) {
    double expected = m.name == "layer1.weight"            ? 0.5
                      : m.name == "layer1.bn.running_mean" ? std::sqrt(2.0)
                                                           : 0;
    CHECK_MESSAGE(m.relative_distance == doctest::Approx(expected), m.name);
  }
}
