// Language models with the weights of tests/golden/decoders and of the assets, and how far they are from what
// transformers recorded.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "nn/generate.h"
#include "nn/models/bert.h"
#include "nn/models/gpt2.h"
#include "nn/models/t5.h"
#include "tests/nn/parity.h"
#include "weights/checkpoint.h"

namespace graft::test {

// tests/golden/decoders/NAME
std::string decoder_folder(const std::string& name);

// The largest differences of a run from its reference: of logits and loss, of each block, of each gradient.
struct DecoderParity {
  Worst logits, block, gradient;
};
// What the reference recorded, from golden.safetensors: "logits", "loss", "block/NAME", "grad/NAME".
struct DecoderGolden {
  std::map<std::string, Tensor> inputs, blocks, gradients;
  Tensor logits, loss;
};
DecoderGolden read_golden(const std::string& folder);
// From a folder of assets/golden, whose blocks are called hidden_0 and so on, as the names that have them
// here.
DecoderGolden read_asset(const std::string& folder);

// Runs the network on the reference's inputs. Fails the test where the reference names a block or a gradient
// that the network does not have, or lacks one that it has.
DecoderParity compare_with(nn::Module& network, const DecoderGolden& golden,
                           const std::function<Var()>& forward, const std::function<Var(const Var&)>& loss);
DecoderParity compare(nn::Gpt2& network, const DecoderGolden& golden);
DecoderParity compare(nn::T5& network, const DecoderGolden& golden);
DecoderParity compare(nn::Bert& network, const DecoderGolden& golden);
nn::TextBatch texts_of(const DecoderGolden& golden);

// What the issue asks for: 1e-5, and of gradients 1e-4.
void check_bars(const DecoderParity& parity);

// A result as transformers returns it: what it started from, the new tokens, and zeros up to `length`.
std::vector<int64_t> returned(const std::vector<int64_t>& first, const nn::Generated& generated,
                              size_t length);
// Makes all texts of folder/generation.json: every token must be transformers', and the scores of beams and
// of given continuations equal to 1e-5. Returns how many texts ended and how many went on to the last token.
struct GeneratedTexts {
  int ended = 0, open = 0;
};
GeneratedTexts check_generations(nn::LanguageModel& model, const std::string& folder);

// The same network in f64.
template <class Model>
std::unique_ptr<Model> widened(Model& network) {
  auto wide = std::make_unique<Model>(network.config, 0, DType::f64);
  auto from = nn::named_tensors(network), to = nn::named_tensors(*wide);
  for (size_t i = 0; i < from.size(); ++i) to[i].set_value(from[i].value().clone().to(to[i].value().dtype()));
  return wide;
}

}  // namespace graft::test
