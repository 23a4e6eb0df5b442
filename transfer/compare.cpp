#include "transfer/compare.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/nearest.h"
#include "core/parallel.h"
#include "core/storage.h"
#include "transfer/features.h"
#include "transfer/fewshot.h"
#include "transfer/head.h"
#include "transfer/neighbours.h"
#include "transfer/retrain.h"
#include "transfer/score.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {
namespace {

const std::vector<int64_t> kUsualSizes = {5, 20, 100};

// "lora" and "lora:16" are both of the rung lora.
std::string rung_of(const std::string& method) {
  return method.substr(0, method.find(':'));
}

// Those that run only where they are named.
bool by_name_alone(const std::string& method) {
  return method == "bitfit" || method == "adapters";
}

bool on_features(const std::string& method) {
  return method == "knn" || method == "centroid" || method == "probe";
}

// A quarter of the network, rounded up: layer4 and layer3 of a ResNet, five blocks of a MobileNetV2, three
// layers of twelve.
std::string strategy_text(const std::string& method, const nn::Headed& network) {
  if (method == "probe") return "head";
  if (method != "partial") return method;
  return str("partial:", (network.stages().size() + 3) / 4);
}

void check_methods(const std::vector<std::string>& methods, const Contest& contest) {
  const std::vector<std::string>& known = comparison_methods();
  std::set<std::string> seen;
  for (const std::string& method : methods) {
    std::string rung = rung_of(method);
    GRAFT_CHECK_AS(UsageError, std::find(known.begin(), known.end(), rung) != known.end(),
                   "compare: no method \"", printable(method), "\"", did_you_mean(method, known));
    if (rung != method) parse_strategy(method);  // refuses what a strategy has no number for
    GRAFT_CHECK_AS(UsageError, seen.insert(method).second, "compare: the method ", method, " is named twice");
    GRAFT_CHECK_AS(UsageError, method != "zeroshot" || contest.zeroshot,
                   "compare: zeroshot: ", contest.why_no_zeroshot);
    GRAFT_CHECK_AS(UsageError, method != "scratch" || contest.scratch,
                   "compare: scratch: ", contest.why_no_scratch);
  }
}

std::vector<std::string> methods_for(const std::vector<std::string>& wanted, const Contest& contest) {
  std::vector<std::string> out = wanted;
  const std::vector<std::string>& known = comparison_methods();
  if (out.empty()) {
    std::copy_if(known.begin(), known.end(), std::back_inserter(out), [&](const std::string& method) {
      if (by_name_alone(method)) return false;
      return (method != "zeroshot" || contest.zeroshot) && (method != "scratch" || contest.scratch);
    });
  }
  check_methods(out, contest);
  std::stable_sort(out.begin(), out.end(), [&](const std::string& a, const std::string& b) {
    return std::find(known.begin(), known.end(), rung_of(a)) <
           std::find(known.begin(), known.end(), rung_of(b));
  });
  return out;
}

std::vector<int64_t> class_counts(const Labelled& set) {
  std::vector<int64_t> counts(set.classes.size(), 0);
  for (int64_t label : set.labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

// Throws DataError where a class has fewer than `wanted` samples, with the classes and what they have.
void require_samples(const Labelled& set, int64_t wanted) {
  constexpr size_t kNamed = 6;
  std::vector<int64_t> counts = class_counts(set);
  std::string named;
  size_t small = 0;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] >= wanted) continue;
    if (++small <= kNamed)
      named += str(small > 1 ? ", " : "", "\"", printable(set.classes[c]), "\" ", counts[c]);
  }
  if (small > kNamed) named += str(" and ", small - kNamed, " other classes fewer, too");
  GRAFT_CHECK_AS(DataError, small == 0, "compare: ", wanted,
                 " training samples of each class are wanted, and there are fewer: ", named,
                 "; a smaller --per-class is needed");
}

// Rising. Throws as compare does.
std::vector<int64_t> sizes_for(const std::vector<int64_t>& wanted, const Labelled& set,
                               std::vector<std::string>& notes) {
  std::vector<int64_t> out = wanted.empty() ? kUsualSizes : wanted;
  std::sort(out.begin(), out.end());
  GRAFT_CHECK_AS(UsageError, out.front() >= 1, "compare: ", out.front(),
                 " training samples of each class; 1 or more are needed");
  auto twice = std::adjacent_find(out.begin(), out.end());
  GRAFT_CHECK_AS(UsageError, twice == out.end(), "compare: ", *twice,
                 " training samples of each class are named twice");
  if (wanted.empty()) {
    std::vector<int64_t> counts = class_counts(set);
    int64_t smallest = *std::min_element(counts.begin(), counts.end());
    size_t before = out.size();
    std::erase_if(out, [&](int64_t size) { return size > smallest && size > kUsualSizes.front(); });
    if (out.size() < before)
      notes.push_back(str("the smallest class has ", smallest, " training samples: compared up to ",
                          out.back(), " of each"));
  }
  require_samples(set, out.back());
  return out;
}

