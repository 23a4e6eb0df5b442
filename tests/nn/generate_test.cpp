// Generation apart from any network: what is chosen, when it stops, what the cache keeps.
#include "nn/generate.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/kv_cache.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::nn;
using Tokens = std::vector<int64_t>;

namespace {

// A network whose logits of the next token depend on the last token alone, and which counts its work.
class Bigrams : public LanguageModel {
 public:
  explicit Bigrams(Tensor logits) : logits_(std::move(logits)) {}
  void parts(Parts&) override {}
  Tokens first_tokens(const Tokens& prompt) const override { return prompt; }
  std::unique_ptr<Continuation> start(const Tokens&) override { return std::make_unique<Reading>(*this); }
  int64_t vocabulary() const override { return logits_.dim(0); }
  int64_t most_tokens() const override { return most; }
  Tokens end_tokens() const override { return {}; }

  int64_t most = 0;
  int64_t read = 0;  // tokens that were appended, in all rows

 private:
  struct Reading : Continuation {
    explicit Reading(Bigrams& m) : model(m) {}
    Tensor append(const Tensor& tokens, int64_t last) override {
      REQUIRE(tokens.dim(0) == rows);
      int64_t words = model.vocabulary(), count = tokens.dim(1);
      model.read += tokens.numel();
      tokens_so_far += count;
      Tensor out = Tensor::empty({rows, last, words});
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t i = 0; i < last; ++i) {
          int64_t token = tokens.data<int64_t>()[r * count + count - last + i];
          out.slice(0, r, r + 1)
              .slice(1, i, i + 1)
              .copy_from(model.logits_.slice(0, token, token + 1).reshape({1, 1, words}));
        }
      }
      return out;
    }
    void select(const Tokens& which) override { rows = static_cast<int64_t>(which.size()); }
    void truncate(int64_t length) override { tokens_so_far = length; }
    int64_t length() const override { return tokens_so_far; }
    Bigrams& model;
    int64_t rows = 1, tokens_so_far = 0;
  };
  Tensor logits_;
};

// After token t comes most probably t + 1.
Bigrams counting(int64_t words) {
  Tensor logits = Tensor::zeros({words, words});
  for (int64_t t = 0; t < words; ++t) logits.data<float>()[t * words + (t + 1) % words] = 3;
  return Bigrams(logits);
}

Tokens tokens_of(LanguageModel& model, const Tokens& prompt, const Generation& how) {
  return generate(model, prompt, how)[0].tokens;
}

nlohmann::json fixture(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(str(test::source_dir(), "/tests/golden/decoders/", name)));
}

}  // namespace

TEST_CASE("greedy text goes on to its end or to as many tokens as were asked for") {
  Bigrams model = counting(6);
  CHECK(tokens_of(model, {2}, {.count = 4}) == Tokens{3, 4, 5, 0});
  CHECK(tokens_of(model, {2}, {.count = 4, .ends = {5}}) == Tokens{3, 4, 5});
  CHECK(tokens_of(model, {2}, {.count = 4, .ends = {1, 3}}) == Tokens{3});
  CHECK(tokens_of(model, {2}, {.count = 0}).empty());
  CHECK(generate(model, {2}, {.count = 4, .ends = {5}})[0].ended);
  CHECK_FALSE(generate(model, {2}, {.count = 2, .ends = {5}})[0].ended);
  // The end is not the most probable token that remains, so the first of the others comes.
  CHECK(tokens_of(model, {2}, {.count = 3, .least = 3, .ends = {3}}) == Tokens{0, 1, 2});
}

TEST_CASE("every token is read once: the prompt, then one a step, and not the last") {
  Bigrams model = counting(6);
  generate(model, {0, 1, 2}, {.count = 50});
  CHECK(model.read == 3 + 49);
  model.read = 0;
  generate(model, {0, 1, 2}, {.count = 50, .beams = 4});
  CHECK(model.read == 3 + 4 * 49);
  model.read = 0;
  score(model, {0, 1, 2}, {{3, 4}, {5}, {1, 2, 3, 4}});
  CHECK(model.read == 3 + 1 + 0 + 3);  // the prompt once
}

