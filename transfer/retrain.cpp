#include "transfer/retrain.h"

#include <algorithm>

#include "core/free_memory.h"
#include "core/parallel.h"
#include "core/place.h"
#include "core/sha256.h"
#include "core/version.h"
#include "kernels/dispatch.h"
#include "transfer/certificate.h"
#include "transfer/class_weights.h"
#include "transfer/feature_map.h"
#include "transfer/failed_place.h"
#include "transfer/features.h"
#include "transfer/find_rate.h"
#include "transfer/head.h"
#include "transfer/memory_plan.h"
#include "transfer/score.h"
#include "transfer/stopwatch.h"
#include "transfer/strategy.h"
#include "transfer/trunk.h"

namespace graft::transfer {
namespace {

void check_sets(const Examples& train, const Examples& test) {
  size_t classes = train.labelled().classes.size();
  GRAFT_CHECK_AS(DataError, classes != 1, "retrain: one class; telling samples apart needs two or more");
  GRAFT_CHECK_AS(DataError, train.labelled().classes == test.labelled().classes,
                 "retrain: training and test samples have different classes");
  GRAFT_CHECK_AS(DataError, train.size() > 0, "retrain: no training samples");
  GRAFT_CHECK_AS(DataError, test.size() > 0, "retrain: no test samples");
  auto count = static_cast<int64_t>(classes);
  for (const Labelled* all : {&train.labelled(), &test.labelled()}) {
    for (size_t i = 0; count > 0 && i < all->labels.size(); ++i) {
      GRAFT_CHECK_AS(DataError, all->labels[i] >= 0 && all->labels[i] < count,
                     "retrain: ", printable(all->files[i]), " has label ", all->labels[i], "; there are ",
                     count, " classes, counted from 0");
    }
  }
}

// One run's parts, in the order in which they are made.
class Run {
 public:
  Run(nn::Headed& network, const Examples& train, const Examples& test, const RetrainOptions& options,
      const OnProgress& on_progress)
      : network_(network),
        options_(options),
        recipe_(options.recipe),
        on_progress_(on_progress),
        train_(&train),
        test_(test) {
    check_sets(train, test);
    check(options.recipe, options.strategy, train.samples());
    check(options.compute);
    if (options.recipe.keep_best) {
      double share = options.recipe.validation > 0 ? options.recipe.validation : 0.1;
      SplitIndices parts = split_indices(train.labelled(), share, options.seed);
      validation_ = train.part(parts.first);
      rest_ = train.part(parts.second);
      train_ = rest_.get();
    }
  }

  RunResult go() {
    Device device = options_.compute.device;
    reset_peak_memory(device);
    auto classes = static_cast<int64_t>(train_->labelled().classes.size());
    bool keep = options_.strategy.kind == Strategy::Kind::scratch || recipe_.keep_head;
    if (classes > 0 && (!keep || network_.classes() != classes))
      network_.replace_head(classes, options_.seed);
    result_.adapted =
        add_strategy_adapters(options_.strategy, network_, recipe_, options_.targets, options_.seed);
    place(network_, options_.compute);
    Plan the_plan = plan_of(options_.strategy, network_, recipe_, options_.rules);
    Snapshot before(the_plan);
    before_ = &before;
    weights_before_ = weights_sha256(network_);
    if (team()) require_same_job();

    bool cached = options_.strategy.kind == Strategy::Kind::head && recipe_.cached_features;
    GRAFT_CHECK_AS(UsageError, !cached || options_.rules.empty(),
                   "retrain: rules beside the strategy head need cached_features=false");
    GRAFT_CHECK_AS(UsageError, !options_.find_rate || !cached,
                   "learning-rate finder: a head on cached features is solved, or needs none; use "
                   "cached_features=false or another strategy");
    describe_stages(the_plan);
    if (options_.feature_maps) result_.feature_maps.before = map_features();
    Trained trained = cached ? train_on_features(the_plan) : train_on_samples(the_plan);

    if (team()) require_same(*team(), "the trained weights", weights_sha256(network_));
    result_.certificate = before.certify();
    require_intact(result_.certificate);
    result_.moved = before.distances();
    if (options_.feature_maps && options_.strategy.kind != Strategy::Kind::head)
      result_.feature_maps.after = map_features();
    result_.epochs = trained.epochs;
    describe(the_plan, trained);
    merge_updates();
    result_.receipt["weights_before_sha256"] = weights_before_;
    result_.receipt["weights_after_sha256"] = weights_sha256(network_);
    result_.receipt["order_sha256"] = trained.order_sha256;
    result_.seconds.total = watch_.seconds();
    int64_t peak = memory_use(device).peak;
    if (result_.memory_plan.known()) result_.memory_plan.measured = peak;
    result_.peak_memory_bytes = std::max(peak_before_, peak);
    place(network_, {});
    release_cached_memory();  // who trains another network next has no use for blocks of these sizes
    return std::move(result_);
  }

