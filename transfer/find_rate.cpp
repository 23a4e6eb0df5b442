#include "transfer/find_rate.h"

#include <cmath>

#include "nn/layers.h"
#include "transfer/batch_graph.h"
#include "transfer/batches.h"
#include "transfer/mixing.h"
#include "transfer/stepper.h"

namespace graft::transfer {
namespace {

constexpr size_t kNoisy = 10;  // points at the beginning that count for nothing

// All that a training moves, put back when it goes out of scope.
class PutBack {
 public:
  PutBack(const Task& task, const Plan& plan) : plan_(plan) {
    for (const nn::NamedTensor& t : plan.moving) values_.push_back(t.value().clone());
    if (!task.network) return;
    nn::for_each_layer<nn::Dropout>(*task.network, [&](const std::string&, nn::Dropout& layer) {
      draws_.emplace_back(&layer, layer.draws());
    });
  }
  ~PutBack() {
    for (size_t i = 0; i < values_.size(); ++i) plan_.moving[i].value().copy_from(values_[i]);
    for (auto [layer, draws] : draws_) layer->set_draws(draws);
  }
  PutBack(const PutBack&) = delete;
  PutBack& operator=(const PutBack&) = delete;

 private:
  const Plan& plan_;
  std::vector<Tensor> values_;
  std::vector<std::pair<nn::Dropout*, uint64_t>> draws_;
};

// Batch after batch, epoch after epoch.
class Stream {
 public:
  Stream(const Task& task, const Recipe& recipe, uint64_t seed) : task_(task), recipe_(recipe), seed_(seed) {}
  MixedBatch next() {
    if (place_ == batches_.size()) {
      batches_ = batches_of(task_.count, recipe_.batch, seed_, static_cast<uint64_t>(++epoch_));
      place_ = 0;
    }
    const std::vector<int64_t>& which = batches_[place_++];
    return mixed_batch(task_.inputs(which, epoch_), task_.labels(which), recipe_, seed_, epoch_, which[0]);
  }

 private:
  const Task& task_;
  const Recipe& recipe_;
  uint64_t seed_;
  std::vector<std::vector<int64_t>> batches_;
  size_t place_ = 0;
  int epoch_ = 0;
};

// The steepest descent, by central differences: the points are evenly spaced in the logarithm of the rate.
double steepest(const std::vector<RatePoint>& curve) {
  double rate = 0, lowest_slope = 0;
  for (size_t i = kNoisy; i + 2 < curve.size(); ++i) {
    double slope = (curve[i + 1].smoothed - curve[i - 1].smoothed) / 2;
    if (slope < lowest_slope) lowest_slope = slope, rate = curve[i].rate;
  }
  return rate;
}

}  // namespace

FoundRate find_rate(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed,
                    const FindRateOptions& options, const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError,
                 options.lowest > 0 && options.lowest < options.highest && std::isfinite(options.highest),
                 "learning-rate finder: from ", options.lowest, " to ", options.highest);
  GRAFT_CHECK_AS(UsageError, options.steps >= 2 * static_cast<int>(kNoisy),
                 "learning-rate finder: ", options.steps, " steps, needs ", 2 * kNoisy, " or more");
  PutBack put_back(task, plan);
  Recipe plain = recipe;
  plain.learning_rate = 1;  // the factor of each step is the rate itself
  Stepper stepper(plan, plain);
  BatchGraphs graphs(task, plain);
  Stream stream(task, plain, seed);
  FoundRate out;
  double mean = 0, best = INFINITY;
  for (int step = 0; step < options.steps; ++step) {
    double rate = options.lowest *
                  std::pow(options.highest / options.lowest, step / static_cast<double>(options.steps - 1));
    auto [inputs, targets] = stream.next();
    BatchResult result = graphs.run(inputs, targets, stepper);
    double loss = result.loss.to(kCpu).item();
    mean = 0.98 * mean + 0.02 * loss;
    double smoothed = mean / (1 - std::pow(0.98, step + 1));
    if (!std::isfinite(loss) || smoothed > options.diverged * best) break;
    best = std::min(best, smoothed);
    out.curve.push_back({rate, loss, smoothed});
    try {
      stepper.step(result.gradients, rate, str("step ", step + 1, " of the learning-rate finder"));
    } catch (const UsageError&) {
      throw;
    } catch (const Error&) {
      break;  // the rate is too high by far: gradients are not finite any more
    }
    if (on_progress) {
      on_progress({.phase = "learning rate",
                   .done = step + 1,
                   .total = options.steps,
                   .loss = smoothed,
                   .accuracy = NAN});
    }
  }
  out.suggestion = steepest(out.curve);
  GRAFT_CHECK(out.suggestion > 0, "learning-rate finder: between ", options.lowest, " and ", options.highest,
              out.curve.size() < kNoisy + 3 ? " the loss is not finite from the beginning"
                                            : " the loss falls nowhere",
              "; choose a learning rate by hand");
  return out;
}

}  // namespace graft::transfer
