// graft zeroshot: what is on these pictures, of classes that are named in words.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "data/dataset.h"
#include "transfer/label_file.h"
#include "transfer/picture_files.h"
#include "transfer/report/metrics.h"
#include "transfer/report/summary.h"
#include "transfer/zeroshot.h"

namespace graft::app {
namespace {

const char* const kExamples =
    "Each label is put into every template, and the network's vectors of these texts are averaged.\n"
    "Folders are searched, deeper ones too, for .jpg, .jpeg and .png. Of a folder of class folders the\n"
    "accuracy is told as well; without --labels its classes are the labels.\n"
    "Examples:\n"
    "  graft zeroshot --weights clip-vit-base-patch32 --labels daisy,rose,tulip photo.jpg\n"
    "  graft zeroshot --weights clip-vit-base-patch32 flowers --json guesses.json\n"
    "  graft zeroshot --weights clip-vit-large-patch14 --labels cat,dog --template \"a drawing of a {}.\" "
    "drawings";

struct ZeroShotCommand {
  transfer::ZeroShot how;
  std::string labels, label_file;
  std::vector<std::string> words;
  ComputeOptions compute;
  Common common;

  int run() {
    common.apply();
    how.compute = compute.take();
    choose_labels();
    std::vector<std::string> files = transfer::picture_files(words);
    std::vector<transfer::Prediction> predictions;
    {
      Display display;
      transfer::Artefact classifier = transfer::open_zeroshot(how, display.on_progress());
      predictions = transfer::predict(classifier, files, display.on_progress());
    }
    transfer::FolderAccuracy known = transfer::accuracy_by_folder(predictions, words, how.labels);
    return tell(predictions, known);
  }

 private:
  void choose_labels() {
    GRAFT_CHECK_AS(UsageError, labels.empty() || label_file.empty(),
                   "give either --labels or --label-file, not both");
    if (!labels.empty()) how.labels = transfer::labels_in(labels);
    if (!label_file.empty()) how.labels = transfer::read_labels(label_file);
    if (!how.labels.empty()) return;
    GRAFT_CHECK_AS(UsageError, words.size() == 1 && std::filesystem::is_directory(words[0]),
                   "--labels A,B,C is needed, or a folder of class folders");
    how.labels = data::scan_folder(words[0], {.test_share = 0, .seed = 0}).classes;
  }

  int tell(const std::vector<transfer::Prediction>& predictions, const transfer::FolderAccuracy& known) {
    int64_t unreadable = 0;
    for (const transfer::Prediction& prediction : predictions) {
      if (prediction.error.empty()) say(transfer::report::summary(prediction));
      unreadable += !prediction.error.empty();
    }
    if (known.count > 0)
      say(str("accuracy ", fixed(100 * known.accuracy(), 1), " %, ", known.right, " of ", known.count,
              " by the folders' names"));
    const auto& templates = how.templates.empty() ? transfer::prompt_templates() : how.templates;
    common.write(transfer::report::zeroshot_json(predictions, how.compute, how.labels, templates, known));
    require_said();  // before the complaints, which go to standard error
    for (const transfer::Prediction& prediction : predictions) {
      if (prediction.error.empty()) continue;
      std::string line = str("graft zeroshot: ", prediction.error, "\n");
      std::fwrite(line.data(), 1, line.size(), stderr);
    }
    return unreadable ? DataError("").exit_code() : 0;
  }
};

}  // namespace

void add_zeroshot(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("zeroshot", "say which of some labels pictures show (CLIP)");
  command->footer(kExamples);
  auto zeroshot = std::make_shared<ZeroShotCommand>();
  command->add_option("pictures", zeroshot->words, "pictures or folders of them")
      ->required()
      ->type_name("PICTURES...");
  command->add_option("--weights", zeroshot->how.weights, "a published CLIP's folder")
      ->required()
      ->type_name("DIR");
  command->add_option("--labels", zeroshot->labels, "the labels to choose from, with commas between")
      ->type_name("A,B,C");
  command->add_option("--label-file", zeroshot->label_file, "the same, one label a line")->type_name("FILE");
  command
      ->add_option("--template", zeroshot->how.templates,
                   "a text with {} for the label; may be given several times; unset, graft's own ten")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  zeroshot->compute.add_to(*command);
  zeroshot->common.add_to(*command);
  command->callback([zeroshot, &action] { action = [zeroshot] { return zeroshot->run(); }; });
}

}  // namespace graft::app