 private:
  Team* team() const { return options_.hooks.team; }

  void require_same_job() const {
    require_same(*team(), "the processor level", std::string(to_text(kernels::cpu_level())));
    for (const auto& [key, value] : identity()) require_same(*team(), key, value);
  }

  // The certificate is of the weights as they were trained beside; only now the updates become a part of
  // them.
  void merge_updates() {
    if (options_.strategy.kind != Strategy::Kind::lora) return;
    if (options_.before_merge) options_.before_merge(network_);
    merge_lora(network_);
    Stopwatch watch;
    result_.test = evaluate(network_, test_, on_progress_);
    result_.seconds.evaluate += watch.seconds();
    result_.notes.push_back(str("the updates of ", result_.adapted.size(),
                                " layers were merged into their weights after the certificate"));
  }

  // What makes this training the one that it is.
  Checkpoints::Identity identity() const {
    Checkpoints::Identity out;
    for (const auto& [name, value] : settings(recipe_)) out["setting " + name] = value;
    for (const Rule& rule : options_.rules) {
      out[str("rule ", out.size())] =
          str(rule.pattern, " = ", nn::to_text(rule.freeze), " ", rule.lr_scale, " ", rule.weight_decay);
    }
    out["engine"] = str("graft ", kVersion);
    out["model"] = options_.model;
    out["strategy"] = to_text(options_.strategy);
    out["seed"] = str(options_.seed);
    out["processes"] = str(team() ? team()->size() : 1);
    out["device"] = options_.compute.device.is_cuda() ? "cuda" : "cpu";
    out["precision"] = to_text(options_.compute.precision);
    out["classes"] = str(train_->labelled().classes.size());
    out["training samples"] = train_->content_sha256();
    out["starting weights"] = weights_before_;
    return out;
  }

  Trained train_on_features(const Plan& the_plan) {
    const Recipe& recipe = recipe_;
    FeatureOptions how{
        .architecture = options_.model, .seed = options_.seed, .cache = options_.cache, .team = team()};
    HeadData data;
    Stopwatch features_watch;
    auto featured = [&](const Examples& set) {
      Featured out{set.labelled(), features_of(network_, set, how, on_progress_)};
      if (!out.features.note.empty()) result_.notes.push_back(out.features.note);
      return out;
    };
    data.test = featured(test_);
    if (recipe.keep_best) data.validation = featured(*validation_);
    how.views = recipe.views;
    data.train = featured(*train_);
    result_.seconds.features = features_watch.seconds();
    if (data.train.features.from_cache && data.test.features.from_cache) {
      result_.notes.push_back("the trunk's features came from the cache");
    }

    Stopwatch train_watch;
    Hooks hooks = options_.hooks;  // a head on features takes so little that each member solves it alone
    hooks.team = nullptr;
    Trained trained =
        network_.linear_head()
            ? train_head(network_, data, recipe, options_.seed, hooks, on_progress_)
            : train_deep_head(network_, the_plan, data, recipe, options_.seed, hooks, on_progress_);
    result_.seconds.train = train_watch.seconds();
    Stopwatch evaluate_watch;
    result_.test = evaluation_of(logits_from(data.test.features), test_.labelled());
    result_.seconds.evaluate = evaluate_watch.seconds();
    return trained;
  }

  // The test samples' logits by the head alone, if the network's own end gives the same bits on a first
  // batch; some round differently (SqueezeNet's head comes before its pooling), and then the whole network is
  // asked.
  Tensor logits_from(const Features& features) {
    NoGrad no_grad;
    EvaluationMode mode(network_);
    Tensor logits = network_.head(network_.taken(features.views[0])).value().to(kCpu);
    std::vector<int64_t> which = scoring_order(test_);
    which.resize(static_cast<size_t>(std::min(test_.size(), kScoreBatch)));
    Tensor whole = network_.forward(network_.taken(test_.inputs(which))).value().to(kCpu);
    for (size_t i = 0; i < which.size(); ++i) {
      auto row = static_cast<int64_t>(i);
      Tensor by_head = logits.slice(0, which[i], which[i] + 1);
      if (!bit_equal(whole.slice(0, row, row + 1).contiguous(), by_head.contiguous()))
        return logits_of(network_, test_, on_progress_);
    }
    return logits;
  }

