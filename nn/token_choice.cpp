#include "nn/token_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace graft::nn {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

void keep_top_k(std::span<double> scores, int64_t k) {
  if (k <= 0 || static_cast<size_t>(k) >= scores.size()) return;
  std::vector<double> sorted(scores.begin(), scores.end());
  auto kth = sorted.begin() + (k - 1);
  std::nth_element(sorted.begin(), kth, sorted.end(), std::greater<>());
  std::replace_if(
      scores.begin(), scores.end(), [lowest = *kth](double s) { return s < lowest; }, kNever);
}

std::vector<double> softmax(std::span<const double> scores) {
  double most = scores[static_cast<size_t>(highest(scores))], sum = 0;
  std::vector<double> p(scores.size());
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(scores[i] - most);
  for (double& x : p) x /= sum;
  return p;
}

// The least probable go first, as long as all that have gone make up no more than 1 - p.
void keep_top_p(std::span<double> scores, double p) {
  if (p >= 1) return;
  std::vector<double> of = softmax(scores);
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double gone = 0;
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    gone += of[order[i]];
    if (gone > 1 - p) break;
    scores[order[i]] = kNever;
  }
}

}  // namespace

std::vector<double> log_softmax(std::span<const float> logits) {
  GRAFT_CHECK(!logits.empty(), "log_softmax: no logits");
  double most = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float x : logits) sum += std::exp(double{x} - most);
  double total = most + std::log(sum);
  std::vector<double> out(logits.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = double{logits[i]} - total;
  return out;
}

void penalise_repetition(std::span<double> scores, std::span<const int64_t> context, double penalty) {
  if (penalty == 1) return;
  std::vector<int64_t> once(context.begin(), context.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  for (int64_t token : once) {
    double& score = scores[static_cast<size_t>(token)];
    score = score < 0 ? score * penalty : score / penalty;
  }
}

void forbid_repeated_ngrams(std::span<double> scores, std::span<const int64_t> context, int64_t n) {
  auto length = static_cast<int64_t>(context.size());
  if (n <= 0 || length < n) return;
  auto tail = context.subspan(static_cast<size_t>(length - (n - 1)));
  for (int64_t i = 0; i + n <= length; ++i) {
    auto before = context.subspan(static_cast<size_t>(i), static_cast<size_t>(n - 1));
    if (std::equal(before.begin(), before.end(), tail.begin(), tail.end()))
      scores[static_cast<size_t>(context[static_cast<size_t>(i + n - 1)])] = kNever;
  }
}

void check(const Sampling& how) {
  GRAFT_CHECK_AS(UsageError, how.temperature > 0 && std::isfinite(how.temperature), "temperature ",
                 how.temperature,
                 " is not more than 0; for the most probable token each time, ask for greedy");
  GRAFT_CHECK_AS(UsageError, how.top_k >= 0, "top-k ", how.top_k, " is negative; 0 is all tokens");
  GRAFT_CHECK_AS(UsageError, how.top_p >= 0 && how.top_p <= 1, "top-p ", how.top_p, " is not in [0, 1]");
}

std::vector<double> probabilities(std::span<const double> scores, const Sampling& how) {
  check(how);
  std::vector<double> warped(scores.begin(), scores.end());
  for (double& x : warped) x /= how.temperature;
  keep_top_k(warped, how.top_k);
  keep_top_p(warped, how.top_p);
  return softmax(warped);
}

int64_t draw(std::span<const double> probabilities, Rng& rng) {
  double at = rng.uniform(0, 1), sum = 0;
  int64_t last = -1;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    if (probabilities[i] <= 0) continue;
    last = static_cast<int64_t>(i);
    sum += probabilities[i];
    if (at < sum) return last;
  }
  GRAFT_CHECK(last >= 0, "draw: every probability is 0 or NaN");
  return last;  // rounding left the sum a little below 1
}

int64_t highest(std::span<const double> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

}  // namespace graft::nn
