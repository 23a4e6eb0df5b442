#include "transfer/memory_plan.h"

#include <algorithm>
#include <cmath>

#include "nn/layers.h"
#include "transfer/batch_graph.h"
#include "transfer/mixing.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {
namespace {

int64_t bytes_of(const std::vector<nn::NamedTensor>& tensors) {
  int64_t bytes = 0;
  for (const nn::NamedTensor& t : tensors) bytes += t.value().bytes();
  return bytes;
}

// All that forward and backward change, put back when it goes out of scope. What milestones will thaw trains
// meanwhile: the plan is for the time when everything does.
class AsBefore {
 public:
  AsBefore(const Task& task, const Plan& plan) : plan_(plan) {
    for (const nn::NamedTensor& t : plan.moving) {
      if (t.buffer) statistics_.emplace_back(t, t.value().clone());
    }
    if (task.network) {
      nn::for_each_layer<nn::Dropout>(*task.network, [&](const std::string&, nn::Dropout& layer) {
        draws_.emplace_back(&layer, layer.draws());
      });
    }
    for (const Milestone& milestone : plan.milestones) thaw(milestone);
  }
  ~AsBefore() {
    for (auto& [tensor, value] : statistics_) tensor.value().copy_from(value);
    for (auto [layer, draws] : draws_) layer->set_draws(draws);
    for (const Milestone& milestone : plan_.milestones) {
      for (const nn::NamedTensor& t : milestone.tensors) t.set_freeze(nn::Freeze::frozen);
    }
  }
  AsBefore(const AsBefore&) = delete;
  AsBefore& operator=(const AsBefore&) = delete;

