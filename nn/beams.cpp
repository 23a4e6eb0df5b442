#include "nn/beams.h"

#include <algorithm>
#include <cmath>

namespace graft::nn {

Beams::Beams(const std::vector<int64_t>& first, const Generation& how) : how_(how), first_(first.size()) {
  // All begin alike: only the first may make continuations, or every beam would become the same.
  for (int64_t i = 0; i < how.beams; ++i) going_.push_back({first, i == 0 ? 0 : -1e9, i});
}

// Twice as many as there are beams, or more where there are several ends: enough that go on, whatever ends.
std::vector<Beams::Candidate> Beams::best(const std::vector<std::vector<double>>& scores) const {
  std::vector<Candidate> all;
  for (size_t b = 0; b < scores.size(); ++b) {
    for (size_t t = 0; t < scores[b].size(); ++t)
      all.push_back(
          {going_[b].log_likelihood + scores[b][t], static_cast<int64_t>(b), static_cast<int64_t>(t)});
  }
  size_t keep = std::max<size_t>(2, 1 + how_.ends.size()) * static_cast<size_t>(how_.beams);
  keep = std::min(keep, all.size());
  auto before = [](const Candidate& a, const Candidate& b) {
    if (a.log_likelihood != b.log_likelihood) return a.log_likelihood > b.log_likelihood;
    return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
  };
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(keep), all.end(), before);
  all.resize(keep);
  return all;
}

void Beams::step(const std::vector<std::vector<double>>& scores) {
  std::vector<Candidate> candidates = best(scores);
  std::vector<Text> next;
  // Of the text with the new token: what ends is ranked by the length with its end.
  int64_t length = static_cast<int64_t>(going_[0].tokens.size() - first_) + 1;
  for (size_t rank = 0; rank < candidates.size() && next.size() < going_.size(); ++rank) {
    const Candidate& c = candidates[rank];
    Text text{going_[static_cast<size_t>(c.beam)].tokens, c.log_likelihood, c.beam};
    if (std::find(how_.ends.begin(), how_.ends.end(), c.token) != how_.ends.end()) {
      if (rank < going_.size()) add(text, length, true);
      continue;
    }
    text.tokens.push_back(c.token);
    next.push_back(std::move(text));
  }
  GRAFT_CHECK_AS(UsageError, next.size() == going_.size(), "beam search: only ", next.size(), " of ",
                 going_.size(), " beams can go on; ask for fewer beams");
  going_ = std::move(next);
  done_ = done_ || hopeless(candidates[0].log_likelihood, length);
}

double Beams::ranked(double log_likelihood, int64_t length) const {
  return log_likelihood / std::pow(static_cast<double>(length), how_.length_penalty);
}

void Beams::add(const Text& text, int64_t length, bool ended) {
  double score = ranked(text.log_likelihood, length);
  if (static_cast<int64_t>(finished_.size()) >= how_.beams && score <= worst_) return;
  finished_.push_back({score, text.tokens, ended});
  auto lower = [](const Finished& a, const Finished& b) { return a.score < b.score; };
  if (static_cast<int64_t>(finished_.size()) > how_.beams)
    finished_.erase(std::min_element(finished_.begin(), finished_.end(), lower));
  worst_ = std::min_element(finished_.begin(), finished_.end(), lower)->score;
}

bool Beams::hopeless(double best, int64_t length) const {
  if (static_cast<int64_t>(finished_.size()) < how_.beams) return false;
  if (how_.early_stopping == EarlyStopping::yes) return true;
  // A log-likelihood only falls, but where longer texts are favoured its rank can rise.
  bool longest = how_.early_stopping == EarlyStopping::never && how_.length_penalty > 0;
  return worst_ >= ranked(best, longest ? how_.count : length);
}

std::vector<int64_t> Beams::origins() const {
  std::vector<int64_t> all;
  for (const Text& text : going_) all.push_back(text.origin);
  return all;
}

std::vector<int64_t> Beams::newest() const {
  std::vector<int64_t> all;
  for (const Text& text : going_) all.push_back(text.tokens.back());
  return all;
}

std::vector<Generated> Beams::finish() {
  if (!done_) {
    for (const Text& text : going_) add(text, static_cast<int64_t>(text.tokens.size() - first_), false);
  }
  std::stable_sort(finished_.begin(), finished_.end(),
                   [](const Finished& a, const Finished& b) { return a.score < b.score; });
  std::vector<Generated> results;
  for (auto f = finished_.rbegin(); f != finished_.rend(); ++f) {
    if (static_cast<int64_t>(results.size()) == how_.results) break;
    std::vector<int64_t> tokens(f->tokens.begin() + static_cast<std::ptrdiff_t>(first_), f->tokens.end());
    if (f->ended) tokens.push_back(how_.ends[0]);
    results.push_back({std::move(tokens), f->ended, f->score});
  }
  return results;
}

}  // namespace graft::nn
