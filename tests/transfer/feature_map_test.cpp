#include "transfer/feature_map.h"

#include <cmath>

#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

TEST_CASE("feature map: the two axes of a flat cloud, turned into many dimensions, are found again") {
  // Points of a plane, 3 and 1 wide, in the directions u and v of a space of six.
  const double u[6] = {0.5, 0.5, 0.5, 0.5, 0, 0}, v[6] = {0, 0, 0, 0, 0.6, -0.8};
  Tensor features = Tensor::empty({40, 6});
  std::vector<double> a(40), b(40);
  for (int i = 0; i < 40; ++i) {
    a[static_cast<size_t>(i)] = 3 * std::cos(2 * 3.141592653589793 * i / 40);
    b[static_cast<size_t>(i)] = std::sin(2 * 3.141592653589793 * i / 40);
    for (int f = 0; f < 6; ++f) {
      features.data<float>()[6 * i + f] =
          static_cast<float>(7 + a[static_cast<size_t>(i)] * u[f] + b[static_cast<size_t>(i)] * v[f]);
    }
  }
  FeatureMap map = feature_map(features);
  CHECK(map.shown[0] == doctest::Approx(0.9).epsilon(1e-5));
  CHECK(map.shown[1] == doctest::Approx(0.1).epsilon(1e-5));
  for (size_t i = 0; i < 40; ++i) {
    CHECK(std::abs(map.points[i][0]) == doctest::Approx(std::abs(a[i])).epsilon(1e-4));
    CHECK(std::abs(map.points[i][1]) == doctest::Approx(std::abs(b[i])).epsilon(1e-4));
  }
}

TEST_CASE("feature map: few samples, and samples that are all the same") {
  for (int64_t n : {0, 1, 2})
    CHECK(feature_map(Tensor::zeros({n, 4})).points.size() == static_cast<size_t>(n));
  FeatureMap flat = feature_map(Tensor::full({5, 4}, 2));
  CHECK(flat.shown[0] == 0);
  for (const auto& point : flat.points) CHECK(point[0] == 0);
}
