#include "transfer/train.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "autograd/part_of_batch.h"
#include "core/sha256.h"
#include "nn/layers.h"
#include "nn/optim/schedule.h"
#include "transfer/averaged.h"
#include "transfer/batch_graph.h"
#include "transfer/batches.h"
#include "transfer/blend.h"
#include "transfer/gradient_sum.h"
#include "transfer/mixing.h"
#include "transfer/not_finite.h"
#include "transfer/stepper.h"
#include "transfer/stopwatch.h"
#include "transfer/team_training.h"

namespace graft::transfer {
namespace {

using Order = std::vector<std::vector<int64_t>>;

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

// What the loss of such labels is a mean over.
double weight_of(const Tensor& labels, const Tensor& class_weights) {
  if (!class_weights.defined()) return static_cast<double>(count_labels(labels));
  Tensor weights = class_weights.to(kCpu).to(DType::f64);
  double sum = 0;
  for (int64_t label : labels.span<int64_t>()) {
    if (label != CrossEntropy{}.ignore_index) sum += weights.data<double>()[label];
  }
  return sum;
}

nn::Schedule schedule_of(const Recipe& recipe) {
  double warmup = recipe.warmup_epochs / recipe.epochs;
  switch (recipe.schedule) {
    case RateSchedule::cosine: return nn::cosine_schedule(warmup);
    case RateSchedule::linear: return nn::linear_schedule(warmup);
    case RateSchedule::one_cycle: return nn::one_cycle_schedule();
    case RateSchedule::constant: break;
  }
  return [warmup](int64_t step, int64_t total) {
    double rise = warmup * static_cast<double>(total);
    return std::min(1.0, static_cast<double>(step + 1) / (rise + 1));
  };
}

// The part of a batch that this process computes.
struct OwnPart {
  Tensor inputs;
  Targets targets;
  double weight = 0;   // its share of what the loss is a mean over
  bool counts = true;  // false: there is no such part, and these are in its place
};

OwnPart own_part(const Task& task, const Recipe& recipe, uint64_t seed, int epoch,
                 const std::vector<int64_t>& batch, const Tensor& truth, Team* team) {
  auto count = static_cast<int64_t>(batch.size());
  Part part = team ? part_of(count, team->rank(), team->size()) : Part{0, count};
  bool counts = part.size() > 0;
  // Who has nothing to do takes the first sample, which then counts nothing: all walk through the same steps.
  if (!counts) part = {0, 1};
  if (recipe.mixup > 0 || recipe.cutmix > 0) {  // samples of different members may be mixed
    MixedBatch whole = mixed_batch(task.inputs(batch, epoch), truth, recipe, seed, epoch, batch[0]);
    auto cut = [&](const Tensor& t) { return t.slice(0, part.begin, part.end).contiguous(); };
    Targets targets = whole.targets;
    targets.labels = cut(whole.targets.labels);
    targets.partners = cut(whole.targets.partners);
    double weight = weight_of(targets.labels, task.class_weights);
    // Labels and partners are the same ones in the whole batch, but not in a part, where class weights make
    // two means over different weights of them.
    if (task.class_weights.defined() && team) {
      double rest =
          targets.rest.to(DType::f64).item() * weight_of(targets.partners, task.class_weights) / weight;
      targets.rest = Tensor::full({}, rest, targets.rest.dtype());
    }
    return {cut(whole.inputs), targets, counts ? weight : 0, counts};
  }
  if (counts && part.size() == count)
    return {task.inputs(batch, epoch), truth, weight_of(truth, task.class_weights), true};
  auto which = std::span(batch).subspan(static_cast<size_t>(part.begin), static_cast<size_t>(part.size()));
  Tensor labels = task.labels(which);
  return {task.inputs(which, epoch), labels, counts ? weight_of(labels, task.class_weights) : 0, counts};
}

// Running means over one epoch.
struct Means {
  double loss = 0;
  int64_t right = 0, seen = 0;
  double highest_rate = 0;

  void add(double batch_loss, int64_t batch_right, int64_t batch) {
    loss += batch_loss * static_cast<double>(batch);
    right += batch_right;
    seen += batch;
  }
  double mean_loss() const { return loss / static_cast<double>(seen); }
  double accuracy() const { return static_cast<double>(right) / static_cast<double>(seen); }
};

// The moving tensors of the best epoch so far.
struct Best {
  std::vector<Tensor> values;
  double accuracy = 0;
  int epoch = 0;  // 0: none yet

