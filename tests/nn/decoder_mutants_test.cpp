// What GPT-2 and T5 do differently from other networks, done the usual way: each such mistake must show, far
// above the bars that the right networks keep (decoder_parity_test.cpp).
#include <algorithm>
#include <cmath>

#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "transfer/language.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;
using weights::Checkpoint;
using weights::Config;

namespace {

// A mistake must show at least so clearly; the bars are 1e-5 and 1e-4.
constexpr double kShows = 1e-3;

template <class Model, class ModelConfig>
Model loaded(const std::string& name, const ModelConfig& config, const weights::NameMap& names) {
  Model model(config);
  weights::load(model, Checkpoint::open(decoder_folder(name)), names).require_complete();
  model.eval();
  return model;
}

Gpt2Config published_gpt2() {
  return transfer::gpt2_config(Config::read(decoder_folder("gpt2") + "/config.json"));
}
Gpt2 gpt2(const Gpt2Config& config) {
  return loaded<Gpt2>("gpt2", config, transfer::gpt2_names());
}
T5Config published_t5(const std::string& name) {
  return transfer::t5_config(Config::read(decoder_folder(name) + "/config.json"));
}
T5 t5(const std::string& name, const T5Config& config) {
  return loaded<T5>(name, config, transfer::t5_names());
}
T5 t5(const std::string& name) {
  return t5(name, published_t5(name));
}

// The parts of a forward pass that a mistake changes are taken apart here.
struct T5Parts {
  explicit T5Parts(const std::string& name) : model(t5(name)), golden(read_golden(decoder_folder(name))) {
    lengths = lengths_of_mask(golden.inputs.at("attention_mask"));
    words = model.shared.forward(golden.inputs.at("input_ids"));
  }
  // What the encoder makes where layer i is given the bias that bias_of(i) makes.
  Tensor encoder(const std::function<Var(int64_t)>& bias_of) {
    T5Context context;
    context.lengths = lengths;
    Var x = words;
    for (size_t i = 0; i < model.encoder.block.size(); ++i) {
      context.bias = bias_of(static_cast<int64_t>(i));
      x = model.encoder.block[i].forward(x, context);
    }
    return model.encoder.final_layer_norm.forward(x).value();
  }
  double off(const Tensor& value, const std::string& block) const {
    return max_relative_difference(value, golden.blocks.at(block));
  }
  // The table's bias with buckets for one direction or both.
  Var bias(bool both_directions) {
    int64_t count = words.dim(1);
    const T5Config& c = model.config;
    Tensor which = Tensor::empty({count, count}, DType::i64);
    for (int64_t i = 0; i < count * count; ++i) {
      which.data<int64_t>()[i] = t5_bucket(i % count - i / count, both_directions, c.buckets, c.max_distance);
    }
    return permute(model.encoder.block[0].self.attention.relative_attention_bias->forward(which), {2, 0, 1});
  }

  T5 model;
  DecoderGolden golden;
  Tensor lengths;
  Var words;
};

}  // namespace

TEST_CASE("mutants of GPT-2: the other layout of its matrices") {
  Gpt2 model = gpt2(published_gpt2());
  for (auto& block : model.transformer.h.items) {
    Parameter& square = block->attn.c_proj.weight;  // the only one whose shape does not tell
    square.var.set_value(square.var.value().transpose(0, 1).contiguous());
  }
  CHECK(compare(model, read_golden(decoder_folder("gpt2"))).logits.value > kShows);
}

TEST_CASE("mutants of GPT-2: GELU by its definition, unscaled attention, another epsilon") {
  DecoderGolden golden = read_golden(decoder_folder("gpt2"));
  Gpt2Config exact = published_gpt2(), unscaled = exact, epsilon = exact, by_layer = exact;
  exact.activation = Nonlinearity::gelu;
  unscaled.scale_attention = false;
  epsilon.eps = 1e-12;
  by_layer.scale_by_layer = true;
  Gpt2 a = gpt2(exact), b = gpt2(unscaled), c = gpt2(epsilon), d = gpt2(by_layer);
  CHECK(compare(a, golden).logits.value > 1e-4);  // the two functions differ by 5e-4 at most
  CHECK(compare(b, golden).logits.value > kShows);
  CHECK(compare(c, golden).block.value > 2e-5);
  CHECK(compare(d, golden).logits.value > kShows);
}

TEST_CASE("mutants of GPT-2: a head of its own with the values of the tied one") {
  DecoderGolden golden = read_golden(decoder_folder("gpt2"));
  Gpt2Config config = published_gpt2();
  Gpt2 tied = gpt2(config);
  config.tied = false;
  Gpt2 untied(config);
  for (const NamedTensor& t : named_tensors(untied)) {
    for (const NamedTensor& s : named_tensors(tied)) {
      if (s.name == t.name) t.set_value(s.value().clone());
    }
  }
  golden.gradients["lm_head.weight"] = golden.gradients.at("transformer.wte.weight");
  DecoderParity p = compare(untied, golden);
  CHECK(p.logits.value <= 1e-5);  // nothing shows until it is trained
  CHECK(p.gradient.value > kShows);
}

