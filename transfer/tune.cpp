#include "transfer/tune.h"

#include <filesystem>

#include "core/file.h"
#include "nn/models/registry.h"
#include "transfer/retrain.h"
#include "transfer/score.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

std::string prepare_folder(const std::string& out) {
  std::error_code error;
  fs::create_directories(out, error);
  GRAFT_CHECK_AS(DiskError, !error, out, ": cannot be made: ", error.message());
  std::string path = (fs::path(out) / "model.graft").string();
  require_writable(path);
  return path;
}

void copy_ledger(const weights::LoadReport& report, RunResult& result) {
  for (const weights::LoadRow& row : report.rows) {
    std::string dtype =
        row.from == row.to ? std::string(to_text(row.from)) : str(to_text(row.from), " -> ", to_text(row.to));
    result.ledger.push_back({row.source, row.target, to_text(row.shape), dtype, row.transform, row.sha256});
  }
  result.ledger_notes = report.warnings;
  if (!report.stripped.empty()) {
    result.ledger_notes.push_back("every name in the file began with \"" + report.stripped +
                                  "\", which was dropped");
  }
  for (const weights::Waived& waived : report.waived) {
    result.ledger_notes.push_back(str(waived.name, ": ", waived.what, ", waived"));
  }
}

// Loads the file that was just written and scores it: it must say of every picture what the network in memory
// says.
double rescore(const std::string& path, const PictureSet& test, const Evaluation& expected,
               const Compute& compute, const OnProgress& on_progress) {
  Artefact artefact = load_artefact(path);
  place(*artefact.network, compute);
  Evaluation again =
      evaluation_of(logits_of(*artefact.network, test, artefact.preprocess, on_progress, "check"), test);
  for (size_t i = 0; i < again.scored.size(); ++i) {
    const Scored &a = again.scored[i], &b = expected.scored[i];
    GRAFT_CHECK(a.predicted == b.predicted && a.probability == b.probability, path,
                ": after loading it again, ", a.file, " is class ", a.predicted, " with ", a.probability,
                ", before it was ", b.predicted, " with ", b.probability);
  }
  return again.accuracy;
}

// Saves under a name of its own, checks, and only then takes the place of an older model.graft.
void save_checked(const std::string& path, nn::Classifier& network, const data::Preprocess& preprocess,
                  const PictureSet& test, const Compute& compute, RunResult& result,
                  const OnProgress& on_progress) {
  std::string unchecked = path + ".unchecked";
  try {
    save_artefact(unchecked, network, result, preprocess);
    result.artefact_accuracy = rescore(unchecked, test, result.test, compute, on_progress);
    std::error_code error;
    fs::rename(unchecked, path, error);
    GRAFT_CHECK_AS(DiskError, !error, path, ": ", error.message());
  } catch (...) {
    std::error_code ignored;
    fs::remove(unchecked, ignored);
    throw;
  }
  result.artefact = path;
}

}  // namespace

RunResult tune(const TuneOptions& options, const OnProgress& on_progress) {
  Stopwatch watch;
  Strategy strategy = parse_strategy(options.strategy);
  bool scratch = strategy.kind == Strategy::Kind::scratch;
  data::Preprocess preprocess = preprocess_of(options.model);
  RetrainOptions retraining;
  retraining.model = options.model;
  retraining.strategy = strategy;
  retraining.preprocess = preprocess;
  retraining.recipe = options.recipe ? *options.recipe : default_recipe(options.model, strategy);
  check(retraining.recipe, strategy);
  retraining.rules = options.rules;
  retraining.seed = options.seed;
  retraining.cache = options.cache;
  retraining.compute = options.compute;
  check(options.compute);
  GRAFT_CHECK_AS(UsageError, scratch || !options.weights.empty(), "strategy ", options.strategy,
                 " starts from published weights: give their file");
  std::string path = options.out.empty() ? "" : prepare_folder(options.out);

  data::Dataset dataset =
      data::scan_folder(options.data, {.test_share = options.test_share, .seed = options.seed});
  Published start;
  if (scratch) {
    start.network =
        nn::make_classifier(options.model, static_cast<int64_t>(dataset.classes.size()), options.seed);
  } else {
    start = load_published(options.model, options.weights);
  }
  PictureSet train = load_pictures(dataset, dataset.train, preprocess, on_progress);
  PictureSet test = load_pictures(dataset, dataset.test, preprocess, on_progress);
  double load_seconds = watch.seconds();

  RunResult result = retrain(*start.network, train, test, retraining, on_progress);
  result.data = options.data;
  if (scratch && !options.weights.empty()) {
    result.notes.push_back("scratch starts at random: " + options.weights + " was not read");
  }
  if (!scratch) {
    result.weights = fs::path(options.weights).filename().string();
    result.receipt["weights_file_sha256"] = weights::Checkpoint::open(options.weights).sha256();
    copy_ledger(start.report, result);
  }
  Stopwatch check_watch;
  if (!path.empty()) {
    save_checked(path, *start.network, preprocess, test, options.compute, result, on_progress);
  }
  result.seconds.load = load_seconds;
  result.seconds.evaluate += check_watch.seconds();
  result.seconds.total = watch.seconds();
  return result;
}

}  // namespace graft::transfer
