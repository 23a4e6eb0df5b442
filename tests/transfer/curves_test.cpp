#include "tests/transfer/curves.h"

#include <algorithm>
#include <cmath>

#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

std::vector<double> test_losses(const Trained& trained) {
  std::vector<double> out;
  for (const EpochRecord& epoch : trained.epochs) out.push_back(epoch.test_loss);
  return out;
}

}  // namespace

// In f64, as PyTorch computed them, 50 steps agree but for rounding: a decay that is a little wrong would
// show.
TEST_CASE("training: PyTorch's loss curves, setting by setting") {
  Curves curves;
  for (const std::string& name : curves.names()) {
    Curve curve = curves.curve(name);
    CHECK(curve.losses.size() == 50);
    for (DType dtype : {DType::f64, DType::f32}) {
      INFO(name << " in " << to_text(dtype));
      auto [trained, head] = curves.train(curve, dtype);
      CHECK(trained.order_sha256 == curve.order_sha256);
      double most = dtype == DType::f64 ? 1e-10 : 1e-4;
      CHECK(largest_difference(trained.step_losses, curve.losses) <= most);
      CHECK(largest_difference(test_losses(trained), curve.test_losses) <= most);
      CHECK(max_relative_difference(head, curve.head) <= 10 * most);
    }
  }
}

// There the shares of a mixed batch are fed to a recording.
TEST_CASE("training: the same curves where steps are recorded and played") {
  Curves curves;
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (const char* name : {"class_weights", "mixup_or_cutmix_weighted"}) {
      INFO(name << " on " << to_text(device));
      Curve curve = curves.curve(name);
      auto [trained, head] = curves.train(curve, DType::f32, device);
      CHECK(largest_difference(trained.step_losses, curve.losses) <= 1e-4);
      CHECK(largest_difference(test_losses(trained), curve.test_losses) <= 1e-4);
    }
  }
}

TEST_CASE("learning-rate finder: PyTorch's losses while the rate grows, and everything is put back") {
  Curves curves;
  for (DType dtype : {DType::f64, DType::f32}) {
    auto [found, losses, put_back] = curves.find_rate(dtype);
    REQUIRE(found.curve.size() >= 40);  // it may end early, where the loss is far above its lowest
    // Near the rates at which the training flies apart, so do the roundings of f32.
    double highest = dtype == DType::f64 ? 2 : 0.05;
    std::vector<double> own;
    for (const RatePoint& point : found.curve) {
      if (point.rate <= highest) own.push_back(point.loss);
    }
    CHECK(own.size() >= 30);
    losses.resize(own.size());
    CHECK(largest_difference(own, losses) <= (dtype == DType::f64 ? 1e-10 : 1e-4));
    CHECK(put_back);
    // Where the loss falls: neither at the rates that do nothing nor where it has risen again.
    CHECK(found.suggestion > 1e-3);
    CHECK(found.suggestion < 1);
    auto at = std::find_if(found.curve.begin(), found.curve.end(),
                           [&](const RatePoint& point) { return point.rate == found.suggestion; });
    REQUIRE(at != found.curve.end());
    CHECK((at + 1)->smoothed < (at - 1)->smoothed);
  }
}
