#include "kernels/softmax.h"

#include <cmath>

#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"

namespace graft::kernels::cuda {
namespace {

// One team per row, which comes from memory once and from the cache twice.
template <class T, class Team>
__global__ void softmax_rows(const T* x, T* y, int64_t rows, int64_t cols) {
  int64_t row = Team::row();
  if (row >= rows) return;
  x += row * cols;
  y += row * cols;
  float highest = -INFINITY;
  for (int64_t j = Team::rank(); j < cols; j += Team::kSize) highest = fmaxf(highest, to_float(x[j]));
  highest = Team::reduce(highest, Max());
  float sum = 0;
  for (int64_t j = Team::rank(); j < cols; j += Team::kSize) sum += expf(to_float(x[j]) - highest);
  sum = Team::reduce(sum, Sum());
  for (int64_t j = Team::rank(); j < cols; j += Team::kSize) {
    y[j] = from_float<T>(expf(to_float(x[j]) - highest) / sum);
  }
}

// One team per row: dx = y * (dy - sum(y * dy)).
template <class T, class Team>
__global__ void softmax_grad_rows(const T* y, const T* dy, T* dx, int64_t rows, int64_t cols) {
  int64_t row = Team::row();
  if (row >= rows) return;
  y += row * cols;
  dy += row * cols;
  dx += row * cols;
  float dot = 0;
  for (int64_t j = Team::rank(); j < cols; j += Team::kSize) dot += to_float(y[j]) * to_float(dy[j]);
  dot = Team::reduce(dot, Sum());
  for (int64_t j = Team::rank(); j < cols; j += Team::kSize) {
    dx[j] = from_float<T>(to_float(y[j]) * (to_float(dy[j]) - dot));
  }
}

}  // namespace

void softmax(const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  int64_t cols = x.dim(-1), rows = x.numel() / cols;
  with_storage(x.dtype(), "softmax", [&](auto zero) {
    with_team(cols, [&](auto team) {
      using T = decltype(zero);
      using Team = decltype(team);
      launch("softmax_rows", softmax_rows<T, Team>, Team::work(rows), data<T>(x), data<T>(y), rows, cols);
    });
  });
}

void softmax_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  if (y.numel() == 0) return;
  int64_t cols = y.dim(-1), rows = y.numel() / cols;
  with_storage(y.dtype(), "softmax_grad", [&](auto zero) {
    with_team(cols, [&](auto team) {
      using T = decltype(zero);
      using Team = decltype(team);
      launch("softmax_grad_rows", softmax_grad_rows<T, Team>, Team::work(rows), data<T>(y), data<T>(dy),
             data<T>(dx), rows, cols);
    });
  });
}

}  // namespace graft::kernels::cuda