  void offer(const Plan& plan, double new_accuracy, int new_epoch) {
    if (epoch > 0 && new_accuracy <= accuracy) return;
    accuracy = new_accuracy;
    epoch = new_epoch;
    values.clear();
    for (const nn::NamedTensor& t : plan.moving) values.push_back(t.value().clone());
  }
  void restore(const Plan& plan) const {
    for (size_t i = 0; i < values.size(); ++i) plan.moving[i].value().copy_from(values[i]);
  }
};

class Training {
 public:
  Training(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed, const Hooks& hooks,
           const OnProgress& on_progress)
      : task_(task),
        plan_(plan),
        recipe_(recipe),
        seed_(seed),
        hooks_(hooks),
        on_progress_(on_progress),
        stepper_(plan, recipe),
        graphs_(task, recipe),
        schedule_(schedule_of(recipe)) {
    if (team()) {
      statistics_move_ = transfer::statistics_move(plan);
      sum_ = std::make_unique<GradientSum>(*team(), stepper_.parameters());
    }
    if (recipe.ema > 0) averaged_ = std::make_unique<Averaged>(plan, recipe.ema);
    if (task.network) {
      nn::for_each_layer<nn::Dropout>(
          *task.network, [&](const std::string&, nn::Dropout& layer) { dropouts_.push_back(&layer); });
    }
    for (nn::Dropout* dropout : dropouts_) set_draws(*dropout, dropout->draws());
    steps_per_epoch_ = static_cast<int64_t>(order(1).size() + accumulated() - 1) / recipe.accumulate;
  }

  Trained go() {
    resume();
    if (team()) require_same_weights(*team(), plan_, "at the start");
    while (epochs_done() < recipe_.epochs && !has_waited_enough()) {
      run_epoch(epochs_done() + 1);
    }
    if (recipe_.keep_best) {
      out_.best_epoch = best_.epoch;
      best_.restore(plan_);
    } else if (averaged_) {
      averaged_->exchange();
    }
    Sha256 all;
    for (int epoch = 1; epoch <= epochs_done(); ++epoch) {
      for (const auto& which : order(epoch)) {
        for (int64_t index : which) all.add(&index, sizeof index);
      }
    }
    out_.order_sha256 = all.hex();
    std::string unkept = hooks_.checkpoints ? hooks_.checkpoints->unkept() : "";
    if (!unkept.empty()) out_.notes.push_back(unkept);
    return std::move(out_);
  }

 private:
  int epochs_done() const { return static_cast<int>(out_.epochs.size()); }
  Team* team() const { return hooks_.team; }
  void set_draws(nn::Dropout& dropout, uint64_t leaders) const {
    dropout.set_draws(draws_of_member(leaders, team() ? team()->rank() : 0));
  }
  size_t accumulated() const { return static_cast<size_t>(recipe_.accumulate); }

  Order order(int epoch) const {
    std::span<const int64_t> lengths =
        recipe_.by_length ? std::span(task_.lengths) : std::span<const int64_t>();
    return batches_of(task_.count, recipe_.batch, seed_, static_cast<uint64_t>(epoch), lengths);
  }

  bool has_waited_enough() const {
    return recipe_.patience > 0 && best_.epoch > 0 && epochs_done() - best_.epoch >= recipe_.patience;
  }

  // Thaws what trains from this epoch on.
  void pass_milestones(int epoch) {
    for (const Milestone& milestone : plan_.milestones) {
      if (milestone.epoch != epoch) continue;
      if (task_.before_thaw) task_.before_thaw(milestone);
      thaw(milestone);
      graphs_.forget();
      if (sum_) sum_->forget();
    }
  }

  // From wherever in the epoch the last step was.
  void run_epoch(int epoch) {
    Order batches = order(epoch);
    int64_t first = (epoch - 1) * steps_per_epoch_;
    if (step_ == first) {
      pass_milestones(epoch);
      means_ = {};
    }
    Stopwatch watch;
    int64_t seen_before = means_.seen;
    while (step_ < first + steps_per_epoch_) {
      auto begin = static_cast<size_t>(step_ - first) * accumulated();
      take_step(epoch, std::span(batches).subspan(begin, std::min(accumulated(), batches.size() - begin)));
      if (notice_ != 0) stop_together();
      bool last = step_ == first + steps_per_epoch_;
      if (hooks_.checkpoints && !last && hooks_.checkpoints->due(step_, false)) save();
      if (on_progress_) {
        double rate = static_cast<double>(means_.seen - seen_before) / watch.seconds();
        or_save([&] {
          on_progress_({.phase = "train",
                        .done = step_,
                        .total = steps_per_epoch_ * recipe_.epochs,
                        .epoch = epoch,
                        .epochs = recipe_.epochs,
                        .loss = means_.mean_loss(),
                        .accuracy = means_.accuracy(),
                        .items_per_second = rate});
        });
      }
    }
    or_save([&] { finish_epoch(epoch); });
    if (team()) require_same_weights(*team(), plan_, str("after epoch ", epoch));
    if (hooks_.checkpoints && hooks_.checkpoints->due(step_, true)) save();
  }

