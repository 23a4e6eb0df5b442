// The bookkeeping of beam search, as transformers 4.36 does it (BeamSearchScorer and BeamHypotheses): which
// texts go on, which are finished, and when to stop.
#pragma once

#include <vector>

#include "nn/generate.h"

namespace graft::nn {

class Beams {
 public:
  // how.beams times the tokens that all begin with; those do not count as length.
  Beams(const std::vector<int64_t>& first, const Generation& how);

  // The tokens of a text that goes on.
  const std::vector<int64_t>& context(int64_t beam) const { return going_[static_cast<size_t>(beam)].tokens; }
  // scores[beam][token]: log-probabilities. Of the best continuations those that end are finished, and as
  // many others as there are beams go on.
  void step(const std::vector<std::vector<double>>& scores);
  // Whether no text that goes on is worth it, by how.early_stopping.
  bool done() const { return done_; }
  // After step: which beam each text was, and its newest token.
  std::vector<int64_t> origins() const;
  std::vector<int64_t> newest() const;
  // The how.results best, best first.
  std::vector<Generated> finish();

 private:
  struct Text {
    std::vector<int64_t> tokens;
    double log_likelihood;
    int64_t origin;
  };
  struct Finished {
    double score;
    std::vector<int64_t> tokens;
    bool ended;
  };
  struct Candidate {
    double log_likelihood;
    int64_t beam, token;
  };
  std::vector<Candidate> best(const std::vector<std::vector<double>>& scores) const;
  double ranked(double log_likelihood, int64_t length) const;
  void add(const Text& text, int64_t length, bool ended);
  bool hopeless(double best, int64_t length) const;

  Generation how_;
  size_t first_;
  std::vector<Text> going_;
  std::vector<Finished> finished_;
  double worst_ = 1e9;  // the lowest score among the finished
  bool done_ = false;
};

}  // namespace graft::nn
