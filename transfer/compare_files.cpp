// From files to a contest: which networks there are, and how samples are read.
#include <filesystem>
#include <optional>

#include "data/text_dataset.h"
#include "nn/models/registry.h"
#include "transfer/clip.h"
#include "transfer/compare.h"
#include "transfer/family.h"
#include "transfer/pictures.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"
#include "transfer/text_source.h"
#include "transfer/texts.h"
#include "transfer/vit.h"
#include "transfer/zeroshot.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

void set_named(const CompareOptions& options, int64_t classes, Contest& contest) {
  contest.pretrained = [&options] { return load_published(options.model, options.weights, 3).network; };
  contest.scratch = [&options, classes] { return nn::make_classifier(options.model, classes, options.seed); };
}

void set_clip(const CompareOptions& options, const nn::ClipConfig& config, int64_t classes,
              Contest& contest) {
  contest.pretrained = [&options] {
    LoadedClip loaded = load_clip(options.weights);
    Tensor no_head = Tensor::zeros({1, loaded.model->config.projection});
    return std::make_unique<nn::ClipClassifier>(std::move(*loaded.model), no_head);
  };
  contest.scratch = [&options, config, classes] {
    return std::make_unique<nn::ClipClassifier>(config.vision, config.projection, classes, options.seed);
  };
}

void set_vit(const CompareOptions& options, Contest& contest) {
  contest.pretrained = [&options] { return std::move(load_vit(options.weights).model); };
  contest.why_no_scratch =
      "of a ViT's folder alone there are only the published weights; name it with --model";
}

void set_zeroshot(const CompareOptions& options, Contest& contest) {
  if (options.weights.empty() || family_of(options.weights) != "clip") {
    contest.why_no_zeroshot = "needs the weights of a CLIP, which knows classes by their names";
    return;
  }
  try {
    fs::path folder = options.weights;
    if (!fs::is_directory(folder)) folder = folder.parent_path();
    data::open_tokenizer(folder.empty() ? "." : folder.string());
  } catch (const DataError& e) {
    contest.why_no_zeroshot = e.what();
    return;
  }
  contest.zeroshot = [&options, labels = contest.labelled.classes] {
    ZeroShot how;
    how.weights = options.weights;
    how.labels = labels;
    return std::move(open_zeroshot(how).network);
  };
}

// Pictures with their decoded pixels, which all sets share.
void set_pictures(const data::Dataset& dataset, const data::Preprocess& preprocess, Contest& contest,
                  const OnProgress& on_progress) {
  auto all = std::make_shared<PictureSet>(load_pictures(dataset, dataset.train, preprocess, on_progress));
  contest.labelled = *all;
  contest.training = [all, preprocess](std::span<const int64_t> which, const Recipe& recipe) {
    return PictureExamples(*all, preprocess, recipe.augment).part(which);
  };
  contest.test = std::make_unique<PictureExamples>(
      load_pictures(dataset, dataset.test, preprocess, on_progress), preprocess);
}

Contest of_pictures(const CompareOptions& options, const std::string& family, const OnProgress& on_progress) {
  Contest contest;
  contest.model = options.model.empty() ? family : options.model;
  std::optional<nn::ClipConfig> clip;
  data::Preprocess preprocess;
  if (!options.model.empty()) {
    preprocess = preprocess_of(options.model);  // an unknown model is told before anything is read
  } else if (family == "clip") {
    LoadedClip loaded = load_clip(options.weights);
    clip = loaded.model->config;
    preprocess = loaded.preprocess;
  } else {
    preprocess = load_vit(options.weights).preprocess;
  }
  data::Dataset dataset =
      data::scan_folder(options.data, {.test_share = options.test_share, .seed = options.seed});
  auto classes = static_cast<int64_t>(dataset.classes.size());
  set_pictures(dataset, preprocess, contest, on_progress);
  if (!options.model.empty()) {
    set_named(options, classes, contest);
  } else if (clip) {
    set_clip(options, *clip, classes, contest);
  } else {
    set_vit(options, contest);
  }
  set_zeroshot(options, contest);
  contest.recipe = [&options](const Strategy& strategy) { return default_recipe(options.model, strategy); };
  return contest;
}

Contest of_texts(const CompareOptions& options) {
  data::TextDataset dataset = data::read_text_dataset(
      options.data, {.table = options.table, .test_share = options.test_share, .seed = options.seed});
  PublishedText start = load_text_classifier(options.weights, options.seed);
  auto config = weights::Config::parse(options.weights + ", config.json", start.files["config.json"]);
  data::Tokenizer tokenizer = data::open_tokenizer_files(options.weights, start.files);
  tokenizer.require_rows(start.network->vocabulary(), start.family);
  int64_t positions = start.network->most_tokens();
  GRAFT_CHECK_AS(UsageError, options.max_length >= 0 && options.max_length <= positions, "texts of ",
                 options.max_length, " tokens; the network has ", positions, " positions");
  int64_t length = options.max_length > 0 ? options.max_length : positions;
  auto all = std::make_shared<TextExamples>(dataset.train, dataset.classes, tokenizer, length);
  Contest contest;
  contest.model = start.family;
  contest.labelled = all->labelled();
  contest.training = [all](std::span<const int64_t> which, const Recipe&) { return all->part(which); };
  contest.test = std::make_unique<TextExamples>(dataset.test, dataset.classes, tokenizer, length);
  contest.pretrained = [&options] {
    return std::move(load_text_classifier(options.weights, options.seed).network);
  };
  auto classes = static_cast<int64_t>(dataset.classes.size());
  contest.scratch = [config, classes, seed = options.seed] {
    return make_text_classifier(config, classes, seed);
  };
  contest.why_no_zeroshot = "needs pictures and a CLIP; GPT-2 with a prompt is graft fewshot";
  contest.recipe = [linear = start.network->linear_head()](const Strategy& strategy) {
    return default_text_recipe(strategy, linear);
  };
  return contest;
}

}  // namespace

CompareResult compare(const CompareOptions& options, const OnProgress& on_progress) {
  Stopwatch watch;
  GRAFT_CHECK_AS(UsageError, !options.weights.empty(),
                 "compare: the published weights are needed: name their file or folder");
  std::string family = options.model.empty() ? family_of(options.weights) : "";
  bool pictures = !options.model.empty() || family == "clip" || family == "vit";
  GRAFT_CHECK_AS(UsageError, pictures || !family.empty(), "compare: ", printable(options.weights),
                 ": nothing says which network these weights are of; name it with --model");
  Contest contest = pictures ? of_pictures(options, family, on_progress) : of_texts(options);
  CompareResult result = compare(contest, static_cast<const Comparing&>(options), on_progress);
  fs::path file = options.weights;
  if (!file.has_filename()) file = file.parent_path();
  result.weights = file.filename().string();
  result.data = options.data;
  result.seconds = watch.seconds();
  return result;
}

}  // namespace graft::transfer
