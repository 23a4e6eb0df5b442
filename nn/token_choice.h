// How the next token is chosen from a network's logits: the steps of transformers' generate(), in its order.
// A row of scores, logits or their log-softmax, is changed in place; -inf is "never".
#pragma once

#include <span>
#include <vector>

#include "core/rng.h"

namespace graft::nn {

// From a row of logits to the natural logarithms of the probabilities.
std::vector<double> log_softmax(std::span<const float> logits);

// Each token that occurs in `context` gets less probable: a positive score is divided by the penalty, a
// negative one multiplied (Keskar et al., "CTRL", 2019). 1 changes nothing.
void penalise_repetition(std::span<double> scores, std::span<const int64_t> context, double penalty);

// Forbids each token with which the last n tokens would repeat n tokens of `context` (Paulus et al., "A deep
// reinforced model for abstractive summarization", 2017). 0 changes nothing.
void forbid_repeated_ngrams(std::span<double> scores, std::span<const int64_t> context, int64_t n);

struct Sampling {
  double temperature = 1;  // logits are divided by it; more than 0
  int64_t top_k = 0;       // only the k highest, and what ties with the lowest of them; 0: all
  double top_p = 1;        // only the most probable that together make up at least p, one at least; 1: all
};
// Throws UsageError.
void check(const Sampling& how);

// The probabilities that are drawn from: temperature first, then top-k (Fan et al., 2018), then top-p
// (Holtzman et al., "The curious case of neural text degeneration", 2020) among what is left.
std::vector<double> probabilities(std::span<const double> scores, const Sampling& how);
// An index, drawn with these probabilities.
int64_t draw(std::span<const double> probabilities, Rng& rng);
// The index of the highest score, the first where several are.
int64_t highest(std::span<const double> scores);

}  // namespace graft::nn
