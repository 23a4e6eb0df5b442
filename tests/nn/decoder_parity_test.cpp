// GPT-2 and T5 against transformers: logits, blocks, loss, every gradient, every generated token.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/generate.h"
#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "transfer/language.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;
using Json = nlohmann::json;
using Tokens = std::vector<int64_t>;
using weights::Checkpoint;

namespace {

Json read_json(const std::string& path) {
  return Json::parse(std::ifstream(path));
}

// Enough of both kinds for the fixture to mean something.
void check_texts(const GeneratedTexts& texts) {
  CHECK(texts.ended >= 20);
  CHECK(texts.open >= 20);
}

// In f32, and the same weights in f64.
template <class Model>
void check_parity(LanguageModel& model, const DecoderGolden& golden) {
  auto& network = dynamic_cast<Model&>(model);
  CHECK(golden.blocks.size() >= 3);
  check_bars(compare(network, golden));
  check_bars(compare(*widened(network), golden));
}

// The next token's logits after each of `tokens`, one token at a time and all at once.
void check_cache(LanguageModel& model, const Tokens& prompt, const Tokens& tokens, int64_t rows) {
  Tokens first = model.first_tokens(prompt), all = first;
  all.insert(all.end(), tokens.begin(), tokens.end());
  auto whole = model.start(prompt), stepwise = model.start(prompt);
  auto count = static_cast<int64_t>(all.size());
  Tensor at_once = whole->append(Tensor::from(all, {1, count}), count);
  stepwise->append(Tensor::from(first, {1, static_cast<int64_t>(first.size())}));
  stepwise->select(Tokens(static_cast<size_t>(rows), 0));
  for (size_t i = 0; i < tokens.size(); ++i) {
    Tensor step = stepwise->append(Tensor::from(Tokens(static_cast<size_t>(rows), tokens[i]), {rows, 1}));
    auto at = static_cast<int64_t>(first.size() + i);
    for (int64_t r = 0; r < rows; ++r) {
      Tensor expected = at_once.slice(1, at, at + 1).contiguous();
      CHECK(max_relative_difference(step.slice(0, r, r + 1).contiguous(), expected) <= 1e-5);
    }
  }
  CHECK(stepwise->length() == count);
}

// Greedy without keeping anything: the whole text is read again for each token.
Tokens without_cache(LanguageModel& model, const Tokens& prompt, int64_t count) {
  Tokens text = model.first_tokens(prompt), made;
  for (int64_t i = 0; i < count; ++i) {
    Tensor logits = model.start(prompt)->append(Tensor::from(text, {1, static_cast<int64_t>(text.size())}));
    std::vector<double> row(logits.span<float>().begin(), logits.span<float>().end());
    made.push_back(highest(row));
    text.push_back(made.back());
  }
  return made;
}

Tokens some_tokens(int64_t count, int64_t vocabulary, uint64_t seed) {
  Rng rng(seed);
  Tokens tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(rng.below(static_cast<uint32_t>(vocabulary)));
  return tokens;
}

}  // namespace

TEST_CASE("GPT-2 equals transformers': blocks, logits, loss, gradients, tokens") {
  auto [family, model, report] = transfer::load_language(decoder_folder("gpt2"));
  CHECK(family == "gpt2");
  check_parity<Gpt2>(*model, read_golden(decoder_folder("gpt2")));
  check_texts(check_generations(*model, decoder_folder("gpt2")));
}

TEST_CASE("T5 1.0 and 1.1 equal transformers': blocks, logits, loss, gradients, tokens") {
  for (const char* name : {"t5-v1_0", "t5-v1_1"}) {
    CAPTURE(name);
    auto [family, model, report] = transfer::load_language(decoder_folder(name));
    CHECK(family == "t5");
    check_parity<T5>(*model, read_golden(decoder_folder(name)));
    check_texts(check_generations(*model, decoder_folder(name)));
  }
}

TEST_CASE("published GPT-2 and T5 from both files of weights") {
  GRAFT_NEEDS_ASSETS();
  for (const char* name : {"gpt2_lm", "t5"}) {
    std::string folder = str(env::assets(), "/golden/", name);
    DecoderGolden golden = read_asset(folder);
    for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
      CAPTURE(file);
      auto [family, model, report] = transfer::load_language(str(folder, "/", file));
      Json greedy = read_json(folder + "/greedy.json");
      Tokens prompt, expected = greedy["greedy"];
      if (family == "gpt2") {
        check_parity<Gpt2>(*model, golden);
        prompt = greedy["prompt"].get<Tokens>();
      } else {
        check_parity<T5>(*model, golden);
        const int64_t* ids = golden.inputs.at("input_ids").data<int64_t>();
        prompt = Tokens(ids, ids + 13);
      }
      Tokens first = model->first_tokens(prompt);
      Generation how{.count = static_cast<int64_t>(expected.size() - first.size())};
      CHECK(returned(first, generate(*model, prompt, how)[0], 0) == expected);
    }
  }
}

