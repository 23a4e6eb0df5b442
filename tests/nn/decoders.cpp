#include "tests/nn/decoders.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support.h"
#include "weights/layout.h"

namespace graft::test {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<int64_t>;
using weights::Checkpoint;

double largest_of(const Tensor& t) {
  double largest = 0;
  Tensor values = t.to(DType::f64).contiguous();
  for (double v : values.span<double>()) largest = std::max(largest, std::abs(v));
  return largest;
}

using Outputs = std::map<std::string, Tensor>;

void compare_blocks(const Outputs& outputs, const DecoderGolden& golden, DecoderParity& parity) {
  for (const auto& [name, expected] : golden.blocks) {
    REQUIRE_MESSAGE(outputs.count(name) == 1, "no output of " << name << " was seen");
    parity.block.see(name, max_relative_difference(outputs.at(name), expected));
  }
}

// Where the true gradient is 0 (a key's bias shifts all scores alike), rounding is all there is: then the
// scale is the network's largest gradient.
void compare_gradients(nn::Module& network, const DecoderGolden& golden, DecoderParity& parity) {
  std::vector<nn::NamedTensor> parameters = nn::named_parameters(network);
  CHECK(parameters.size() == golden.gradients.size());
  double largest = 0;
  for (const auto& [name, expected] : golden.gradients) largest = std::max(largest, largest_of(expected));
  for (const nn::NamedTensor& t : parameters) {
    REQUIRE_MESSAGE(golden.gradients.count(t.name) == 1, "no gradient of " << t.name << " in the reference");
    Tensor grad = t.parameter->var.grad();
    REQUIRE_MESSAGE(grad.defined(), t.name << " got no gradient");
    Tensor expected = weights::to_engine(golden.gradients.at(t.name), t.published);
    double relative = max_relative_difference(grad, expected), scale = largest_of(expected);
    if (std::isfinite(relative) && scale <= 1e-5 * largest) relative *= scale / largest;
    parity.gradient.see(t.name, relative);
    t.parameter->var.clear_grad();
  }
}

}  // namespace

DecoderParity compare_with(nn::Module& network, const DecoderGolden& golden,
                           const std::function<Var()>& forward,
                           const std::function<Var(const Var&)>& loss_of) {
  DecoderParity parity;
  network.eval();
  Outputs outputs;
  Var logits;
  {
    nn::Observing observing(network, [&](const std::string& name, const Tensor& y) { outputs[name] = y; });
    logits = forward();
  }
  compare_blocks(outputs, golden, parity);
  Var loss = loss_of(logits);
  parity.logits.see("logits", max_relative_difference(logits.value(), golden.logits));
  parity.logits.see("loss", max_relative_difference(loss.value(), golden.loss));
  backward(loss);
  compare_gradients(network, golden, parity);
  NoGrad no_grad;  // and as it runs when nothing is observed
  parity.logits.see("logits without gradients", max_relative_difference(forward().value(), golden.logits));
  return parity;
}

namespace {

void read_into(std::map<std::string, Tensor>& into, const Checkpoint& file) {
  for (const weights::Entry& entry : file.entries()) into[entry.name] = file.read(entry.name);
}

// transformers' settings as graft's.
nn::Generation settings(const Json& c) {
  const Json& s = c["setting"];
  nn::Generation how;
  how.count = c["max_new_tokens"];
  how.ends = c["eos"].get<Tokens>();
  how.least = s.value("min_new_tokens", 0);
  how.repetition_penalty = s.value("repetition_penalty", 1.0);
  how.no_repeat_ngram = s.value("no_repeat_ngram_size", 0);
  how.beams = s.value("num_beams", 1);
  how.length_penalty = s.value("length_penalty", 1.0);
  how.results = s.value("num_return_sequences", 1);
  if (s.contains("early_stopping"))
    how.early_stopping = s["early_stopping"] == "never" ? nn::EarlyStopping::never : nn::EarlyStopping::yes;
  return how;
}

}  // namespace

std::string decoder_folder(const std::string& name) {
  return str(source_dir(), "/tests/golden/decoders/", name);
}

DecoderGolden read_golden(const std::string& folder) {
  Checkpoint file = Checkpoint::open(folder + "/golden.safetensors");
  DecoderGolden golden;
  for (const weights::Entry& entry : file.entries()) {
    Tensor value = file.read(entry.name);
    if (entry.name.starts_with("block/")) {
      golden.blocks[entry.name.substr(6)] = value;
    } else if (entry.name.starts_with("grad/")) {
      golden.gradients[entry.name.substr(5)] = value;
    } else if (entry.name == "logits") {
      golden.logits = value;
    } else if (entry.name == "loss") {
      golden.loss = value;
    } else {
      golden.inputs[entry.name] = value;
    }
  }
  return golden;
}

