#include "transfer/lbfgs.h"

#include <cmath>

#include "tests/support.h"

using namespace graft;
using namespace graft::transfer;

TEST_CASE("lbfgs: finds the minimum of a badly scaled quadratic") {
  // f = sum_i c_i (x_i - i)^2 with c from 1 to 1e2.
  constexpr size_t n = 30;
  auto scale = [](size_t i) { return std::pow(10.0, 2.0 * static_cast<double>(i) / (n - 1)); };
  std::vector<double> x(n, 0.0);
  int steps = 0;
  double last = 1e300;
  double value = minimise(
      {.steps = 200},
      [&](std::span<const double> at, std::span<double> gradient) {
        double f = 0;
        for (size_t i = 0; i < n; ++i) {
          double away = at[i] - static_cast<double>(i);
          f += scale(i) * away * away;
          gradient[i] = 2 * scale(i) * away;
        }
        return f;
      },
      x,
      [&](int step, double f) {
        steps = step;
        CHECK(f < last);  // every step descends
        last = f;
      });
  CHECK(value < 1e-12);
  for (size_t i = 0; i < n; ++i) CHECK(x[i] == doctest::Approx(static_cast<double>(i)).epsilon(1e-6));
  CHECK(steps < 200);
}

TEST_CASE("lbfgs: Rosenbrock's valley") {
  std::vector<double> x = {-1.2, 1};
  minimise(
      {.steps = 100},
      [](std::span<const double> at, std::span<double> g) {
        double a = 1 - at[0], b = at[1] - at[0] * at[0];
        g[0] = -2 * a - 400 * at[0] * b;
        g[1] = 200 * b;
        return a * a + 100 * b * b;
      },
      x);
  CHECK(x[0] == doctest::Approx(1).epsilon(1e-6));
  CHECK(x[1] == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("lbfgs: starts at the minimum, takes no step") {
  std::vector<double> x = {0};
  int steps = 0;
  minimise(
      {},
      [](std::span<const double> at, std::span<double> g) {
        g[0] = 2 * at[0];
        return at[0] * at[0];
      },
      x, [&](int, double) { ++steps; });
  CHECK(steps == 0);
  CHECK(x[0] == 0);
}
