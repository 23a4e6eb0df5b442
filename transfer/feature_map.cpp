#include "transfer/feature_map.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"

namespace graft::transfer {
namespace {

using Matrix = std::vector<std::vector<double>>;

// The products of all pairs of rows, after the mean row is taken off: its eigenvectors are the coordinates.
// [n, n] where n is the number of samples, which is smaller than most feature spaces.
Matrix gram(const Tensor& features) {
  auto n = static_cast<size_t>(features.dim(0)), width = static_cast<size_t>(features.dim(1));
  std::vector<double> mean(width, 0);
  Matrix rows(n, std::vector<double>(width));
  const float* values = features.data<float>();
  for (size_t i = 0; i < n; ++i) {
    for (size_t f = 0; f < width; ++f) mean[f] += values[i * width + f] / static_cast<double>(n);
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t f = 0; f < width; ++f) rows[i][f] = values[i * width + f] - mean[f];
  }
  Matrix out(n, std::vector<double>(n));
  parallel_for(static_cast<int64_t>(n), 4, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      for (size_t j = 0; j < n; ++j) {
        for (size_t f = 0; f < width; ++f) out[i][j] += rows[i][f] * rows[j][f];
      }
    }
  });
  return out;
}

// The eigenvector of the largest eigenvalue, by repeated multiplication, and that eigenvalue, which it takes
// out of the matrix.
struct Eigen {
  std::vector<double> vector;
  double value = 0;
};
Eigen take_largest(Matrix& matrix) {
  size_t n = matrix.size();
  Eigen out{std::vector<double>(n), 0};
  for (size_t i = 0; i < n; ++i) out.vector[i] = 1 + static_cast<double>(i % 7);  // no axis of symmetry
  for (int round = 0; round < 300; ++round) {
    std::vector<double> next(n, 0);
    double length = 0;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) next[i] += matrix[i][j] * out.vector[j];
      length += next[i] * next[i];
    }
    length = std::sqrt(length);
    if (length < 1e-30) return {std::vector<double>(n, 0), 0};
    for (double& v : next) v /= length;
    out = {std::move(next), length};
  }
  auto farthest = std::max_element(out.vector.begin(), out.vector.end(),
                                   [](double a, double b) { return std::abs(a) < std::abs(b); });
  double sign = *farthest < 0 ? -1 : 1;
  for (double& v : out.vector) v *= sign;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) matrix[i][j] -= out.value * out.vector[i] * out.vector[j];
  }
  return out;
}

}  // namespace

FeatureMap feature_map(const Tensor& features) {
  GRAFT_CHECK(features.rank() == 2 && features.dtype() == DType::f32, "feature map: needs f32 [n, F], got ",
              features);
  auto n = static_cast<size_t>(features.dim(0));
  FeatureMap out;
  out.points.resize(n);
  if (n < 3) return out;
  Matrix matrix = gram(features.contiguous());
  double all = 0;
  for (size_t i = 0; i < n; ++i) all += matrix[i][i];
  for (size_t axis = 0; axis < 2; ++axis) {
    Eigen eigen = take_largest(matrix);
    out.shown[axis] = all > 0 ? eigen.value / all : 0;
    for (size_t i = 0; i < n; ++i)
      out.points[i][axis] = eigen.vector[i] * std::sqrt(std::max(0.0, eigen.value));
  }
  return out;
}

}  // namespace graft::transfer
