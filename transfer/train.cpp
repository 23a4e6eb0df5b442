#include "transfer/train.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "autograd/ops.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "core/step_graph.h"
#include "nn/optim/schedule.h"
#include "transfer/mixing.h"
#include "transfer/stepper.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {
namespace {

constexpr uint64_t kOrderStream =
    0x4F52444552;  // what the random numbers are for; any constant that no other has

int64_t count_right(const Tensor& logits, const Tensor& labels) {
  int64_t classes = logits.dim(1), right = 0;
  Tensor values = logits.to(kCpu).to(DType::f64).contiguous();
  for (int64_t i = 0; i < logits.dim(0); ++i) {
    const double* row = values.data<double>() + i * classes;
    right += std::max_element(row, row + classes) - row == labels.data<int64_t>()[i];
  }
  return right;
}

int64_t count_labels(const Tensor& labels) {
  auto all = labels.span<int64_t>();
  return std::count_if(all.begin(), all.end(),
                       [](int64_t label) { return label != CrossEntropy{}.ignore_index; });
}

// bf16 has 8 bits: too few for a loss, and for the differences that are its gradient.
Var in_loss_type(const Var& logits) {
  return logits.value().dtype() == DType::bf16 ? cast(logits, DType::f32) : logits;
}

// Running means over one epoch.
struct Means {
  double loss = 0;
  int64_t right = 0, seen = 0;

  void add(double batch_loss, int64_t batch_right, int64_t batch) {
    loss += batch_loss * static_cast<double>(batch);
    right += batch_right;
    seen += batch;
  }
  double mean_loss() const { return loss / static_cast<double>(seen); }
  double accuracy() const { return static_cast<double>(right) / static_cast<double>(seen); }
};

// The moving tensors of the best epoch so far.
class Best {
 public:
  explicit Best(const Plan& plan) : plan_(plan) {}

  void offer(double accuracy, int epoch) {
    if (epoch_ > 0 && accuracy <= accuracy_) return;
    accuracy_ = accuracy;
    epoch_ = epoch;
    values_.clear();
    for (const nn::NamedTensor& t : plan_.moving) values_.push_back(t.value().clone());
  }
  int restore() const {
    for (size_t i = 0; i < values_.size(); ++i) plan_.moving[i].value().copy_from(values_[i]);
    return epoch_;
  }

 private:
  const Plan& plan_;
  std::vector<Tensor> values_;
  double accuracy_ = 0;
  int epoch_ = 0;
};

// Forward and backward of batches of one size: on an accelerator one recording, fed anew for each batch. The
// optimizer's step is not a part of it: first the CPU sees that loss and gradients are finite.
class BatchGraph {
 public:
  BatchGraph(const Task& task, const Recipe& recipe)
      : task_(task), loss_(task, recipe), graph_(task.device) {}

  struct Result {
    Tensor loss, logits;
    std::span<const Tensor> gradients;  // of the stepper's parameters
  };
  // Valid until the next run.
  Result run(const Tensor& inputs, const Targets& targets, Stepper& stepper) {
    if (!x_.defined()) x_ = Tensor::empty(inputs.shape(), inputs.dtype(), task_.device);
    feed(x_, inputs);
    loss_.feed(targets);
    const std::vector<Tensor>& results = graph_.run([&] {
      stepper.forget_gradients();
      Var logits = in_loss_type(task_.logits(Var(x_)));
      Var loss = loss_.of(logits);
      backward(loss);
      std::vector<Tensor> out = stepper.gradients();
      out.insert(out.begin(), {loss.value(), logits.value()});
      return out;
    });
    return {results[0], results[1], std::span(results).subspan(2)};
  }

 private:
  const Task& task_;
  Tensor x_;
  BatchLoss loss_;
  StepGraph graph_;
};

// Without line and cosine: a warm-up, then constant.
nn::Schedule schedule_of(const Recipe& recipe) {
  double warmup = recipe.warmup_epochs / recipe.epochs;
  if (recipe.linear) return nn::linear_schedule(warmup);
  if (recipe.cosine) return nn::cosine_schedule(warmup);
  return [warmup](int64_t step, int64_t total) {
    double rise = warmup * static_cast<double>(total);
    return std::min(1.0, static_cast<double>(step + 1) / (rise + 1));
  };
}

// Each run of `run` samples by length, the longest first.
void sort_in_runs(std::vector<int64_t>& order, std::span<const int64_t> lengths, int64_t run) {
  auto count = static_cast<int64_t>(order.size());
  for (int64_t begin = 0; begin < count; begin += run) {
    std::stable_sort(order.begin() + begin, order.begin() + std::min(count, begin + run),
                     [&](int64_t a, int64_t b) {
                       return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
                     });
  }
}

}  // namespace