TEST_CASE("a text has room for as many tokens as the network has positions") {
  Bigrams model = counting(6);
  model.most = 11;
  CHECK(tokens_of(model, {0, 1, 2, 3, 4, 5}, {.count = 6}).size() == 6);  // the last is not read again
  test::check_throws<UsageError>([&] { generate(model, {0, 1, 2, 3, 4, 5}, {.count = 7}); }, {"12", "11"});
  test::check_throws<UsageError>([&] { score(model, {0}, {Tokens(12, 1)}); }, {"12", "11"});
}

TEST_CASE("settings and prompts that make no sense are refused") {
  Bigrams model = counting(6);
  using E = UsageError;
  auto refused = [&](const Generation& how, const std::string& part) {
    test::check_throws<E>([&] { generate(model, {1}, how); }, {part});
  };
  refused({.count = -1}, "-1");
  refused({.ends = {6}}, "6");
  refused({.repetition_penalty = 0}, "penalty");
  refused({.no_repeat_ngram = -2}, "-2");
  refused({.sample = true, .sampling = {.temperature = 0}}, "temperature");
  refused({.sample = true, .sampling = {.top_p = 1.5}}, "1.5");
  refused({.sample = true, .sampling = {.top_k = -3}}, "-3");
  refused({.sample = true, .beams = 2}, "beams");
  refused({.beams = 0}, "0 beams");
  refused({.beams = 3, .results = 4}, "4 results");
  test::check_throws<DataError>([&] { generate(model, {}, {}); }, {"no tokens"});
  test::check_throws<DataError>([&] { generate(model, {1, 6}, {}); }, {"6", "position 1"});
  test::check_throws<DataError>([&] { generate(model, {-1}, {}); }, {"-1"});
  test::check_throws<DataError>([&] { score(model, {1}, {{}}); }, {"no tokens"});
}

TEST_CASE("probabilities after temperature, top-k and top-p equal transformers'") {
  for (const auto& c : fixture("filters.json")) {
    CAPTURE(c.dump());
    std::vector<double> logits = c["logits"], expected = c["probabilities"];
    auto p = probabilities(logits, {c["temperature"], c["top_k"], c["top_p"]});
    REQUIRE(p.size() == expected.size());
    for (size_t i = 0; i < p.size(); ++i) CHECK(p[i] == doctest::Approx(expected[i]).epsilon(1e-9));
  }
}

TEST_CASE("draws follow the probabilities, and are a function of seed, result and step") {
  std::vector<double> p = {0.5, 0, 0.3, 0.2};
  std::vector<int> seen(4);
  constexpr int kDraws = 40000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    Rng rng(3, i);
    ++seen[static_cast<size_t>(draw(p, rng))];
  }
  CHECK(seen[1] == 0);
  for (size_t i : {size_t{0}, size_t{2}, size_t{3}})
    CHECK(seen[i] / double{kDraws} ==
          doctest::Approx(p[i]).epsilon(0.04));  // 5 standard deviations of the least

  Bigrams model(test::random_tensor({30, 30}, 4, DType::f32));
  Generation how{.count = 20, .sample = true, .seed = 5};
  Tokens once = tokens_of(model, {1}, how);
  CHECK(tokens_of(model, {1}, how) == once);
  how.seed = 6;
  CHECK(tokens_of(model, {1}, how) != once);
  how = {.count = 20, .sample = true, .seed = 5, .results = 3};
  auto several = generate(model, {1}, how);
  REQUIRE(several.size() == 3);
  CHECK(several[0].score >= several[1].score);
  CHECK(several[0].tokens != several[1].tokens);
  CHECK(std::any_of(several.begin(), several.end(), [&](const Generated& g) { return g.tokens == once; }));
  how = {.count = 20, .sample = true, .sampling = {.top_k = 1}};
  CHECK(tokens_of(model, {1}, how) == tokens_of(model, {1}, {.count = 20}));
}