// A recipe with the settings that are meant for this method.
Recipe recipe_for(const std::string& method, const Strategy& strategy, const Contest& contest,
                  const Comparing& how) {
  Recipe recipe = contest.recipe(strategy);
  const std::vector<std::string>& known = comparison_methods();
  for (const auto& [name, value] : how.settings) {
    std::string prefix = name.substr(0, name.find('.'));
    bool of_one = prefix != name && std::find(known.begin(), known.end(), prefix) != known.end();
    if (of_one && prefix == rung_of(method)) set(recipe, name.substr(prefix.size() + 1), value);
    if (!of_one && method != "probe") set(recipe, name, value);
  }
  check(recipe, strategy);
  return recipe;
}

class Comparison {
 public:
  Comparison(const Contest& contest, const Comparing& how, const OnProgress& on_progress)
      : contest_(contest), how_(how), on_progress_(on_progress) {
    check(how.compute);
    const Labelled& all = contest.labelled;
    GRAFT_CHECK_AS(DataError, all.classes.size() >= 2, "compare: ", all.classes.size(),
                   " classes; telling samples apart needs two or more");
    GRAFT_CHECK_AS(DataError, contest.test->size() > 0, "compare: no held-out samples");
    out_.methods = methods_for(how.methods, contest);
    out_.per_class = sizes_for(how.per_class, all, out_.notes);
    for (int64_t size : out_.per_class) {
      chosen_.push_back(draw_shots(all, size, how.seed));
      std::sort(chosen_.back().begin(), chosen_.back().end());
    }
  }

  CompareResult go() {
    for (const std::string& method : out_.methods) {
      if (method == "zeroshot") {
        zeroshot();
        continue;
      }
      bool features = on_features(method);
      if (features && !shared_) share_features();
      if (!features) shared_.reset();  // its memory is none of the next method's
      bool retrains = !features || (method == "probe" && !shared_->network->linear_head());
      for (size_t s = 0; s < chosen_.size(); ++s) retrains ? retraining(method, s) : from_features(method, s);
    }
    describe();
    return std::move(out_);
  }

 private:
  // What the methods on frozen features share: the trunk's features of the largest set and of the test.
  struct Shared {
    std::unique_ptr<nn::Headed> network;
    Tensor train, test;       // f32 [n, F]
    double seconds_each = 0;  // of one training sample
    int64_t peak_bytes = 0;
  };

  OnProgress told_as(const std::string& method, int64_t per_class) const {
    if (!on_progress_) return {};
    return [this, name = per_class > 0 ? str(method, " ", per_class) : method](Progress progress) {
      progress.phase = progress.phase == name ? name : str(name, " ", progress.phase);
      on_progress_(progress);
    };
  }

  void zeroshot() {
    reset_peak_memory(how_.compute.device);
    Stopwatch watch;
    CompareRow row;
    row.method = "zeroshot";
    std::unique_ptr<nn::Headed> network = contest_.zeroshot();
    row.seconds = watch.seconds();
    place(*network, how_.compute);
    Evaluation test = evaluate(*network, *contest_.test, told_as("zeroshot", 0));
    add(std::move(row), test, memory_use(how_.compute.device).peak);
  }

  void share_features() {
    Device device = how_.compute.device;
    reset_peak_memory(device);
    Shared shared;
    shared.network = contest_.pretrained();
    shared.network->eval();
    place(*shared.network, how_.compute);
    FeatureOptions options{.architecture = contest_.model, .seed = how_.seed, .cache = how_.cache};
    Stopwatch watch;
    auto train = contest_.training(chosen_.back(), contest_.recipe({}));
    Features of_train = features_of(*shared.network, *train, options, on_progress_);
    shared.seconds_each = watch.seconds() / static_cast<double>(train->size());
    Features of_test = features_of(*shared.network, *contest_.test, options, on_progress_);
    if (of_train.from_cache) {
      shared.seconds_each = 0;
      out_.notes.push_back(
          "the trunk's features came from the cache: their time is not in the seconds of "
          "knn, centroid and probe");
    }
    for (const Features* features : {&of_train, &of_test}) {
      if (!features->note.empty()) out_.notes.push_back(features->note);
    }
    shared.train = of_train.views[0];
    shared.test = of_test.views[0];
    shared.peak_bytes = memory_use(device).peak;
    shared_ = std::move(shared);
  }

  // The rows of the shared features that belong to this set, and their labels. The largest set's rows are in
  // rising order of its samples.
  std::pair<Tensor, Labelled> part_of_shared(size_t s) const {
    const std::vector<int64_t>& largest = chosen_.back();
    std::vector<int64_t> rows;
    Labelled part{contest_.labelled.classes, {}, {}};
    for (int64_t i : chosen_[s]) {
      rows.push_back(std::lower_bound(largest.begin(), largest.end(), i) - largest.begin());
      part.files.push_back(contest_.labelled.files[static_cast<size_t>(i)]);
      part.labels.push_back(contest_.labelled.labels[static_cast<size_t>(i)]);
    }
    NoGrad no_grad;
    Tensor which = Tensor::from(rows, {static_cast<int64_t>(rows.size())});
    return {embedding(Var(shared_->train), which).value(), std::move(part)};
  }

