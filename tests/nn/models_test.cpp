// The networks as a whole: sizes, stages, heads, the table of names. Their numbers are checked in
// parity_test.cpp.
#include "nn/models/cifar_resnet.h"
#include "nn/models/registry.h"
#include "nn/models/squeezenet.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::nn;
using graft::test::random_tensor;

namespace {

struct Small {
  const char* name;
  int64_t size;  // of a picture that keeps the test quick
  int64_t features;
};
constexpr Small kSmall[] = {{"resnet18", 33, 512},           {"cifar_resnet20", 17, 64},
                            {"mobilenet_v2", 35, 1280},      {"squeezenet1_0", 41, 512},
                            {"squeezenet1_1", 39, 512},      {"efficientnet_b0", 35, 1280},
                            {"tf_efficientnet_b0", 35, 1280}};

Var picture(int64_t size, uint64_t seed = 1) {
  return Var(random_tensor({2, size, size, 3}, seed, DType::f32));
}

// Every tensor but the head's belongs to exactly one stage, and the stages come in the tensors' order.
void check_stages(Classifier& network) {
  std::vector<Stage> stages = network.stages();
  size_t last = 0;
  for (const NamedTensor& t : named_tensors(network)) {
    CAPTURE(t.name);
    int owners = 0;
    for (size_t i = 0; i < stages.size(); ++i) {
      for (const std::string& prefix : stages[i].prefixes) {
        if (t.name != prefix && t.name.rfind(prefix + ".", 0) != 0) continue;
        ++owners;
        CHECK(i >= last);
        last = i;
      }
    }
    CHECK(owners == (t.name.rfind(network.head_name() + ".", 0) == 0 ? 0 : 1));
  }
}

}  // namespace