std::vector<std::vector<int64_t>> batches_of(int64_t count, int64_t batch, uint64_t seed, uint64_t epoch,
                                             std::span<const int64_t> lengths) {
  GRAFT_CHECK(batch >= 1, "batches: size ", batch, " is below 1");
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Rng random(seed, kOrderStream, epoch);
  random.shuffle(order);
  if (!lengths.empty()) sort_in_runs(order, lengths, 50 * batch);
  std::vector<std::vector<int64_t>> out;
  for (int64_t begin = 0; begin < count; begin += batch) {
    auto first = order.begin() + begin, last = order.begin() + std::min(count, begin + batch);
    if (last - first == 1 && batch > 1 && !out.empty()) {
      out.back().push_back(*first);
    } else {
      out.emplace_back(first, last);
    }
  }
  if (!lengths.empty()) random.shuffle(out);
  return out;
}

Trained train(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed, const Hooks& hooks,
              const OnProgress& on_progress) {
  GRAFT_CHECK(task.count > 0, "training: no samples");
  Trained out;
  Stepper stepper(plan, recipe);
  Best best(plan);
  // By the batch's size: that of the recipe, and the last one's. Where nothing is recorded there is one, made
  // anew for each batch.
  std::map<size_t, BatchGraph> graphs;
  std::span<const int64_t> lengths = recipe.by_length ? std::span(task.lengths) : std::span<const int64_t>();
  nn::Schedule schedule = schedule_of(recipe);
  Sha256 order;
  Stopwatch watch;
  int64_t step = 0;
  for (int epoch = 1; epoch <= recipe.epochs; ++epoch) {
    auto batches = batches_of(task.count, recipe.batch, seed, static_cast<uint64_t>(epoch), lengths);
    auto steps = static_cast<int64_t>(batches.size());
    EpochRecord record{.epoch = epoch};
    Means means;
    Stopwatch epoch_watch;
    for (const std::vector<int64_t>& which : batches) {
      for (int64_t index : which) order.add(&index, sizeof index);
      double factor = schedule(step, steps * recipe.epochs);
      record.learning_rate = std::max(record.learning_rate, recipe.learning_rate * factor);
      auto [inputs, targets] =
          mixed_batch(task.inputs(which, epoch), task.labels(which), recipe, seed, epoch, which[0]);
      if (!task.recordable) graphs.clear();
      BatchGraph& graph = graphs.try_emplace(which.size(), task, recipe).first->second;
      auto [loss, logits, gradients] = graph.run(inputs, targets, stepper);
      double value = loss.to(kCpu).item();
      GRAFT_CHECK(std::isfinite(value), "training: the loss is ", value, " in epoch ", epoch, ", step ",
                  step + 1, stepper.first_not_finite(), "; a lower learning rate than ", recipe.learning_rate,
                  " may help");
      int64_t right = count_right(logits, targets.main_labels());
      stepper.step(gradients, factor, str("epoch ", epoch, ", step ", step + 1));
      ++step;
      if (hooks.after_step) hooks.after_step(step);
      means.add(value, right, count_labels(targets.labels));
      out.step_losses.push_back(value);
      if (on_progress) {
        on_progress({.phase = "train",
                     .done = step,
                     .total = steps * recipe.epochs,
                     .epoch = epoch,
                     .epochs = recipe.epochs,
                     .loss = means.mean_loss(),
                     .accuracy = means.accuracy(),
                     .items_per_second = static_cast<double>(means.seen) / epoch_watch.seconds()});
      }
    }
    record.train_loss = means.mean_loss();
    record.train_accuracy = means.accuracy();
    Evaluation test = task.evaluate();
    record.test_loss = test.loss;
    record.test_accuracy = test.accuracy;
    record.seconds = watch.seconds();
    out.epochs.push_back(record);
    if (recipe.keep_best) best.offer(task.validate(), epoch);
  }
  if (recipe.keep_best) out.best_epoch = best.restore();
  out.order_sha256 = order.hex();
  return out;
}

}  // namespace graft::transfer