  void stop_together() {
    if (hooks_.checkpoints && step_ > saved_at_) save();
    team()->barrier();
    team()->heed(notice_, str("training, step ", step_, " of ", steps_per_epoch_ * recipe_.epochs));
  }

  void finish_epoch(int epoch) {
    WithAverage averaged(averaged_.get());
    Evaluation test;
    test.loss = test.accuracy = std::nan("");
    if (task_.evaluate) test = task_.evaluate();
    double validation = recipe_.keep_best ? task_.validate() : 0;
    if (team()) {  // all decide by the same figures
      double figures[] = {test.loss, test.accuracy, validation};
      broadcast(*team(), figures);
      test.loss = figures[0], test.accuracy = figures[1], validation = figures[2];
    }
    if (recipe_.keep_best) best_.offer(plan_, validation, epoch);
    out_.epochs.push_back({.epoch = epoch,
                           .learning_rate = means_.highest_rate,
                           .train_loss = means_.mean_loss(),
                           .train_accuracy = means_.accuracy(),
                           .test_loss = test.loss,
                           .test_accuracy = test.accuracy,
                           .seconds = seconds_before_ + watch_.seconds()});
  }

  // One step of the optimizer on these batches, as if they were one.
  void take_step(int epoch, std::span<const std::vector<int64_t>> batches) {
    std::vector<Tensor> truths, sums;
    int64_t labels = 0;
    double weight = 0;
    std::vector<double> draws = dropout_draws();
    auto explain = [&] { return place_not_finite(epoch, batches, draws); };
    for (const std::vector<int64_t>& which : batches) {
      truths.push_back(task_.labels(which));
      labels += count_labels(truths.back());
      weight += weight_of(truths.back(), task_.class_weights);
    }
    std::span<const Tensor> gradients;
    double loss = 0;
    int64_t right = 0;
    for (size_t i = 0; i < batches.size(); ++i) {
      OwnPart own = own_part(task_, recipe_, seed_, epoch, batches[i], truths[i], team());
      double share = own.weight / weight;
      if (sum_) sum_->begin(own.weight > 0, i + 1 == batches.size());
      std::optional<PartOfBatch> part;
      if (statistics_move_) part.emplace(*team(), own.counts), graphs_.forget();
      BatchResult result = graphs_.run(own.inputs, own.targets, stepper_, sum_.get(), share);
      if (sum_) sum_->add(result.gradients);  // before anybody waits for the device
      if (own.weight > 0 || !team()) {
        loss += share * result.loss.to(kCpu).item();
        right += count_right(result.logits, own.targets.main_labels());
      }
      if (!sum_ && batches.size() == 1) {
        gradients = result.gradients;
      } else if (!sum_) {
        add_share(sums, result.gradients, share);
        gradients = sums;
      }
    }
    if (sum_) {
      int64_t own_place = 2 + team()->rank();
      Tensor figures = Tensor::zeros({2 + team()->size()}, DType::f64);
      figures.data<double>()[0] = loss;
      figures.data<double>()[1] = static_cast<double>(right);
      if (team()->notice) figures.data<double>()[own_place] = team()->notice();
      team()->start_sum(figures);
      sums = sum_->take();
      gradients = sums;
      loss = figures.data<double>()[0];
      right = static_cast<int64_t>(figures.data<double>()[1]);
      auto notices = figures.span<double>().subspan(2);
      auto first = std::find_if(notices.begin(), notices.end(), [](double n) { return n != 0; });
      notice_ = first == notices.end() ? 0 : static_cast<int>(*first);
    }
    GRAFT_CHECK(std::isfinite(loss), "training: the loss is ", loss, " in epoch ", epoch, ", step ",
                step_ + 1, stepper_.first_not_finite(), explain(), "; a lower learning rate than ",
                recipe_.learning_rate, " may help");
    double factor = schedule_(step_, steps_per_epoch_ * recipe_.epochs);
    stepper_.step(gradients, factor, str("epoch ", epoch, ", step ", step_ + 1), explain);
    if (averaged_) averaged_->follow();
    ++step_;
    if (hooks_.after_step) hooks_.after_step(step_);
    means_.add(loss, right, labels);
    means_.highest_rate = std::max(means_.highest_rate, recipe_.learning_rate * factor);
    out_.step_losses.push_back(loss);
  }

