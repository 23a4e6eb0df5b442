// graft predict: what is on these pictures, what these texts are.
#include <cstdio>
#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "app/source.h"
#include "core/error.h"
#include "transfer/report/metrics.h"
#include "transfer/report/summary.h"

namespace graft::app {
namespace {

const char* const kExamples =
    "Folders are searched, deeper ones too, for .jpg, .jpeg and .png. A network of texts takes texts, and "
    "files\n"
    "with one a line.\n"
    "Examples:\n"
    "  graft predict graft-out/model.graft tulip.jpg\n"
    "  graft predict --model mobilenet_v2 --weights mobilenet_v2.pth holiday-photos\n"
    "  graft predict --model resnet50 --weights my.pth --labels my-labels.txt a.png b.png --json "
    "guesses.json\n"
    "  graft predict graft-out/model.graft \"what a lovely film\" more.txt";

struct Predict {
  SourceOptions from;
  Common common;
  std::vector<std::string> words;

  int run() {
    common.apply();
    transfer::Source source = from.take("predict", words);
    GRAFT_CHECK_AS(UsageError, !words.empty(), "no pictures or texts were named");
    std::vector<transfer::Prediction> predictions;
    {
      Display display;
      predictions = transfer::predict(source, words, display.on_progress());
    }
    int64_t unreadable = 0;
    for (const transfer::Prediction& prediction : predictions) {
      if (prediction.error.empty()) say(transfer::report::summary(prediction));
      unreadable += !prediction.error.empty();
    }
    common.write(transfer::report::predict_json(predictions, source.compute));
    require_said();  // before the complaints, which go to standard error
    for (const transfer::Prediction& prediction : predictions) {
      if (prediction.error.empty()) continue;
      std::string line = str("graft predict: ", prediction.error, "\n");
      std::fwrite(line.data(), 1, line.size(), stderr);
    }
    return unreadable ? DataError("").exit_code() : 0;
  }
};

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("predict", "say what is on pictures, or what texts are");
  command->footer(kExamples);
  auto predict = std::make_shared<Predict>();
  command->add_option("inputs", predict->words, "the model, then pictures or folders of them, or texts")
      ->required()
      ->type_name("[MODEL.graft] INPUTS...");
  predict->from.add_to(*command);
  predict->common.add_to(*command);
  command->callback([predict, &action] { action = [predict] { return predict->run(); }; });
}

}  // namespace graft::app