DecoderGolden read_asset(const std::string& folder) {
  DecoderGolden golden;
  std::map<std::string, Tensor> outputs;
  read_into(golden.inputs, Checkpoint::open(folder + "/inputs.safetensors"));
  read_into(golden.gradients, Checkpoint::open(folder + "/grads.safetensors"));
  read_into(outputs, Checkpoint::open(folder + "/outputs.safetensors"));
  golden.logits = outputs.at("logits");
  golden.loss = outputs.at("loss").reshape({});
  // hidden_0 are the vectors that go into the first block; the last comes out of the norm after all blocks.
  for (auto [mine, theirs] : {std::pair{"transformer.drop", "hidden_0"},
                              {"transformer.h.0", "hidden_1"},
                              {"transformer.ln_f", "hidden_2"},
                              {"encoder.block.0", "enc_hidden_1"},
                              {"encoder", "enc_hidden_2"},
                              {"encoder.final_layer_norm", "encoder_last"},
                              {"decoder.block.0", "dec_hidden_1"},
                              {"decoder.final_layer_norm", "dec_hidden_2"}}) {
    if (outputs.count(theirs)) golden.blocks[mine] = outputs.at(theirs);
  }
  return golden;
}

DecoderParity compare(nn::Gpt2& network, const DecoderGolden& golden) {
  const Tensor& labels = golden.inputs.at("labels");
  return compare_with(
      network, golden, [&] { return network.forward(golden.inputs.at("input_ids")); },
      [&](const Var& logits) { return nn::Gpt2::loss(logits, labels); });
}

DecoderParity compare(nn::T5& network, const DecoderGolden& golden) {
  Tensor lengths = nn::lengths_of_mask(golden.inputs.at("attention_mask"));
  const Tensor& labels = golden.inputs.at("labels");
  return compare_with(
      network, golden, [&] { return network.forward(golden.inputs.at("input_ids"), lengths, labels); },
      [&](const Var& logits) { return nn::T5::loss(logits, labels); });
}

nn::TextBatch texts_of(const DecoderGolden& golden) {
  nn::TextBatch texts;
  texts.ids = golden.inputs.at("input_ids");
  if (golden.inputs.count("token_type_ids")) texts.types = golden.inputs.at("token_type_ids");
  texts.lengths = nn::lengths_of_mask(golden.inputs.at("attention_mask"));
  return texts;
}

DecoderParity compare(nn::Bert& network, const DecoderGolden& golden) {
  nn::TextBatch texts = texts_of(golden);
  return compare_with(
      network, golden, [&] { return network.forward(texts); },
      [&](const Var& logits) { return network.loss(logits, golden.inputs.at("labels")); });
}

void check_bars(const DecoderParity& p) {
  CHECK_MESSAGE(p.logits.value <= 1e-5, p.logits.name << ": " << p.logits.value);
  CHECK_MESSAGE(p.block.value <= 1e-5, p.block.name << ": " << p.block.value);
  CHECK_MESSAGE(p.gradient.value <= 1e-4, p.gradient.name << ": " << p.gradient.value);
}

Tokens returned(const Tokens& first, const nn::Generated& g, size_t length) {
  Tokens all = first;
  all.insert(all.end(), g.tokens.begin(), g.tokens.end());
  all.resize(std::max(all.size(), length), 0);
  return all;
}

GeneratedTexts check_generations(nn::LanguageModel& model, const std::string& folder) {
  Json recorded = Json::parse(std::ifstream(folder + "/generation.json"));
  REQUIRE(!recorded["cases"].empty());
  GeneratedTexts texts;
  for (const Json& c : recorded["cases"]) {
    CAPTURE(c.dump());
    Tokens prompt = c["prompt"];
    std::vector<nn::Generated> found = nn::generate(model, prompt, settings(c));
    REQUIRE(found.size() == c["sequences"].size());
    for (size_t i = 0; i < found.size(); ++i) {
      Tokens expected = c["sequences"][i];
      CHECK(returned(model.first_tokens(prompt), found[i], expected.size()) == expected);
      if (c.contains("scores"))
        CHECK(found[i].score == doctest::Approx(c["scores"][i].get<double>()).epsilon(1e-5));
      ++(found[i].ended ? texts.ended : texts.open);
    }
  }
  for (const Json& c : recorded["scores"]) {
    double found = nn::score(model, c["prompt"], {c["continuation"].get<Tokens>()})[0];
    CHECK(found == doctest::Approx(c["log_likelihood"].get<double>()).epsilon(1e-5));
  }
  return texts;
}

}  // namespace graft::test
