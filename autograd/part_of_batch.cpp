#include "autograd/part_of_batch.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/step_graph.h"

namespace graft {
namespace {

thread_local PartOfBatch::Handle current;

Tensor like(const Tensor& model, const std::vector<double>& values) {
  return Tensor::from(values, model.shape()).to(model.dtype()).to(model.device());
}

}  // namespace

PartOfBatch::PartOfBatch(Members& members, bool counts)
    : before_(std::exchange(current, {&members, counts})) {}

PartOfBatch::~PartOfBatch() {
  current = before_;
}

PartOfBatch::Handle PartOfBatch::here() {
  GRAFT_CHECK_AS(DeviceError, !current || !is_recording_step(),
                 "batch statistics over several processes cannot be part of a recorded step");
  return current;
}

int64_t whole_statistics(const PartOfBatch::Handle& part, int64_t rows, Tensor& mean, Tensor& variance) {
  int64_t channels = mean.numel(), width = 1 + 2 * channels;
  // A row of each member: how many rows it has, means, variances.
  Tensor all = Tensor::zeros({part.members->size(), width}, DType::f64);
  if (part.counts) {
    Tensor own_mean = mean.to(kCpu).to(DType::f64), own_variance = variance.to(kCpu).to(DType::f64);
    double* row = all.data<double>() + part.members->rank() * width;
    row[0] = static_cast<double>(rows);
    std::copy_n(own_mean.data<double>(), channels, row + 1);
    std::copy_n(own_variance.data<double>(), channels, row + 1 + channels);
  }
  part.members->sum(all);
  std::vector<double> center(static_cast<size_t>(channels)), spread(center);
  double count = 0;
  for (int64_t member = 0; member < part.members->size(); ++member) {
    const double* row = all.data<double>() + member * width;
    double n = row[0], together = count + n;
    if (n == 0) continue;
    for (int64_t c = 0; c < channels; ++c) {
      auto i = static_cast<size_t>(c);
      double distance = row[1 + c] - center[i];
      spread[i] += n * row[1 + channels + c] + distance * distance * count * n / together;
      center[i] += distance * n / together;
    }
    count = together;
  }
  GRAFT_CHECK(count > 0, "batch statistics: no process has a part of the batch");
  for (double& s : spread) s /= count;
  mean = like(mean, center);
  variance = like(variance, spread);
  return static_cast<int64_t>(count);
}

std::pair<Tensor, Tensor> whole_sums(const PartOfBatch::Handle& part, const Tensor& a, const Tensor& b,
                                     double factor) {
  int64_t channels = a.numel();
  Tensor both = Tensor::empty({2, channels}, DType::f64);
  both.slice(0, 0, 1).reshape(a.shape()).copy_from(a.to(kCpu).to(DType::f64));
  both.slice(0, 1, 2).reshape(b.shape()).copy_from(b.to(kCpu).to(DType::f64));
  part.members->sum(both);
  std::vector<double> sums;
  for (double sum : both.span<double>()) sums.push_back(sum * factor);
  auto middle = sums.begin() + channels;
  return {like(a, {sums.begin(), middle}), like(b, {middle, sums.end()})};
}

}  // namespace graft