  // Runs the batches of a step that failed once more, with the same masks of the dropouts, and looks at every
  // module's output and gradient.
  std::string place_not_finite(int epoch, std::span<const std::vector<int64_t>> batches,
                               const std::vector<double>& draws) {
    if (!task_.network) return "";
    set_dropout_draws(draws);
    for (const std::vector<int64_t>& which : batches) {
      auto [inputs, targets] =
          mixed_batch(task_.inputs(which, epoch), task_.labels(which), recipe_, seed_, epoch, which[0]);
      if (is_float(inputs.dtype()) && !all_finite(inputs)) return "; the batch's inputs are not finite";
      std::string found = transfer::place_not_finite(*task_.network, [&, &x = inputs, &labels = targets] {
        BatchGraph(task_, recipe_).run(x, labels, stepper_);  // a new one's first run is no recording's
      });
      if (!found.empty()) return found;
    }
    return "";
  }

  std::vector<double> dropout_draws() const {
    std::vector<double> out;
    for (const nn::Dropout* dropout : dropouts_) out.push_back(static_cast<double>(dropout->draws()));
    return out;
  }
  void set_dropout_draws(const std::vector<double>& draws) {
    for (size_t i = 0; i < draws.size(); ++i) dropouts_[i]->set_draws(static_cast<uint64_t>(draws[i]));
  }

  static void add_share(std::vector<Tensor>& sums, std::span<const Tensor> gradients, double share) {
    sums.resize(gradients.size());
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      const Tensor& g = gradients[i];
      if (!sums[i].defined()) sums[i] = Tensor::zeros(g.shape(), g.dtype(), g.device());
      blend({sums[i]}, 1, {g.contiguous()}, share);
    }
  }

  // Whatever ends the training between two steps, it can go on from here.
  template <class F>
  void or_save(F f) {
    try {
      f();
    } catch (...) {
      if (hooks_.checkpoints && step_ > saved_at_) {
        try {
          save();
        } catch (const Error&) {
          // The reason for the stop is what the caller must hear; the newest state is an older one.
        } catch (const std::bad_alloc&) {
        }
      }
      throw;
    }
  }

  // A state that is broken must not take the place of one that is not.
  void save() {
    for (const nn::NamedTensor& t : plan_.moving) {
      GRAFT_CHECK(!is_float(t.value().dtype()) || all_finite(t.value()), "training: ", t.name,
                  " is not finite after step ", step_,
                  ", and no state is kept of it; a lower learning rate than ", recipe_.learning_rate,
                  " may help");
    }
    if (hooks_.checkpoints->save(state())) saved_at_ = step_;
  }

  TrainingState state() const;
  void resume();

  const Task& task_;
  const Plan& plan_;
  const Recipe& recipe_;
  uint64_t seed_;
  const Hooks& hooks_;
  const OnProgress& on_progress_;
  Stepper stepper_;
  std::unique_ptr<GradientSum> sum_;  // with a team; longer than the graphs, which set its marks
  BatchGraphs graphs_;
  nn::Schedule schedule_;
  std::unique_ptr<Averaged> averaged_;  // with ema
  bool statistics_move_ = false;        // with a team, whose members meet in each batch norm
  std::vector<nn::Dropout*> dropouts_;
  int64_t steps_per_epoch_ = 0;

