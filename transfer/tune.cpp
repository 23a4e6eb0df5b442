#include "transfer/tune.h"

#include <filesystem>
#include <optional>
#include <tuple>

#include "core/atomic_file.h"
#include "core/file.h"
#include "data/table_cells.h"
#include "data/text_dataset.h"
#include "nn/models/registry.h"
#include "transfer/input_channels.h"
#include "transfer/language.h"
#include "transfer/language_data.h"
#include "transfer/peft.h"
#include "transfer/retrain.h"
#include "transfer/score.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"
#include "transfer/strategy.h"
#include "transfer/text_source.h"
#include "transfer/texts.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

std::string prepare_folder(const std::string& out) {
  make_folders(out);
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

// A run's parts, whatever its samples are.
struct Job {
  Samples samples = Samples::pictures;
  std::string model;
  std::unique_ptr<nn::Headed> network;
  std::unique_ptr<Examples> train, test;
  data::Preprocess preprocess;                // of pictures
  TextInputs text;                            // of texts
  std::optional<weights::LoadReport> report;  // unset: nothing was loaded
  std::vector<std::string> notes;
};

Recipe recipe_of(const TuneOptions& options, Recipe otherwise) {
  if (options.recipe) return *options.recipe;
  for (const auto& [name, value] : options.settings) set(otherwise, name, value);
  return otherwise;
}

Job picture_job(const TuneOptions& options, const Strategy& strategy, Recipe& recipe,
                const OnProgress& on_progress) {
  Job job;
  job.model = options.model;
  data::Dataset dataset =
      data::scan_folder(options.data, {.test_share = options.test_share, .seed = options.seed});
  if (strategy.kind == Strategy::Kind::scratch) {
    auto classes = static_cast<int64_t>(dataset.classes.size());
    std::unique_ptr<nn::Classifier> network = nn::make_classifier(options.model, classes, options.seed);
    bool exact = false;  // random filters have nothing to be equal to
    job.preprocess =
        fit_channels(*network, preprocess_of(options.model), options.channels.value_or(3), nullptr, exact);
    job.network = std::move(network);
  } else {
    Published start = load_published(options.model, options.weights, options.channels);
    job.preprocess = start.preprocess;
    job.network = std::move(start.network);
    job.report = std::move(start.report);
  }
  job.train = std::make_unique<PictureExamples>(
      load_pictures(dataset, dataset.train, job.preprocess, on_progress), job.preprocess, recipe.augment);
  job.test = std::make_unique<PictureExamples>(
      load_pictures(dataset, dataset.test, job.preprocess, on_progress), job.preprocess);
  return job;
}

// How many tokens of a text are read.
int64_t length_limit(const TuneOptions& options, int64_t positions) {
  GRAFT_CHECK_AS(UsageError, options.max_length >= 0 && options.max_length <= positions, "texts of ",
                 options.max_length, " tokens; the network has ", positions, " positions");
  return options.max_length > 0 ? options.max_length : positions;
}

Job text_job(const TuneOptions& options, const Strategy& strategy, Recipe& recipe) {
  bool scratch = strategy.kind == Strategy::Kind::scratch;
  data::TextDataset dataset = data::read_text_dataset(
      options.data, {.table = options.table, .test_share = options.test_share, .seed = options.seed});
  PublishedText start = load_text_classifier(options.weights, options.seed);
  Job job;
  job.samples = Samples::texts;
  job.model = start.family;
  job.text.files = start.files;
  auto config = weights::Config::parse(options.weights + ", config.json", start.files["config.json"]);
  if (scratch) {
    auto classes = static_cast<int64_t>(dataset.classes.size());
    start.network = make_text_classifier(config, classes, options.seed);
  } else {
    job.report = std::move(start.report);
  }
  data::Tokenizer tokenizer = data::open_tokenizer_files(options.weights, job.text.files);
  tokenizer.require_rows(start.network->vocabulary(), start.family);
  job.text.max_length = length_limit(options, start.network->most_tokens());
  job.text.pairs = dataset.pairs;
  auto train = std::make_unique<TextExamples>(dataset.train, dataset.classes, tokenizer, job.text.max_length);
  auto test = std::make_unique<TextExamples>(dataset.test, dataset.classes, tokenizer, job.text.max_length);
  if (int64_t cut = train->truncated() + test->truncated(); cut > 0) {
    job.notes.push_back(str(cut, cut == 1 ? " text is" : " texts are", " longer than ", job.text.max_length,
                            " tokens: the end was cut off"));
  }
  recipe = recipe_of(options, default_text_recipe(strategy, start.network->linear_head()));
  job.train = std::move(train);
  job.test = std::move(test);
  job.network = std::move(start.network);
  return job;
}

// The running texts of GPT-2: blocks; held out is a file of its own, or the last blocks.
void take_blocks(const TuneOptions& options, const data::Tokenizer& tokenizer, Job& job) {
  data::TextFiles files = data::find_text_files(options.data);
  auto blocks = [&](const std::string& file) {
    std::vector<int64_t> tokens = tokenizer.encode(data::read_text_file(file)).ids;
    return std::make_unique<BlockExamples>(std::move(tokens), job.text.max_length, file);
  };
  std::unique_ptr<BlockExamples> train = blocks(files.train);
  if (files.test.empty()) {
    std::tie(job.train, job.test) = train->held_out(options.test_share);
  } else {
    job.test = blocks(files.test);
    job.train = std::move(train);
  }
}

// T5's sources and targets; held out is a file of its own, or a part by seed.
void take_pairs(const TuneOptions& options, const data::Tokenizer& tokenizer, Job& job) {
  data::TextFiles files = data::find_text_files(options.data);
  std::vector<data::TextRow> train = data::read_text_pairs(files.train, options.table).rows, test;
  if (files.test.empty()) {
    std::tie(train, test) = data::split_rows(train, options.test_share, options.seed);
  } else {
    test = data::read_text_pairs(files.test, options.table).rows;
  }
  auto learned = std::make_unique<PairExamples>(train, tokenizer, job.text.max_length);
  auto held_out = std::make_unique<PairExamples>(test, tokenizer, job.text.max_length);
  if (int64_t cut = learned->truncated() + held_out->truncated(); cut > 0)
    job.notes.push_back(str(cut, " sources or targets are longer than ", job.text.max_length,
                            " tokens: the end was cut off"));
  job.train = std::move(learned);
  job.test = std::move(held_out);
}

Job language_job(const TuneOptions& options, const Strategy& strategy, Recipe& recipe) {
  constexpr int64_t kT5Length = 512;
  bool scratch = strategy.kind == Strategy::Kind::scratch;
  Job job;
  job.samples = Samples::tokens;
  job.text.files = published_files(options.weights);
  if (scratch) {
    auto config = weights::Config::parse(options.weights + ", config.json", job.text.files["config.json"]);
    job.model = text_family(options.weights);
    job.network = make_language_task(config, options.seed);
  } else {
    PublishedLanguage start = load_language_task(options.weights);
    job.model = start.family;
    job.network = std::move(start.network);
    job.report = std::move(start.report);
  }
  auto& network = dynamic_cast<nn::LanguageTask&>(*job.network);
  data::Tokenizer tokenizer = data::open_tokenizer_files(options.weights, job.text.files);
  tokenizer.require_rows(network.vocabulary(), job.model);
  job.text.max_length = network.most_tokens() > 0 ? length_limit(options, network.most_tokens())
                        : options.max_length > 0  ? options.max_length
                                                  : kT5Length;
  if (job.model == "t5") {
    take_pairs(options, tokenizer, job);
  } else {
    take_blocks(options, tokenizer, job);
  }
  Recipe usual = default_text_recipe(strategy, false);
  // A row of logits for each token is as long as the vocabulary: batches of about 2048 tokens.
  if (job.model == "gpt2") usual.batch = static_cast<int>(std::max<int64_t>(1, 2048 / job.text.max_length));
  if (job.model == "t5") usual.learning_rate = 3e-4;
  recipe = recipe_of(options, usual);
  return job;
}

bool is_language_job(const TuneOptions& options) {
  GRAFT_CHECK_AS(UsageError, options.task.empty() || options.task == "classes" || options.task == "language",
                 "unknown task ", printable(options.task), "; there are classes and language");
  std::string family = text_family(options.weights);
  bool writes = family == "t5" || family == "gpt2";
  GRAFT_CHECK_AS(UsageError, options.task != "language" || writes, "task language: ", family,
                 " writes no texts; GPT-2 and T5 do");
  GRAFT_CHECK_AS(UsageError, options.task != "classes" || family != "t5",
                 "task classes: T5 answers in words; give it sources and targets");
  if (!options.task.empty()) return options.task == "language";
  return family == "t5" || (family == "gpt2" && data::find_text_files(options.data).train.ends_with(".txt"));
}

// Loads the file that was just written and scores it: it must say of every sample what the network in memory
// says.
double rescore(const std::string& path, const Examples& test, const Evaluation& expected,
               const Compute& compute, const OnProgress& on_progress) {
  Artefact artefact = load_artefact(path);
  place(*artefact.network, compute);
  Evaluation again = evaluate(*artefact.network, test, on_progress, "check");
  for (size_t i = 0; i < again.scored.size(); ++i) {
    const Scored &a = again.scored[i], &b = expected.scored[i];
    GRAFT_CHECK(a.predicted == b.predicted && a.probability == b.probability, path,
                ": after loading it again, ", a.file, " is class ", a.predicted, " with ", a.probability,
                ", before it was ", b.predicted, " with ", b.probability);
  }
  GRAFT_CHECK(again.loss == expected.loss && again.count == expected.count, path,
              ": after loading it again, the loss is ", again.loss, ", before it was ", expected.loss);
  return again.accuracy;
}

// Saves under a name of its own, checks, and only then takes the place of an older model.graft.
void save_checked(const std::string& path, const Job& job, const Compute& compute, RunResult& result,
                  const OnProgress& on_progress) {
  std::string unchecked = path + ".unchecked";
  AtomicFile::remove_leftovers(unchecked);
  try {
    if (job.samples == Samples::pictures) {
      save_artefact(unchecked, *job.network, result, job.preprocess);
    } else {
      save_artefact(unchecked, *job.network, result, job.text);
    }
    result.artefact_accuracy = rescore(unchecked, *job.test, result.test, compute, on_progress);
    move_file(unchecked, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(unchecked, ignored);
    throw;
  }
  result.artefact = path;
}

// The file whose hash stands in the receipt; of a folder the tensors' names say which.
std::string weights_name(const std::string& weights) {
  fs::path path = weights;
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace

bool is_text_job(const TuneOptions& options) {
  if (!options.model.empty() || options.weights.empty()) return false;
  fs::path folder = options.weights;
  std::error_code error;
  if (!fs::is_directory(folder, error)) folder = folder.parent_path();
  return fs::exists(folder / "config.json", error);
}

RunResult tune(const TuneOptions& options, const OnProgress& on_progress) {
  Stopwatch watch;
  std::string out = options.team && !options.team->leads() ? "" : options.out;
  Strategy strategy = parse_strategy(options.strategy);
  bool scratch = strategy.kind == Strategy::Kind::scratch;
  bool texts = is_text_job(options);
  Recipe recipe;
  if (!texts) {
    preprocess_of(options.model);  // an unknown model is told before anything else
    recipe = recipe_of(options, default_recipe(options.model, strategy));
    check(recipe, strategy);
  }
  check(options.compute);
  if (options.channels) {
    check_channels(*options.channels);
    GRAFT_CHECK_AS(UsageError, !texts, "channels ", *options.channels,
                   ": texts have none; that is of pictures");
    GRAFT_CHECK_AS(UsageError, *options.channels != 4 || recipe.augment.rand_ops == 0,
                   "augment.rand_ops: RandAugment has no operations on alpha; set it to 0 for pictures of "
                   "four channels");
  }
  GRAFT_CHECK_AS(UsageError, scratch || !options.weights.empty(), "strategy ", options.strategy,
                 " starts from published weights: give their file");
  GRAFT_CHECK_AS(UsageError, !options.resume || !options.out.empty() || options.team,
                 "resume: name the folder of the run that goes on");
  std::string path = out.empty() ? "" : prepare_folder(out);
  Checkpoints checkpoints((fs::path(out) / "checkpoints").string(), options.checkpoint_every);
  if (options.keep_going) {
    checkpoints.keep_going([&](const std::string& why) {
      if (options.on_warning) options.on_warning("no checkpoint could be written " + why);
    });
  }
  GRAFT_CHECK_AS(UsageError, options.resume || out.empty() || !checkpoints.any(),
                 printable(checkpoints.folder()),
                 " holds where a stopped run stands; go on with --resume, name another folder, or remove it");

  Job job = !texts                     ? picture_job(options, strategy, recipe, on_progress)
            : is_language_job(options) ? language_job(options, strategy, recipe)
                                       : text_job(options, strategy, recipe);
  check(recipe, strategy, job.samples);
  double load_seconds = watch.seconds();

  RetrainOptions retraining;
  retraining.model = job.model;
  retraining.strategy = strategy;
  retraining.recipe = recipe;
  retraining.rules = options.rules;
  retraining.seed = options.seed;
  retraining.cache = options.cache;
  retraining.compute = options.compute;
  retraining.targets = options.targets;
  retraining.hooks.team = options.team;
  retraining.memory_limit = options.memory_limit;
  retraining.on_plan = options.on_plan;
  retraining.find_rate = options.find_rate;
  retraining.feature_maps = job.samples != Samples::tokens && !out.empty();
  if (!out.empty()) {
    retraining.hooks.checkpoints = &checkpoints;
    retraining.hooks.go_on = options.resume;
    retraining.before_merge = [&](nn::Headed& network) {
      std::string base = texts ? weights_name(options.weights) : options.model;
      save_peft((fs::path(out) / "adapter").string(), network,
                lora_options(strategy, recipe, options.targets), network.head_parts(), base);
    };
  }
  RunResult result = retrain(*job.network, *job.train, *job.test, retraining, on_progress);
  result.data = options.data;
  result.notes.insert(result.notes.begin(), job.notes.begin(), job.notes.end());
  if (scratch && !options.weights.empty()) {
    result.notes.push_back(texts ? "scratch starts at random: only config.json and the tokenizer were taken"
                                 : "scratch starts at random: " + options.weights + " was not read");
  }
  if (job.report) {
    result.weights = weights_name(options.weights);
    result.receipt["weights_file_sha256"] = weights::Checkpoint::open(options.weights).sha256();
    copy_ledger(*job.report, result);
  }
  if (job.samples == Samples::pictures) result.receipt["channels"] = str(job.preprocess.channels);
  if (job.samples != Samples::pictures) {
    data::Tokenizer tokenizer = data::open_tokenizer_files(options.weights, job.text.files);
    result.receipt["tokenizer_sha256"] = tokenizer.content_sha256();
  }
  Stopwatch check_watch;
  if (!path.empty()) save_checked(path, job, options.compute, result, on_progress);
  if (!path.empty()) checkpoints.remove();
  result.seconds.load = load_seconds;
  result.seconds.evaluate += check_watch.seconds();
  result.seconds.total = watch.seconds();
  return result;
}

}  // namespace graft::transfer