TEST_CASE("repetition: what occurred gets less probable, what would repeat n tokens is forbidden") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> s = {2, -2, 3, 1};
  Tokens context = {0, 1, 0};
  penalise_repetition(s, context, 2);
  CHECK(s == std::vector<double>{1, -4, 3, 1});
  s = {0, 0, 0, 0};
  context = {1, 2, 3, 1, 2};
  forbid_repeated_ngrams(s, context, 3);
  CHECK(s == std::vector<double>{0, 0, 0, -kInfinity});
  forbid_repeated_ngrams(s, context, 1);
  CHECK(s == std::vector<double>{0, -kInfinity, -kInfinity, -kInfinity});
  s = {0, 0, 0, 0};
  forbid_repeated_ngrams(s, context, 6);
  forbid_repeated_ngrams(s, context, 0);
  CHECK(s == std::vector<double>{0, 0, 0, 0});
}

TEST_CASE("log-likelihoods are sums of log-probabilities, and those of all texts of a length make 1") {
  Bigrams model(test::random_tensor({5, 5}, 7, DType::f32));
  std::vector<Tokens> all;
  for (int64_t a = 0; a < 5; ++a) {
    for (int64_t b = 0; b < 5; ++b) {
      for (int64_t c = 0; c < 5; ++c) all.push_back({a, b, c});
    }
  }
  std::vector<double> scores = score(model, {2, 4}, all);
  double sum = 0;
  for (double s : scores) sum += std::exp(s);
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  size_t best = static_cast<size_t>(highest(scores));
  Generation how{.count = 3, .beams = 25};
  auto found = generate(model, {2, 4}, how);  // wide enough to miss nothing
  CHECK(found[0].tokens == all[best]);
  CHECK(found[0].score == doctest::Approx(scores[best] / 3).epsilon(1e-9));
  auto greedy = generate(model, {2, 4}, {.count = 3})[0];
  auto index = static_cast<size_t>(25 * greedy.tokens[0] + 5 * greedy.tokens[1] + greedy.tokens[2]);
  CHECK(greedy.score == doctest::Approx(scores[index]).epsilon(1e-9));
}

TEST_CASE("keys and values: appended, cut, chosen by row; room grows by doubling") {
  auto part = [](int64_t rows, int64_t tokens, uint64_t seed) {
    return test::random_tensor({rows, tokens, 2, 3}, seed, DType::f32);
  };
  for (int64_t rows : {1, 3}) {
    KeyValueCache cache(2);
    CHECK(cache.length() == 0);
    Tensor keys = part(rows, 40, 1), values = part(rows, 40, 2);
    std::vector<int64_t> capacities;
    for (int64_t at = 0; at < 40;) {
      int64_t next = at == 0 ? 5 : at + 1;
      for (int64_t layer : {0, 1}) {
        auto [k, v] = cache.append(layer, keys.slice(1, at, next), values.slice(1, at, next));
        CHECK(bit_equal(k.contiguous(), keys.slice(1, 0, next).contiguous()));
        CHECK(bit_equal(v.contiguous(), values.slice(1, 0, next).contiguous()));
        CHECK((rows > 1 || k.is_contiguous()));  // one row is not copied to be read
      }
      at = next;
      if (capacities.empty() || cache.capacity() != capacities.back()) capacities.push_back(cache.capacity());
    }
    CHECK(capacities == std::vector<int64_t>{rows * 4 * 6 * 16, rows * 4 * 6 * 32, rows * 4 * 6 * 64});
    cache.truncate(7);
    CHECK(cache.length() == 7);
    cache.select({rows - 1, 0, 0, rows - 1});
    Tensor more = part(4, 2, 3);
    Tensor k = cache.append(0, more, more).first;
    CHECK(k.shape() == Shape{4, 9, 2, 3});
    CHECK(bit_equal(k.slice(0, 0, 1).slice(1, 0, 7).contiguous(),
                    keys.slice(0, rows - 1, rows).slice(1, 0, 7).contiguous()));
    CHECK(bit_equal(k.slice(0, 1, 2).slice(1, 0, 7).contiguous(),
                    keys.slice(0, 0, 1).slice(1, 0, 7).contiguous()));
    CHECK(bit_equal(k.slice(1, 7, 9).contiguous(), more));
    test::check_throws<Error>([&] { cache.select({4}); }, {"row 4"});
    test::check_throws<Error>([&] { cache.truncate(10); }, {"10"});
    test::check_throws<Error>([&] { cache.append(2, more, more); }, {"layer 2"});
  }
}