TEST_CASE("mutants of GPT-2: causal masks are weights") {
  weights::NameMap names = transfer::gpt2_names();
  names.waive.clear();
  Gpt2 model(published_gpt2());
  weights::LoadReport report = weights::load(model, Checkpoint::open(decoder_folder("gpt2")), names);
  CHECK_FALSE(report.complete());
  CHECK(report.unexpected.size() == 4);  // attn.bias and attn.masked_bias of two layers
}

TEST_CASE("mutants of T5: attention's scores divided by the root of a head's size") {
  for (const char* name : {"t5-v1_0", "t5-v1_1"}) {
    T5 model = t5(name);
    for (const NamedTensor& t : named_parameters(model)) {
      if (!t.name.ends_with(".q.weight")) continue;
      for (float& v : t.value().span<float>()) v /= std::sqrt(static_cast<float>(model.config.head_size));
    }
    CHECK(compare(model, read_golden(decoder_folder(name))).logits.value > kShows);
  }
}

TEST_CASE("mutants of T5: the bias for the first layer alone, for one direction, or none") {
  T5Parts parts("t5-v1_0");
  Var right = parts.bias(true), one_direction = parts.bias(false);
  Var none(Tensor::zeros(right.shape()));
  const std::string out = "encoder.final_layer_norm";
  CHECK(parts.off(parts.encoder([&](int64_t) { return right; }), out) <= 1e-5);
  CHECK(parts.off(parts.encoder([&](int64_t i) { return i == 0 ? right : none; }), out) > kShows);
  CHECK(parts.off(parts.encoder([&](int64_t) { return one_direction; }), out) > kShows);
  CHECK(parts.off(parts.encoder([&](int64_t) { return none; }), out) > kShows);
}

TEST_CASE("mutants of T5: a norm that subtracts the mean") {
  T5Parts parts("t5-v1_0");
  Var x(parts.golden.blocks.at("encoder.block.1"));
  const Var& weight = parts.model.encoder.final_layer_norm.weight.var;
  Var zeros(Tensor::zeros(weight.shape()));
  const std::string out = "encoder.final_layer_norm";
  CHECK(parts.off(rms_norm(x, weight, 1e-6).value(), out) <= 1e-5);
  CHECK(parts.off(layer_norm(x, weight, zeros, 1e-6).value(), out) > kShows);
}

TEST_CASE("mutants of T5: the tied head unscaled, a head of its own scaled") {
  for (bool tied : {true, false}) {
    T5Parts parts(tied ? "t5-v1_0" : "t5-v1_1");
    REQUIRE(parts.model.config.tied == tied);
    Var hidden(parts.golden.blocks.at("decoder.final_layer_norm"));
    double root = std::sqrt(static_cast<double>(parts.model.config.width));
    Var wrong = tied ? linear(hidden, parts.model.shared.weight.var)
                     : parts.model.lm_head->forward(scale(hidden, 1 / root));
    CHECK(max_relative_difference(parts.model.head(hidden).value(), parts.golden.logits) <= 1e-5);
    CHECK(max_relative_difference(wrong.value(), parts.golden.logits) > kShows);
  }
}

TEST_CASE("mutants of T5: GELU by its definition, ReLU, no gate's factor") {
  DecoderGolden golden = read_golden(decoder_folder("t5-v1_1"));
  T5Config exact = published_t5("t5-v1_1"), plain = exact;
  exact.activation = Nonlinearity::gelu;
  plain.activation = Nonlinearity::relu;
  T5 a = t5("t5-v1_1", exact), b = t5("t5-v1_1", plain);
  CHECK(compare(a, golden).logits.value > 1e-4);  // the two functions differ by 5e-4 at most
  CHECK(compare(b, golden).logits.value > kShows);
}

TEST_CASE("mutants of T5: labels that are not shifted, padding that counts") {
  T5Parts parts("t5-v1_0");
  const Tensor &ids = parts.golden.inputs.at("input_ids"), &labels = parts.golden.inputs.at("labels");
  T5Context context;
  context.memory = parts.model.encode(ids, parts.lengths);
  context.memory_lengths = parts.lengths;
  Tensor padded = labels.clone();
  std::replace(padded.span<int64_t>().begin(), padded.span<int64_t>().end(), int64_t{-100}, int64_t{0});
  Var unshifted = parts.model.head(parts.model.decode(padded, context));
  CHECK(max_relative_difference(unshifted.value(), parts.golden.logits) > kShows);
  Var logits = parts.model.forward(ids, parts.lengths, labels);
  CHECK(max_relative_difference(T5::loss(logits, labels).value(), parts.golden.loss) <= 1e-5);
  CHECK(max_relative_difference(T5::loss(logits, padded).value(), parts.golden.loss) > kShows);
  Var unmasked = parts.model.forward(ids, {}, labels);
  CHECK(max_relative_difference(unmasked.value(), parts.golden.logits) > kShows);
}
