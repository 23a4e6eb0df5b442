// Limited-memory BFGS for smooth convex functions (Nocedal, "Updating quasi-Newton matrices with limited
// storage", 1980; Nocedal and Wright, "Numerical Optimization", algorithm 7.4), with the bisection line
// search for the weak Wolfe conditions of Lewis and Overton (2013). In double, in one fixed order: the result
// is a function of the inputs alone.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace graft::transfer {

struct Lbfgs {
  int steps = 25;
  int history = 10;             // pairs of changes that stand for the inverse Hessian
  double gradient_stop = 1e-9;  // ends where no element of the gradient is larger
};

// The value at x; writes the gradient, as long as x.
using Objective = std::function<double(std::span<const double> x, std::span<double> gradient)>;

// Minimises from x and leaves the result in x. After each step calls on_step(step from 1, value); returns the
// last value.
double minimise(const Lbfgs& how, const Objective& objective, std::vector<double>& x,
                const std::function<void(int, double)>& on_step = {});

}  // namespace graft::transfer