TEST_CASE("the networks have the published numbers of parameters, each in its stage") {
  const std::pair<const char*, int64_t> published[] = {
      {"resnet18", 11'689'512},          {"resnet34", 21'797'672},       {"resnet50", 25'557'032},
      {"resnet101", 44'549'160},         {"resnet152", 60'192'808},      {"cifar_resnet20", 269'722},
      {"cifar_resnet32", 464'154},       {"cifar_resnet44", 658'586},    {"cifar_resnet56", 853'018},
      {"cifar_resnet110", 1'727'962},    {"mobilenet_v2", 3'504'872},    {"squeezenet1_0", 1'248'424},
      {"squeezenet1_1", 1'235'496},      {"vgg11", 132'863'336},         {"vgg16_bn", 138'365'992},
      {"efficientnet_b0", 5'288'548},    {"efficientnet_b1", 7'794'184}, {"efficientnet_b4", 19'341'616},
      {"tf_efficientnet_b0", 5'288'548}, {"vit_b_16", 86'567'656},       {"vit_b_32", 88'224'232},
      {"hf_vit_b_16", 86'567'656}};
  for (auto [name, count] : published) {
    CAPTURE(name);
    auto network = make_classifier(name, model_info(name).labels == Labels::cifar10 ? 10 : 1000);
    CHECK(parameter_count(*network) == count);
    CHECK(trainable_count(*network) == count);
    check_stages(*network);
  }
}

TEST_CASE("running from any stage on gives the same logits, bit by bit") {
  NoGrad no_grad;
  for (const Small& c : kSmall) {
    CAPTURE(c.name);
    auto network = make_classifier(c.name, 5, 3);
    Var x = picture(c.size);
    Tensor logits = network->forward(x).value();
    CHECK(logits.shape() == Shape{2, 5});
    for (size_t stage = 0; stage <= network->stages().size(); ++stage) {
      CAPTURE(stage);
      CHECK(bit_equal(network->forward_from(stage, network->forward_to(stage, x)).value(), logits));
    }
    CHECK(network->features(x).shape() == Shape{2, c.features});
  }
}

TEST_CASE("a replaced head keeps its name, takes the trunk's features and leaves the trunk alone") {
  for (const Small& c : kSmall) {
    CAPTURE(c.name);
    auto network = make_classifier(c.name, 10, 3);
    std::vector<NamedTensor> before = named_tensors(*network);
    std::vector<Tensor> values;
    for (const NamedTensor& t : before) values.push_back(t.value().clone());
    network->replace_head(4, 9);
    CHECK(network->classes() == 4);
    std::vector<NamedTensor> after = named_tensors(*network);
    REQUIRE(after.size() == before.size());
    for (size_t i = 0; i < after.size(); ++i) {
      CHECK(after[i].name == before[i].name);
      bool head = after[i].name.rfind(network->head_name() + ".", 0) == 0;
      CHECK(head != bit_equal(after[i].value(), values[i]));
      if (head) CHECK(after[i].freeze() == Freeze::trainable);
    }
    NoGrad no_grad;
    Var x = picture(c.size);
    CHECK(test::max_relative_difference(network->head(network->features(x)).value(),
                                        network->forward(x).value()) <= 1e-5);
  }
}

TEST_CASE("a SqueezeNet's new head is the published graph with an open ReLU") {
  auto network = make_classifier("squeezenet1_1", 1000, 3);
  NoGrad no_grad;
  Var x = picture(63);
  // With biases at 0 the ReLU cuts, and the mean of what is left is another number.
  CHECK(test::max_relative_difference(network->head(network->features(x)).value(),
                                      network->forward(x).value()) > 0.1);
  network->replace_head(5, 1);
  CHECK(named_tensors(*network).back().value().data<float>()[0] == SqueezeNet::kOpenBias);
  CHECK(test::max_relative_difference(network->head(network->features(x)).value(),
                                      network->forward(x).value()) <= 1e-6);
}

TEST_CASE("a network is a function of name, classes, seed and type") {
  auto a = make_classifier("cifar_resnet20", 5, 7), b = make_classifier("cifar_resnet20", 5, 7);
  auto c = make_classifier("cifar_resnet20", 5, 8);
  auto from = named_tensors(*a), same = named_tensors(*b), other = named_tensors(*c);
  for (size_t i = 0; i < from.size(); ++i) CHECK(bit_equal(from[i].value(), same[i].value()));
  CHECK_FALSE(bit_equal(from[0].value(), other[0].value()));
  auto wide = make_classifier("cifar_resnet20", 5, 7, DType::f64);
  Tensor logits = wide->forward(Var(random_tensor({1, 32, 32, 3}, 1, DType::f64))).value();
  CHECK(logits.dtype() == DType::f64);
  test::check_throws<Error>(
      [&] {
        wide->forward(Var(random_tensor({1, 32, 32, 3}, 1, DType::f32)));
      },
      {"f64", "f32"});
  test::check_throws<Error>(
      [&] {
        a->forward(Var(random_tensor({1, 32, 32, 4}, 1, DType::f32)));
      },
      {"[N, H, W, 3]"});
}

TEST_CASE("a frozen prefix records nothing") {
  auto network = make_classifier("cifar_resnet20", 5);
  for (const NamedTensor& t : named_tensors(*network)) {
    if (t.name.rfind("layer3", 0) != 0 && t.name.rfind("linear", 0) != 0) t.set_freeze(Freeze::frozen);
  }
  network->train();
  Var x = picture(16);
  CHECK_FALSE(network->forward_to(3, x).needs_grad());
  CHECK(network->forward_to(4, x).needs_grad());
}

TEST_CASE("the gradient of a whole network is that of its numbers") {
  CifarResNet network({{2, 4}, {1, 1}}, 3, 1, DType::f64);
  network.train();
  std::vector<Tensor> values = {random_tensor({2, 6, 5, 3}, 1)};
  for (const NamedTensor& t : named_parameters(network)) values.push_back(t.value());
  test::check_gradients(
      [&](const std::vector<Var>& vars) {
        auto parameters = named_parameters(network);
        for (size_t i = 0; i < parameters.size(); ++i) parameters[i].parameter->var = vars[i + 1];
        return network.forward(vars[0]);
      },
      values);
}

TEST_CASE("unknown networks are answered with the nearest names") {
  test::check_throws<UsageError>([] { make_classifier("resnet5O", 10); }, {"resnet5O", "resnet50"});
  test::check_throws<UsageError>([] { model_info(""); }, {"unknown model", "mobilenet_v2"});
  test::check_throws<UsageError>([] { make_classifier("resnet18", 0); }, {"resnet18", "at least one class"});
}

TEST_CASE("label names") {
  std::vector<std::string> imagenet = label_names(Labels::imagenet), cifar = label_names(Labels::cifar10);
  REQUIRE(imagenet.size() == 1000);
  CHECK(imagenet[0] == "tench, Tinca tinca");
  CHECK(imagenet[285] == "Egyptian cat");
  CHECK(imagenet[457] == "bow tie, bow-tie, bowtie");
  CHECK(imagenet[999] == "toilet tissue, toilet paper, bathroom tissue");
  CHECK(cifar.size() == 10);
  CHECK(cifar[9] == "truck");
}