  void from_features(const std::string& method, size_t s) {
    Device device = how_.compute.device;
    auto [features, part] = part_of_shared(s);
    const Labelled& test = contest_.test->labelled();
    reset_peak_memory(device);
    Stopwatch watch;
    CompareRow row;
    row.method = method;
    row.per_class = out_.per_class[s];
    Evaluation evaluation;
    if (method == "knn") {
      Neighbours found = nearest_neighbours(features, part, shared_->test, test);
      row.note = str("k = ", found.k);
      if (row.per_class > 1)
        row.note +=
            str(": the others name ", fixed(100 * found.left_one_out, 1), " % of the training samples");
      evaluation = std::move(found.evaluation);
    } else if (method == "centroid") {
      evaluation = nearest_prototype(features, part, shared_->test, test);
    } else {
      evaluation = probe(features, part, row);
    }
    row.seconds = watch.seconds() + shared_->seconds_each * static_cast<double>(part.size());
    add(std::move(row), evaluation, std::max(shared_->peak_bytes, memory_use(device).peak));
  }

  Evaluation probe(const Tensor& features, const Labelled& part, CompareRow& row) {
    nn::Headed& network = *shared_->network;
    network.replace_head(static_cast<int64_t>(part.classes.size()), how_.seed);
    place(network, how_.compute);
    Strategy strategy = parse_strategy("head");
    Recipe recipe = recipe_for("probe", strategy, contest_, how_);
    recipe.views = 0;
    HeadData data;
    data.train.samples = part;
    data.train.features.views = {features};
    data.test.samples = contest_.test->labelled();
    data.test.features.views = {shared_->test};
    train_head(network, data, recipe, how_.seed, {}, told_as("probe", row.per_class));
    row.strategy = "head";
    for (const nn::NamedTensor& t : nn::named_parameters(network)) {
      if (t.name.starts_with(network.head_name() + ".")) row.trainable_parameters += t.value().numel();
    }
    NoGrad no_grad;
    EvaluationMode mode(network);
    return evaluation_of(network.head(network.taken(shared_->test)).value(), contest_.test->labelled());
  }

  void retraining(const std::string& method, size_t s) {
    std::unique_ptr<nn::Headed> network = method == "scratch" ? contest_.scratch() : contest_.pretrained();
    RetrainOptions options;
    options.model = contest_.model;
    options.strategy = parse_strategy(strategy_text(method, *network));
    options.recipe = recipe_for(method, options.strategy, contest_, how_);
    options.seed = how_.seed;
    options.compute = how_.compute;
    options.score_epochs = false;  // more work than the training itself, where there are few to learn from
    options.cache = false;         // features that a strategy starts from are a part of its time
    auto train = contest_.training(chosen_[s], options.recipe);
    CompareRow row;
    row.method = method;
    row.per_class = out_.per_class[s];
    RunResult run = retrain(*network, *train, *contest_.test, options, told_as(method, row.per_class));
    row.strategy = run.strategy;
    row.trainable_parameters = run.trainable_parameters;
    // Features are made of the held-out samples too, which is a part of scoring.
    double learned = static_cast<double>(train->size());
    double share = learned / (learned + static_cast<double>(contest_.test->size()));
    row.seconds = run.seconds.train + share * run.seconds.features;
    add(std::move(row), run.test, run.peak_memory_bytes);
  }

  void add(CompareRow row, const Evaluation& test, int64_t peak_bytes) {
    row.accuracy = test.accuracy;
    row.count = test.count;
    row.peak_memory_bytes = peak_bytes;
    out_.rows.push_back(std::move(row));
    if (how_.on_row) how_.on_row(out_.rows.back());
  }

  void describe() {
    out_.model = contest_.model;
    out_.classes = contest_.labelled.classes;
    out_.samples = contest_.test->samples();
    out_.count = contest_.test->size();
    out_.seed = how_.seed;
    out_.compute = how_.compute;
    out_.threads = threads();
    out_.seconds = watch_.seconds();
  }

  const Contest& contest_;
  const Comparing& how_;
  const OnProgress& on_progress_;
  std::vector<std::vector<int64_t>> chosen_;  // of each size the samples, rising
  std::optional<Shared> shared_;
  CompareResult out_;
  Stopwatch watch_;
};

}  // namespace

const std::vector<std::string>& comparison_methods() {
  static const std::vector<std::string> all = {"zeroshot", "knn",     "centroid", "probe",   "bitfit", "lora",
                                               "adapters", "partial", "full",     "gradual", "scratch"};
  return all;
}

CompareResult compare(const Contest& contest, const Comparing& how, const OnProgress& on_progress) {
  return Comparison(contest, how, on_progress).go();
}

}  // namespace graft::transfer