  bool starts_with_head() const {
    using Kind = Strategy::Kind;
    Kind kind = options_.strategy.kind;
    return recipe_.head_first && network_.linear_head() && kind != Kind::head && kind != Kind::scratch;
  }

  // What the strategy head would do: its solution is where the other tensors start to move from. A random
  // head would send large gradients into them first.
  void solve_head() {
    FeatureOptions how{
        .architecture = options_.model, .seed = options_.seed, .cache = options_.cache, .team = team()};
    Stopwatch watch;
    HeadData data;
    data.train = {train_->labelled(), features_of(network_, *train_, how, on_progress_)};
    data.test = {test_.labelled(), features_of(network_, test_, how, on_progress_)};
    Recipe head_recipe = default_recipe(options_.model, {});
    head_recipe.class_weights = recipe_.class_weights;
    Trained solved = train_head(network_, data, head_recipe, options_.seed, {}, on_progress_);
    result_.seconds.features = watch.seconds();
    if (solved.epochs.empty()) return;  // features that say nothing: zero is the solution
    result_.notes.push_back(str("the head was solved first: test accuracy ",
                                fixed(solved.epochs.back().test_accuracy, 3), " before anything else moved"));
  }

  // The features of some held-out samples, evenly chosen.
  FeatureMap map_features() {
    constexpr int64_t kMost = 300;
    NoGrad no_grad;
    EvaluationMode mode(network_);
    int64_t count = std::min(kMost, test_.size());
    std::vector<int64_t>& labels = result_.feature_maps.labels;
    labels.clear();
    Tensor features;
    for (int64_t begin = 0; begin < count; begin += kScoreBatch) {
      std::vector<int64_t> which, rows;
      for (int64_t i = begin; i < std::min(count, begin + kScoreBatch); ++i) {
        which.push_back(i * test_.size() / count);
        rows.push_back(i);
        labels.push_back(test_.labelled().labels[static_cast<size_t>(which.back())]);
      }
      Tensor pooled = network_.features(network_.taken(test_.inputs(which))).value().to(kCpu).to(DType::f32);
      if (!features.defined()) features = Tensor::empty({count, pooled.dim(1)});
      scatter_rows(pooled, rows, features);
    }
    return feature_map(features);
  }

  void describe_stages(const Plan& the_plan) {
    std::vector<nn::Stage> stages = network_.stages();
    stages.push_back({"head", network_.head_parts()});
    for (const nn::Stage& stage : stages) {
      StageRecord record{.name = stage.name};
      auto lies_in = [&](const std::string& name) {
        return std::any_of(stage.prefixes.begin(), stage.prefixes.end(), [&](const std::string& prefix) {
          return name == prefix || name.starts_with(prefix + ".");
        });
      };
      for (const nn::NamedTensor& t : nn::named_parameters(network_)) {
        if (lies_in(t.name)) record.parameters += t.value().numel();
      }
      for (const nn::NamedTensor& t : the_plan.moving) {
        if (t.parameter && lies_in(t.name)) record.trainable_parameters += t.value().numel();
      }
      record.trains_from = record.trainable_parameters > 0;
      for (const Milestone& milestone : the_plan.milestones) {
        bool meant = std::any_of(milestone.tensors.begin(), milestone.tensors.end(),
                                 [&](const nn::NamedTensor& t) { return lies_in(t.name); });
        if (meant) record.trains_from = milestone.epoch;
      }
      if (record.parameters > 0) result_.stages.push_back(record);
    }
  }

  void look_for_rate(const Task& task, const Plan& the_plan) {
    result_.found_rate = find_rate(task, the_plan, recipe_, options_.seed, {}, on_progress_);
    recipe_.learning_rate = result_.found_rate.suggestion;
    result_.notes.push_back(str("the learning-rate finder suggests ", recipe_.learning_rate));
  }

  // Of the strategy partial, what lies below the stages that train.
  Trunk frozen_trunk() {
    auto* classifier = dynamic_cast<nn::Classifier*>(&network_);
    GRAFT_CHECK_AS(UsageError, classifier, "views: only pictures have views");
    GRAFT_CHECK_AS(UsageError, options_.rules.empty(),
                   "views: rules beside the strategy partial may thaw what lies below; use views=0");
    auto trained = static_cast<size_t>(options_.strategy.stages);
    return Trunk(*classifier, network_.stages().size() - trained, recipe_.views, options_.seed);
  }