TEST_CASE("a trained network that sorts: all 729 texts of six digits") {
  GRAFT_NEEDS_ASSETS();
  auto [family, model, report] = transfer::load_language(env::assets() + "/weights/gpt-nano-sort");
  CHECK(report.waived.size() == 3);  // the causal masks
  int wrong = 0;
  for (int64_t n = 0; n < 729; ++n) {
    Tokens digits;
    for (int64_t rest = n, i = 0; i < 6; ++i, rest /= 3) digits.push_back(rest % 3);
    Tokens found = generate(*model, digits, {.count = 6})[0].tokens;
    std::sort(digits.begin(), digits.end());
    wrong += found != digits;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a token at a time gives what all at once gives, in one row and in several") {
  for (bool tied : {true, false}) {
    Gpt2 gpt2({.width = 12, .layers = 3, .heads = 2, .vocabulary = 17, .positions = 60, .tied = tied}, 3);
    T5Config small{.width = 12,
                   .head_size = 5,
                   .inner = 9,
                   .layers = 1,
                   .decoder_layers = 2,
                   .heads = 3,
                   .gated = !tied,
                   .tied = tied,
                   .vocabulary = 17,
                   .buckets = 8,
                   .max_distance = 20};
    T5 t5(small, 4);
    for (LanguageModel* model : {static_cast<LanguageModel*>(&gpt2), static_cast<LanguageModel*>(&t5)}) {
      for (int64_t length : {1, 2, 40}) {
        Tokens prompt = some_tokens(7, 17, 1), tokens = some_tokens(length, 17, 2);
        check_cache(*model, prompt, tokens, 1);
        check_cache(*model, prompt, tokens, 3);
      }
      Tokens prompt = some_tokens(5, 17, 5);
      CHECK(generate(*model, prompt, {.count = 30})[0].tokens == without_cache(*model, prompt, 30));
    }
  }
}

TEST_CASE("text is not generated in training mode") {
  Gpt2 model({.width = 4, .layers = 1, .heads = 1, .vocabulary = 5, .positions = 6});
  model.train();
  check_throws<Error>([&] { generate(model, {1}, {.count = 1}); }, {"eval()"});
  T5 t5({.width = 4,
         .head_size = 2,
         .inner = 4,
         .layers = 1,
         .decoder_layers = 1,
         .heads = 1,
         .vocabulary = 5});
  t5.train();
  check_throws<Error>([&] { generate(t5, {1}, {.count = 1}); }, {"eval()"});
}

TEST_CASE("T5's buckets of relative positions equal transformers'") {
  for (const Json& c : read_json(decoder_folder("buckets.json"))) {
    std::vector<int64_t> found;
    for (int64_t distance = -600; distance <= 600; ++distance)
      found.push_back(t5_bucket(distance, c["bidirectional"], c["buckets"], c["max_distance"]));
    CHECK(found == c["of"].get<std::vector<int64_t>>());
  }
}

TEST_CASE("starting values depend on the seed alone; dropout is a training matter") {
  Gpt2Config config{.width = 48, .layers = 2, .heads = 3, .vocabulary = 50, .positions = 16};
  auto deviation = [](const Parameter& p) {
    double square = 0;
    for (float v : p.var.value().span<float>()) square += double{v} * v;
    return std::sqrt(square / static_cast<double>(p.var.value().numel()));
  };
  Gpt2 model(config, 3), again(config, 3), other(config, 4), zeros(config);
  CHECK(deviation(model.transformer.wte.weight) == doctest::Approx(0.02).epsilon(0.05));
  CHECK(deviation(model.transformer.h[0].mlp.c_proj.weight) == doctest::Approx(0.01).epsilon(0.05));
  CHECK(deviation(zeros.transformer.wte.weight) == 0);
  CHECK(deviation(zeros.transformer.ln_f.weight) == 1);
  Tensor ids = Tensor::from(some_tokens(10, 50, 1), {2, 5});
  Tensor calm = model.forward(ids).value();
  CHECK(bit_equal(again.forward(ids).value(), calm));
  CHECK_FALSE(bit_equal(other.forward(ids).value(), calm));
  model.train();
  again.train();
  Tensor dropped = model.forward(ids).value();
  CHECK_FALSE(bit_equal(dropped, calm));
  CHECK(bit_equal(again.forward(ids).value(), dropped));
  model.eval();
  CHECK(bit_equal(model.forward(ids).value(), calm));

  T5Config text{.width = 40,
                .head_size = 8,
                .inner = 60,
                .layers = 2,
                .decoder_layers = 2,
                .heads = 3,
                .vocabulary = 50};
  T5 t5(text, 3);
  CHECK(deviation(t5.shared.weight) == doctest::Approx(1).epsilon(0.05));
  CHECK(deviation(t5.encoder.block[1].self.attention.q.weight) ==
        doctest::Approx(1 / std::sqrt(320.0)).epsilon(0.1));
  CHECK(deviation(t5.encoder.block[1].feed_forward.dense.wo.weight) ==
        doctest::Approx(1 / std::sqrt(60.0)).epsilon(0.1));
  calm = t5.forward(ids, {}, ids).value();
  t5.train();
  CHECK_FALSE(bit_equal(t5.forward(ids, {}, ids).value(), calm));
  t5.eval();
  CHECK(bit_equal(t5.forward(ids, {}, ids).value(), calm));
}
