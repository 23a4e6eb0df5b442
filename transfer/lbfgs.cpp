#include "transfer/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace graft::transfer {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(Vector& a, double scale, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += scale * b[i];
}

// One remembered change: s of the point, y of the gradient, 1 / (y s).
struct Pair {
  Vector s, y;
  double rho;
};

// The two-loop recursion: the descent direction -H g.
Vector direction(const std::deque<Pair>& pairs, const Vector& gradient) {
  Vector d = gradient;
  Vector alpha(pairs.size());
  for (size_t i = pairs.size(); i-- > 0;) {
    alpha[i] = pairs[i].rho * dot(pairs[i].s, d);
    add_scaled(d, -alpha[i], pairs[i].y);
  }
  if (!pairs.empty()) {
    const Pair& last = pairs.back();
    double scale = 1 / (last.rho * dot(last.y, last.y));
    for (double& v : d) v *= scale;
  }
  for (size_t i = 0; i < pairs.size(); ++i) {
    add_scaled(d, alpha[i] - pairs[i].rho * dot(pairs[i].y, d), pairs[i].s);
  }
  for (double& v : d) v = -v;
  return d;
}

}  // namespace

double minimise(const Lbfgs& how, const Objective& objective, std::vector<double>& x,
                const std::function<void(int, double)>& on_step) {
  constexpr double kDecrease = 1e-4, kCurvature = 0.9;  // the Wolfe conditions' usual constants
  Vector gradient(x.size()), next_x(x.size()), next_gradient(x.size());
  double value = objective(x, gradient);
  std::deque<Pair> pairs;
  for (int step = 1; step <= how.steps; ++step) {
    double largest = 0;
    for (double g : gradient) largest = std::max(largest, std::abs(g));
    if (!(largest > how.gradient_stop)) break;
    Vector d = direction(pairs, gradient);
    double slope = dot(d, gradient);
    // The first step has no curvature to go by: length 1 at most.
    double t = pairs.empty() ? std::min(1.0, 1 / std::sqrt(dot(gradient, gradient))) : 1;
    double low = 0, high = 0, next = value;
    bool found = false;
    for (int trial = 0; trial < 40 && !found; ++trial) {
      next_x = x;
      add_scaled(next_x, t, d);
      next = objective(next_x, next_gradient);
      if (!(next <= value + kDecrease * t * slope)) {
        high = t;
      } else if (dot(d, next_gradient) < kCurvature * slope) {
        low = t;
      } else {
        found = true;
        continue;
      }
      t = high > 0 ? (low + high) / 2 : 2 * t;
    }
    if (!found && !(next < value)) break;  // rounding hides any further descent
    Vector s = next_x, y = next_gradient;
    add_scaled(s, -1, x);
    add_scaled(y, -1, gradient);
    double curvature = dot(s, y);
    if (curvature > 0) {
      pairs.push_back({std::move(s), std::move(y), 1 / curvature});
      if (pairs.size() > static_cast<size_t>(how.history)) pairs.pop_front();
    }
    x.swap(next_x);
    gradient.swap(next_gradient);
    value = next;
    if (on_step) on_step(step, value);
  }
  return value;
}

}  // namespace graft::transfer