  // What was the peak so far is noted, and from now on that of the training is measured.
  void forget_peak() {
    Device device = network_.device();
    peak_before_ = std::max(peak_before_, memory_use(device).peak);
    reset_peak_memory(device);
  }

  // The longest held-out sample, n times at once.
  void score_longest(int64_t n) {
    NoGrad no_grad;
    EvaluationMode mode(network_);
    std::vector<int64_t> lengths = test_.lengths();
    int64_t longest =
        lengths.empty() ? 0 : std::max_element(lengths.begin(), lengths.end()) - lengths.begin();
    network_.forward(network_.taken(test_.inputs(std::vector<int64_t>(static_cast<size_t>(n), longest))));
  }

  // `score(n)` scores n held-out samples as the run will.
  void plan_memory(const Task& task, const Plan& the_plan, const std::function<void(int64_t n)>& score) {
    Device device = network_.device();
    if (device.is_cuda()) {
      GRAFT_CHECK_AS(UsageError, !recipe_.batch_auto,
                     "batch auto: memory is planned on the CPU only; name a number of samples on ", device);
      return;
    }
    peak_before_ = memory_use(device).peak;
    int64_t at_a_time = train_->labelled().classes.empty() ? kTokenBatch : kScoreBatch;
    MemoryPlanner planner(task, the_plan, recipe_, score, std::min(at_a_time, test_.size()));
    int64_t room =
        options_.memory_limit > 0 ? options_.memory_limit : free_cpu_memory() + memory_use(device).current;
    if (recipe_.batch_auto) {
      recipe_.batch = static_cast<int>(planner.power_that_fits(room));
      result_.notes.push_back(str("batch auto: ", recipe_.batch, " by the memory plan"));
    }
    result_.memory_plan = planner.plan(recipe_.batch, room);
    require_room(result_.memory_plan);
    if (options_.on_plan) options_.on_plan(result_.memory_plan);
    release_cached_memory();  // blocks of sizes that were only tried
    reset_peak_memory(device);
  }

  Trained train_in_room(const Task& task, const Plan& the_plan) {
    try {
      Place::forget();
      return train(task, the_plan, recipe_, options_.seed, options_.hooks, on_progress_);
    } catch (const MemoryError& e) {
      std::string fits;
      if (result_.memory_plan.known()) {
        fits = str("; by the memory plan the largest batch that fits is ", result_.memory_plan.largest_batch);
      }
      fail<MemoryError>(e.what(), place_of_failure(network_), ", in training with batches of ", recipe_.batch,
                        fits);
    }
  }

  Trained train_on_samples(const Plan& the_plan) {
    const Recipe& recipe = recipe_;
    double evaluate_seconds = 0;
    auto score = [&](const Examples& set) {
      Stopwatch watch;
      Evaluation out = evaluate(network_, set, on_progress_, "evaluate", team());
      evaluate_seconds += watch.seconds();
      return out;
    };
    Task task;
    task.count = train_->size();
    task.device = network_.device();
    task.recordable = network_.recordable();
    task.lengths = train_->lengths();
    task.class_weights = class_weights_of(recipe, train_->labelled(), network_.dtype(), network_.device());
    task.inputs = [&](std::span<const int64_t> which, int epoch) {
      return network_.taken_on_cpu(train_->augmented(which, options_.seed, static_cast<uint64_t>(epoch)));
    };
    task.logits = [&](const Var& x) { return network_.forward(x); };
    task.labels = [&](std::span<const int64_t> which) { return train_->targets(which); };
    task.evaluate = [&] { return result_.test = score(test_); };
    task.validate = [&] { return score(*validation_).accuracy; };

    task.before_thaw = [&](const Milestone& milestone) {
      before_->require_still(milestone.tensors, str("epoch ", milestone.epoch));
    };
    task.network = &network_;

    std::optional<AboveTrunk> above;
    if (recipe.views > 0) {
      Stopwatch watch;
      above.emplace(frozen_trunk(), *train_, test_, validation_.get(), recipe.cached_features, on_progress_);
      above->take_over(task, [&](const Evaluation& test) { result_.test = test; });
      result_.seconds.features = watch.seconds();
    }
    if (!options_.score_epochs) task.evaluate = {};

    network_.train();
    plan_memory(task, the_plan, [&](int64_t n) { above ? above->score_some(n) : score_longest(n); });
    Checkpoints* checkpoints = options_.hooks.checkpoints;
    if (checkpoints) checkpoints->begin(identity());
    double goes_on[] = {checkpoints && options_.hooks.go_on && checkpoints->any() ? 1.0 : 0.0};
    if (team()) broadcast(*team(), goes_on);
    // A training that goes on has its head, but the finder must start where it did.
    if (starts_with_head() && (goes_on[0] == 0 || options_.find_rate)) solve_head();
    network_.train();
    if (options_.find_rate) look_for_rate(task, the_plan);
    forget_peak();
    Stopwatch train_watch;
    Trained trained = train_in_room(task, the_plan);
    network_.eval();
    int last = trained.epochs.back().epoch;
    if (result_.test.count == 0 || (recipe.keep_best && trained.best_epoch != last))
      result_.test = score(test_);
    result_.seconds.train = train_watch.seconds() - evaluate_seconds;
    result_.seconds.evaluate = evaluate_seconds;
    return trained;
  }