  // What changes from step to step, beside the network, the optimizer and the average.
  Trained out_;
  Best best_;
  Means means_;
  int64_t step_ = 0;
  int64_t saved_at_ = -1;
  int notice_ = 0;             // Team::notice, of any member
  double seconds_before_ = 0;  // of the runs that this one goes on from
  Stopwatch watch_;
};

constexpr int64_t kEpochNumbers = 7;

Tensor numbers(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}
std::vector<double> numbers(const Tensor& tensor) {
  auto all = tensor.span<double>();
  return {all.begin(), all.end()};
}

TrainingState Training::state() const {
  TrainingState out{step_, {}};
  auto add = [&](const std::string& name, const Tensor& tensor) {
    out.tensors.push_back({name, tensor.to(kCpu).contiguous()});
  };
  for (const nn::NamedTensor& t : plan_.moving) add("network/" + t.name, t.value());
  for (const auto& [name, tensor] : stepper_.state()) add("optimizer/" + name, tensor);
  for (size_t i = 0; averaged_ && i < averaged_->names().size(); ++i)
    add("average/" + averaged_->names()[i], averaged_->tensors()[i]);
  for (size_t i = 0; i < best_.values.size(); ++i) add("best/" + plan_.moving[i].name, best_.values[i]);
  std::vector<double> epochs;
  for (const EpochRecord& e : out_.epochs) {
    epochs.insert(epochs.end(), {static_cast<double>(e.epoch), e.learning_rate, e.train_loss,
                                 e.train_accuracy, e.test_loss, e.test_accuracy, e.seconds});
  }
  add("draws", numbers(dropout_draws()));
  add("epochs", numbers(epochs));
  add("step_losses", numbers(out_.step_losses));
  add("means", numbers({means_.loss, static_cast<double>(means_.right), static_cast<double>(means_.seen),
                        means_.highest_rate}));
  add("progress",
      numbers({best_.accuracy, static_cast<double>(best_.epoch), seconds_before_ + watch_.seconds()}));
  return out;
}

void Training::resume() {
  std::optional<TrainingState> stored;
  if (hooks_.checkpoints && hooks_.go_on) stored = hooks_.checkpoints->newest(out_.notes);
  if (team()) stored = broadcast(*team(), std::move(stored));
  if (!stored) return;
  const TrainingState& state = *stored;
  for (const nn::NamedTensor& t : plan_.moving) {
    const Tensor& value = state.tensor("network/" + t.name);
    GRAFT_CHECK_AS(DataError, value.shape() == t.value().shape() && value.dtype() == t.value().dtype(),
                   "checkpoint of step ", state.step, ": ", t.name, " is ", value, ", expected ", t.value());
    feed(t.value(), value);
  }
  nn::OptimizerState optimizer;
  for (const weights::SavedTensor& saved : state.tensors) {
    const std::string prefix = "optimizer/";
    if (saved.name.starts_with(prefix)) optimizer.emplace_back(saved.name.substr(prefix.size()), saved.value);
  }
  stepper_.load_state(optimizer);
  for (size_t i = 0; averaged_ && i < averaged_->names().size(); ++i)
    feed(averaged_->tensors()[i], state.tensor("average/" + averaged_->names()[i]));

  std::vector<double> progress = numbers(state.tensor("progress")), means = numbers(state.tensor("means")),
                      epochs = numbers(state.tensor("epochs")), draws = numbers(state.tensor("draws"));
  GRAFT_CHECK_AS(DataError,
                 progress.size() == 3 && means.size() == 4 && epochs.size() % kEpochNumbers == 0 &&
                     draws.size() == dropouts_.size(),
                 "checkpoint of step ", state.step, ": its counters are not those of this training");
  out_.step_losses = numbers(state.tensor("step_losses"));
  for (size_t i = 0; i < draws.size(); ++i) set_draws(*dropouts_[i], static_cast<uint64_t>(draws[i]));
  for (size_t i = 0; i < epochs.size(); i += kEpochNumbers) {
    const double* e = &epochs[i];
    out_.epochs.push_back({static_cast<int>(e[0]), e[1], e[2], e[3], e[4], e[5], e[6]});
  }
  means_ = {means[0], static_cast<int64_t>(means[1]), static_cast<int64_t>(means[2]), means[3]};
  best_.accuracy = progress[0];
  best_.epoch = static_cast<int>(progress[1]);
  seconds_before_ = progress[2];
  for (const nn::NamedTensor& t : plan_.moving) {
    if (best_.epoch > 0) best_.values.push_back(state.tensor("best/" + t.name).to(t.value().device()));
  }
  step_ = saved_at_ = out_.resumed_at = state.step;
  // Steps of an epoch that has begun stand behind its milestone.
  int64_t begun = step_ % steps_per_epoch_ == 0 && epochs_done() * steps_per_epoch_ == step_
                      ? epochs_done()
                      : epochs_done() + 1;
  for (const Milestone& milestone : plan_.milestones) {
    if (milestone.epoch <= begun) thaw(milestone);
  }
}

}  // namespace

Trained train(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed, const Hooks& hooks,
              const OnProgress& on_progress) {
  GRAFT_CHECK(task.count > 0, "training: no samples");
  return Training(task, plan, recipe, seed, hooks, on_progress).go();
}

}  // namespace graft::transfer