 private:
  const Plan& plan_;
  std::vector<std::pair<nn::NamedTensor, Tensor>> statistics_;
  std::vector<std::pair<nn::Dropout*, uint64_t>> draws_;
};

// Of each parameter, in units of itself.
int64_t optimizer_copies(const Recipe& recipe) {
  if (recipe.optimizer == Optimizer::sgd) return recipe.momentum != 0 ? 1 : 0;
  return 2;
}

void add(MemoryPlan& plan, const char* name, int64_t bytes) {
  if (bytes > 0) plan.parts.push_back({name, bytes});
}

std::string amount(int64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

}  // namespace

int64_t MemoryPlanner::Pair::held(size_t moment, int64_t batch) const {
  int64_t a = of_small[moment].held, b = of_large[moment].held;
  double slope = static_cast<double>(b - a) / static_cast<double>(large - small);
  return a + std::llround(slope * static_cast<double>(batch - small));
}

int64_t MemoryPlanner::Pair::scratch(size_t moment) const {
  return std::max(of_small[moment].most - of_small[moment].held,
                  of_large[moment].most - of_large[moment].held);
}

size_t MemoryPlanner::Pair::highest(int64_t batch, size_t moments) const {
  size_t best = 0, end = moments > 0 ? std::min(moments, of_small.size()) : of_small.size();
  int64_t most = -1;
  for (size_t i = 0; i < end; ++i) {
    int64_t here = held(i, batch) + scratch(i);
    if (here > most) most = here, best = i;
  }
  return best;
}

int64_t MemoryPlanner::Pair::peak(int64_t batch, size_t moments) const {
  size_t moment = highest(batch, moments);
  return held(moment, batch) + scratch(moment);
}

MemoryPlanner::MemoryPlanner(const Task& task, const Plan& plan, const Recipe& recipe,
                             const std::function<void(int64_t n)>& score, int64_t score_batch)
    : task_(task), plan_(plan), recipe_(recipe), score_batch_(score_batch) {
  Stopwatch watch;
  there_ = memory_use(task.device).current;
  frozen_ = bytes_of(plan.frozen);
  moving_ = bytes_of(plan.moving);
  for (const Group& group : plan.groups) trainable_ += bytes_of(group.parameters);
  optimizer_ = trainable_ * optimizer_copies(recipe);
  average_ = recipe.ema > 0 ? moving_ : 0;
  best_ = recipe.keep_best ? moving_ : 0;
  for (const Group& group : plan.groups) {
    for (const nn::NamedTensor& t : group.parameters) {
      bool fresh = std::find(plan.fresh.begin(), plan.fresh.end(), t.name) != plan.fresh.end();
      if (recipe.l2_sp > 0 && !fresh) starts_ += t.value().bytes();
    }
  }
  sums_ = recipe.accumulate > 1 ? trainable_ : 0;
  for (const auto* all : {&plan.frozen, &plan.moving}) {
    for (const nn::NamedTensor& t : *all) {
      if (t.value().dtype() == DType::f32) compared_ = std::max(compared_, 16 * t.value().numel());
    }
  }
  if (!task.lengths.empty())
    longest_ = std::max_element(task.lengths.begin(), task.lengths.end()) - task.lengths.begin();

  AsBefore as_before(task, plan);
  // Batch norms want more than one sample.
  if (recipe.batch == 1) {
    try_sizes(1, 2);
  } else {
    try_sizes(2, 3);
  }
  // Kernels take less for themselves where they have little to do: a quarter of the batch shows more.
  int64_t quarter = std::min<int64_t>(recipe.batch_auto ? 16 : recipe.batch / 4, 16);
  if (quarter > 3) try_sizes(quarter / 2, quarter);
  // Beside a small network that is much, and the whole batch is soon tried.
  constexpr int64_t kSmall = 64 << 20;
  int64_t whole = largest_batch_of(recipe.batch_auto ? 256 : recipe.batch);
  if (whole > 3 && whole > quarter && training_.peak(whole) <= kSmall) try_sizes(whole / 2, whole);
  sample_bytes_ = [&] {
    std::vector<int64_t> one{longest_};
    return task.inputs(one, 1).bytes();
  }();
  auto watch_scoring = [&](int64_t n) {
    MemoryTrace trace(task.device);
    score(n);
    return trace.moments();
  };
  scoring_ = pair_of(1, 2, watch_scoring);
  if (score_batch > 2 && scoring_.peak(score_batch) <= kSmall)
    scoring_ = pair_of(score_batch / 2, score_batch, watch_scoring);
  seconds_ = watch.seconds();
}

void MemoryPlanner::try_sizes(int64_t small, int64_t large) {
  int64_t kept_small = 0;
  training_ = pair_of(small, large, [&](int64_t n) {
    Run run = train_on(n);
    if (n == small) kept_small = run.kept;
    Moments moments = std::move(run.moments);
    of_large_ = std::move(run);
    return moments;
  });
  kept_a_sample_ = static_cast<double>(of_large_.kept - kept_small) / static_cast<double>(large - small);
  kept_always_ = static_cast<double>(kept_small) - kept_a_sample_ * static_cast<double>(small);
}

MemoryPlanner::Run MemoryPlanner::train_on(int64_t batch) const {
  Stepper stepper(plan_, recipe_);
  Run run;
  Task watched = task_;
  const MemoryTrace* here = nullptr;
  watched.logits = [&](const Var& x) {
    int64_t before = memory_use(task_.device).current;
    Var out = task_.logits(x);
    run.kept = memory_use(task_.device).current - before;
    run.forward_moments = here->count();
    return out;
  };
  BatchGraphs graphs(watched, recipe_);
  std::vector<int64_t> which(static_cast<size_t>(batch), longest_);
  {
    MemoryTrace trace(task_.device);
    here = &trace;
    auto [inputs, targets] =
        mixed_batch(task_.inputs(which, 1), task_.labels(which), recipe_, 0, 1, longest_);
    run.read_moments = trace.count();
    graphs.run(inputs, targets, stepper, nullptr, 1,
               [&](const Var& leaf) { run.gradients.emplace_back(trace.count(), leaf.grad().bytes()); });
    stepper.forget_gradients();
    inputs = {};
    run.moments = trace.moments();
  }
  return run;
}

MemoryPlanner::Pair MemoryPlanner::pair_of(int64_t small, int64_t large,
                                           const std::function<Moments(int64_t)>& watch) const {
  Pair pair{small, large, watch(small), watch(large)};
  if (pair.of_small.size() == pair.of_large.size()) return pair;
  // Another course for another size: all that can be said is said by the two peaks.
  for (Moments* moments : {&pair.of_small, &pair.of_large}) {
    int64_t most = 0;
    for (const MemoryTrace::Moment& m : *moments) most = std::max(most, m.most);
    *moments = {{most, most}, moments->back()};
  }
  return pair;
}

// The batch that takes in a last single sample.
int64_t MemoryPlanner::largest_batch_of(int64_t batch) const {
  if (batch >= task_.count) return std::max<int64_t>(1, task_.count);
  return batch > 1 && task_.count % batch == 1 ? batch + 1 : batch;
}

// Each size of batch has its own tensors, which stay from step to step: also while those of the other size
// are used.
int64_t MemoryPlanner::left_of_graphs(int64_t batch) const {
  int64_t last = batch < task_.count ? task_.count % batch : 0;
  if (!task_.recordable || last == 0) return 0;
  return training_.left(last == 1 && batch > 1 ? batch + 1 : last);
}

int64_t MemoryPlanner::peak(int64_t batch, At* at) const {
  batch = std::clamp<int64_t>(batch, 1, std::max<int64_t>(1, task_.count));  // there are no more
  int64_t largest = largest_batch_of(batch), others = recipe_.epochs > 1 ? left_of_graphs(batch) : 0;
  int64_t input = sample_bytes_ * largest;
  At highest = At::training;
  int64_t most = lasting() + training_.peak(largest) + others + sums_;
  auto offer = [&](At place, int64_t bytes) {
    if (bytes > most) most = bytes, highest = place;
  };
  // While a batch is read, a trunk that runs for it included, what the step before left is still there.
  int64_t reading = training_.peak(largest, of_large_.read_moments);
  if (training_.of_small.size() > 2)
    offer(At::reading, lasting() + training_.left(largest) + reading + others + sums_);
  if (recipe_.clip_norm > 0)
    offer(At::clipping, lasting() + training_.left(largest) + input + others + trainable_);
  offer(At::scoring, lasting() + training_.left(batch) + left_of_graphs(batch) + scoring_.peak(score_batch_));
  offer(At::comparing, compared_);
  if (at) *at = highest;
  return there_ + most;
}

int64_t MemoryPlanner::largest_that_fits(int64_t room) const {
  int64_t low = 0, high = MemoryPlan::kMostPlanned;
  while (low < high) {
    int64_t middle = low + (high - low + 1) / 2;
    // The samples there are do not bound what would fit.
    int64_t needed = there_ + lasting() + sums_ + training_.peak(middle);
    if (needed <= room) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  while (low > 0 && low <= task_.count && peak(low, nullptr) > room) --low;
  return low;
}

int64_t MemoryPlanner::power_that_fits(int64_t room) const {
  int64_t best = 1;
  for (int64_t batch = 1; batch <= 256 && batch <= std::max<int64_t>(1, task_.count); batch *= 2) {
    if (peak(batch) <= room) best = batch;
  }
  return best;
}

// What a step of such a batch holds at its highest moment.
void MemoryPlanner::add_parts_of_step(int64_t batch, MemoryPlan& plan) const {
  size_t moment = training_.highest(batch);
  int64_t inputs = 2 * sample_bytes_ * batch,
          rest = std::max<int64_t>(0, training_.held(moment, batch) - inputs);
  // Of another course for another size only the peaks are known.
  bool followed = training_.of_small.size() > 2;
  int64_t gradients = 0;
  for (auto& [before, bytes] : of_large_.gradients) gradients += followed && before <= moment ? bytes : 0;
  gradients = std::min(gradients, rest);
  auto kept = static_cast<int64_t>(kept_always_ + kept_a_sample_ * static_cast<double>(batch));
  kept = std::clamp<int64_t>(kept, 0, rest - gradients);
  const char* others = !followed                            ? "values and gradients in between"
                       : moment < of_large_.forward_moments ? "values in between"
                                                            : "gradients of values in between";
  add(plan, "batch", training_.held(moment, batch) - rest);
  add(plan, "activations for the backward pass", kept);
  add(plan, "gradients of parameters", gradients);
  add(plan, others, rest - gradients - kept);
  add(plan, "workspace of kernels", training_.scratch(moment));
}

MemoryPlan MemoryPlanner::plan(int64_t batch, int64_t room) const {
  MemoryPlan out;
  At at = At::training;
  out.batch = batch;
  out.room = room;
  out.peak = peak(batch, &at);
  out.largest_batch = largest_that_fits(room);
  out.peak_is_in = at == At::scoring ? "scoring" : "training";
  out.seconds = seconds_;
  int64_t largest = largest_batch_of(batch), weights = frozen_ + moving_;
  add(out, "weights, frozen", frozen_);
  add(out, "weights, trainable", moving_);
  add(out, "copies for the certificate", task_.device.is_cuda() ? 0 : weights);
  add(out, "data and others", there_ - weights * (task_.device.is_cuda() ? 1 : 2));
  add(out, "optimizer", optimizer_);
  add(out, "moving average", average_);
  add(out, "best epoch", best_);
  add(out, "starts of L2-SP", starts_);
  if (at == At::clipping) {
    add(out, "batch", sample_bytes_ * largest);
    add(out, "gradients of parameters", trainable_);
    add(out, "results of the step", training_.left(largest));
  } else if (at == At::reading) {
    add(out, "results of the step", training_.left(largest));
    add(out, "the next batch, while it is read", training_.peak(largest, of_large_.read_moments));
    add(out, "gradients, summed over batches", sums_);
  } else {
    add_parts_of_step(largest, out);
    add(out, "gradients, summed over batches", sums_);
  }
  add(out, "other batch size", recipe_.epochs > 1 ? left_of_graphs(batch) : 0);
  int64_t sum = 0;
  for (const MemoryPlan::Part& part : out.parts) sum += part.bytes;
  add(out, at == At::scoring ? "scoring, beyond training" : "comparing what moved", out.peak - sum);
  return out;
}

void require_room(const MemoryPlan& plan) {
  if (plan.peak <= plan.room) return;
  std::string fits = plan.largest_batch > 0
                         ? str("the largest batch that fits is ", plan.largest_batch, ": --batch ",
                               plan.largest_batch, " or --batch auto")
                         : "no batch fits; a smaller network or input, or a strategy that trains less, would";
  fail<MemoryError>("memory plan: batches of ", plan.batch, " need ", amount(plan.peak), ", there are ",
                    amount(plan.room), "; ", fits);
}

std::string describe(const MemoryPlan& plan) {
  std::string parts;
  for (const MemoryPlan::Part& part : plan.parts) {
    if (part.bytes * 50 >= plan.peak)
      parts += str(parts.empty() ? "" : ", ", part.name, " ", amount(part.bytes));
  }
  return str("memory plan: ", amount(plan.peak), " at most with batches of ", plan.batch, " (", parts, "); ",
             amount(plan.room), " there, enough for batches of ",
             plan.largest_batch >= MemoryPlan::kMostPlanned ? "any size" : str(plan.largest_batch));
}

}  // namespace graft::transfer