  void describe(const Plan& the_plan, const Trained& trained) {
    result_.model = options_.model;
    result_.test.samples = test_.samples();
    result_.strategy = to_text(options_.strategy);
    result_.classes = train_->labelled().classes;
    result_.train_count = train_->size();
    result_.step_losses = trained.step_losses;
    result_.resumed_at = trained.resumed_at;
    result_.notes.insert(result_.notes.end(), trained.notes.begin(), trained.notes.end());
    result_.device = to_text(options_.compute.device);
    result_.precision = to_text(options_.compute.precision);
    result_.parameters = the_plan.parameters;
    result_.trainable_parameters = the_plan.trainable_parameters;
    result_.frozen_tensors = static_cast<int64_t>(the_plan.frozen.size());
    result_.settings = settings(recipe_);
    result_.notes.push_back(the_plan.gradients_stop.empty()
                                ? "gradients go all the way down"
                                : "gradients stop below " + the_plan.gradients_stop);
    Tensor class_weights = class_weights_of(recipe_, train_->labelled());
    if (class_weights.defined())
      result_.notes.push_back(describe_class_weights(class_weights, train_->labelled()));
    for (const Milestone& milestone : the_plan.milestones)
      result_.notes.push_back(str(milestone.stage, " trains from epoch ", milestone.epoch, " on"));
    if (!result_.epochs.empty() && result_.epochs.back().epoch < recipe_.epochs && recipe_.patience > 0) {
      result_.notes.push_back(str("stopped after epoch ", result_.epochs.back().epoch, ": ", recipe_.patience,
                                  " epochs without a better one"));
    }
    if (trained.best_epoch > 0) {
      result_.notes.push_back(str("kept the weights of epoch ", trained.best_epoch, ", the best on ",
                                  validation_->size(), " validation ",
                                  validation_->samples() == Samples::pictures ? "pictures" : "texts"));
    }
    if (team()) result_.notes.push_back(str(team()->size(), " processes trained together"));
    result_.receipt["processes"] = str(team() ? team()->size() : 1);
    result_.receipt["seed"] = str(options_.seed);
    result_.receipt["threads"] = str(threads());
    result_.receipt["cpu_level"] = std::string(to_text(kernels::cpu_level()));
    result_.receipt["device"] = transfer::describe(options_.compute.device);
    result_.receipt["precision"] = result_.precision;
    result_.receipt["engine"] = str("graft ", kVersion);
    result_.receipt["train_data_sha256"] = train_->content_sha256();
    result_.receipt["test_data_sha256"] = test_.content_sha256();
  }

  nn::Headed& network_;
  const RetrainOptions& options_;
  Recipe recipe_;  // with the rate that was found, where one was looked for
  const OnProgress& on_progress_;
  const Examples* train_;
  std::unique_ptr<Examples> validation_, rest_;  // with keep_best: the two parts of what was given
  const Examples& test_;
  const Snapshot* before_ = nullptr;
  std::string weights_before_;
  RunResult result_;
  int64_t peak_before_ = 0;  // of memory, before the training began
  Stopwatch watch_;
};

}  // namespace

RunResult retrain(nn::Headed& network, const Examples& train, const Examples& test,
                  const RetrainOptions& options, const OnProgress& on_progress) {
  return Run(network, train, test, options, on_progress).go();
}

RunResult retrain(nn::Headed& network, const PictureSet& train, const PictureSet& test,
                  const RetrainOptions& options, const OnProgress& on_progress) {
  PictureExamples learned(train, options.preprocess, options.recipe.augment);
  PictureExamples held_out(test, options.preprocess);
  return retrain(network, learned, held_out, options, on_progress);
}

}  // namespace graft::transfer
