#include "nn/generate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/beams.h"

namespace graft::nn {
namespace {

using Tokens = std::vector<int64_t>;

constexpr double kNever = -std::numeric_limits<double>::infinity();

void check_tokens(const LanguageModel& model, const Tokens& tokens, const char* what) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    GRAFT_CHECK_AS(DataError, tokens[i] >= 0 && tokens[i] < model.vocabulary(), what, ": token ", tokens[i],
                   " at position ", i, " is not in the vocabulary of ", model.vocabulary());
  }
}

void check_room(const LanguageModel& model, int64_t tokens) {
  GRAFT_CHECK_AS(UsageError, model.most_tokens() == 0 || tokens <= model.most_tokens(), "the text needs ",
                 tokens, " positions, the network has ", model.most_tokens(),
                 "; shorten the prompt or ask for fewer tokens");
}

void check_how(const LanguageModel& model, const Tokens& prompt, const Generation& how) {
  GRAFT_CHECK_AS(DataError, !prompt.empty(), "generate: the prompt has no tokens");
  check_tokens(model, prompt, "generate: prompt");
  for (int64_t end : how.ends) {
    GRAFT_CHECK_AS(UsageError, end >= 0 && end < model.vocabulary(), "generate: end token ", end,
                   " is not in the vocabulary of ", model.vocabulary());
  }
  GRAFT_CHECK_AS(UsageError, how.count >= 0, "generate: ", how.count, " tokens were asked for");
  GRAFT_CHECK_AS(UsageError, how.repetition_penalty > 0, "generate: repetition penalty ",
                 how.repetition_penalty, " is not more than 0");
  GRAFT_CHECK_AS(UsageError, how.no_repeat_ngram >= 0, "generate: no_repeat_ngram ", how.no_repeat_ngram,
                 " is negative");
  GRAFT_CHECK_AS(UsageError, how.beams >= 1, "generate: ", how.beams, " beams");
  GRAFT_CHECK_AS(UsageError, how.beams == 1 || !how.sample, "generate: either beams or draws, not both");
  GRAFT_CHECK_AS(UsageError, how.results >= 1 && (how.sample || how.results <= how.beams),
                 "generate: ", how.results, " results of ", how.beams, " beams");
  check(how.sampling);
  // The last token is not read again.
  check_room(model,
             static_cast<int64_t>(model.first_tokens(prompt).size()) + std::max<int64_t>(how.count - 1, 0));
}

Tensor one_row(std::span<const int64_t> tokens) {
  return Tensor::from(tokens, {1, static_cast<int64_t>(tokens.size())});
}

std::span<const float> row(const Tensor& logits, int64_t r) {
  auto size = static_cast<size_t>(logits.dim(-1));
  return logits.span<float>().subspan(static_cast<size_t>(r) * size, size);
}

// What the settings forbid or make less probable, after `context`, of which `made` tokens are new.
void process(std::span<double> scores, const Tokens& context, int64_t made, const Generation& how) {
  penalise_repetition(scores, context, how.repetition_penalty);
  forbid_repeated_ngrams(scores, context, how.no_repeat_ngram);
  if (made >= how.least) return;
  for (int64_t end : how.ends) scores[static_cast<size_t>(end)] = kNever;
}

bool is_end(int64_t token, const Generation& how) {
  return std::find(how.ends.begin(), how.ends.end(), token) != how.ends.end();
}

// One text from `logits`, which follow `context`: greedy or drawn.
Generated one_text(Continuation& text, Tensor logits, Tokens context, const Generation& how,
                   uint64_t result) {
  Generated made;
  for (int64_t step = 0; step < how.count; ++step) {
    std::span<const float> raw = row(logits, 0);
    std::vector<double> scores(raw.begin(), raw.end());
    process(scores, context, step, how);
    int64_t token = 0;
    if (how.sample) {
      Rng rng(how.seed, result, static_cast<uint64_t>(step));
      token = draw(probabilities(scores, how.sampling), rng);
    } else {
      token = highest(scores);
    }
    made.score += log_softmax(raw)[static_cast<size_t>(token)];
    made.tokens.push_back(token);
    made.ended = is_end(token, how);
    if (how.on_step) how.on_step(step + 1);
    if (made.ended || step + 1 == how.count) break;
    context.push_back(token);
    logits = text.append(one_row({&token, 1}));
  }
  return made;
}

std::vector<Generated> beam_search(Continuation& text, const Tensor& first_logits, const Tokens& first,
                                   const Generation& how) {
  Beams beams(first, how);
  text.select(Tokens(static_cast<size_t>(how.beams), 0));
  Tensor logits = first_logits;
  for (int64_t step = 0; step < how.count; ++step) {
    std::vector<std::vector<double>> scores;
    for (int64_t b = 0; b < how.beams; ++b) {
      scores.push_back(log_softmax(row(logits, step == 0 ? 0 : b)));  // at first all beams are the same
      process(scores.back(), beams.context(b), step, how);
    }
    beams.step(scores);
    if (how.on_step) how.on_step(step + 1);
    if (beams.done() || step + 1 == how.count) break;
    text.select(beams.origins());
    logits = text.append(Tensor::from(beams.newest(), {how.beams, 1}));
  }
  return beams.finish();
}

}  // namespace

std::vector<Generated> generate(LanguageModel& model, const Tokens& prompt, const Generation& how) {
  check_how(model, prompt, how);
  if (how.count == 0) return std::vector<Generated>(static_cast<size_t>(how.results));
  Tokens first = model.first_tokens(prompt);
  std::unique_ptr<Continuation> text = model.start(prompt);
  Tensor logits = text->append(one_row(first));
  if (how.beams > 1) return beam_search(*text, logits, first, how);
  std::vector<Generated> all;
  for (int64_t i = 0; i < how.results; ++i) {
    text->truncate(static_cast<int64_t>(first.size()));
    all.push_back(one_text(*text, logits, first, how, static_cast<uint64_t>(i)));
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}

std::vector<double> score(LanguageModel& model, const Tokens& prompt,
                          const std::vector<Tokens>& continuations) {
  GRAFT_CHECK_AS(DataError, !prompt.empty(), "score: the prompt has no tokens");
  check_tokens(model, prompt, "score: prompt");
  Tokens first = model.first_tokens(prompt);
  for (const Tokens& c : continuations) {
    GRAFT_CHECK_AS(DataError, !c.empty(), "score: a continuation has no tokens");
    check_tokens(model, c, "score: continuation");
    check_room(model, static_cast<int64_t>(first.size() + c.size()) - 1);
  }
  std::unique_ptr<Continuation> text = model.start(prompt);
  Tensor after_prompt = text->append(one_row(first));
  std::vector<double> scores;
  for (const Tokens& c : continuations) {
    double sum = log_softmax(row(after_prompt, 0))[static_cast<size_t>(c[0])];
    if (c.size() > 1) {
      auto read = static_cast<int64_t>(c.size()) - 1;
      text->truncate(static_cast<int64_t>(first.size()));
      Tensor logits = text->append(one_row(std::span(c).first(c.size() - 1)), read);
      for (int64_t i = 0; i < read; ++i)
        sum += log_softmax(row(logits, i))[static_cast<size_t>(c[static_cast<size_t>(i + 1)])];
    }
    scores.push_back(sum);
  }
  return scores;
}

}  // namespace graft::nn
