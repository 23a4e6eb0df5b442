// Text, one token after the other: the most probable token each time, a drawn one, or beam search; and how
// probable a network finds a given text. Settings mean what they mean in transformers' generate() (4.36), and
// give its tokens; draws excepted, which come from graft's own random numbers.
#pragma once

#include <functional>
#include <vector>

#include "nn/language_model.h"
#include "nn/token_choice.h"

namespace graft::nn {

enum class EarlyStopping : uint8_t {
  heuristic,  // when no beam, as long as it is now, would be among the finished ones (transformers: False)
  yes,        // as soon as there are as many finished ones as beams (True)
  never,      // when no beam can get among the finished ones, whatever its length ("never")
};

struct Generation {
  int64_t count = 20;              // most new tokens
  int64_t least = 0;               // no end before so many
  std::vector<int64_t> ends = {};  // tokens that end the text; empty: it gets `count` tokens
  // What is in the text already; of an encoder-decoder its result alone.
  double repetition_penalty = 1;
  int64_t no_repeat_ngram = 0;

  bool sample = false;  // draw; otherwise the most probable, or beams
  Sampling sampling = {};
  uint64_t seed = 0;  // a draw is a function of seed, result and step

  int64_t beams = 1;          // 2 or more: beam search
  double length_penalty = 1;  // results are ranked by log-likelihood / length ^ length_penalty
  EarlyStopping early_stopping = EarlyStopping::heuristic;

  int64_t results = 1;  // how many, at most `beams`; where sample is true, any number

  // Called with the number of steps that are done, after each; may throw to end it all. May be empty.
  std::function<void(int64_t done)> on_step = {};
};

struct Generated {
  // New tokens, with the end where there is one; of a beam that ended, as in transformers, ends[0].
  std::vector<int64_t> tokens;
  bool ended = false;
  // Sum of the natural logarithms of the tokens' probabilities; of beams after the penalties, and ranked.
  double score = 0;
};

// Best first. Throws UsageError for settings that make no sense or ask for more tokens than the network has
// positions, DataError for a prompt with a token that is not in the vocabulary, or without any.
std::vector<Generated> generate(LanguageModel& model, const std::vector<int64_t>& prompt,
                                const Generation& how = {});

// Log-likelihoods of texts behind a prompt, in nats: for each continuation the sum over its tokens of
// log p(token | prompt, tokens before it). The prompt is read once. A continuation has at least one token.
std::vector<double> score(LanguageModel& model, const std::vector<int64_t>& prompt,
                          const std::vector<std::vector<int64_t>>& continuations);

}  // namespace graft::nn
