// graft eval: how well a network does on pictures or texts.
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
    "Examples:\n"
    "  graft eval graft-out/model.graft flowers\n"
    "  graft eval pictures --model mobilenet_v2 --weights mobilenet_v2.pth\n"
    "  graft eval graft-out/model.graft reviews.csv";

struct Eval {
  SourceOptions from;
  Common common;
  std::vector<std::string> words;

  int run() {
    common.apply();
    transfer::Source source = from.take("eval", words);
    GRAFT_CHECK_AS(UsageError, words.size() == 1,
                   "one folder of pictures or table of texts is expected, got ", words.size());
    transfer::EvaluateResult result;
    {
      Display display;
      result = transfer::evaluate(source, words[0], display.on_progress());
    }
    for (const std::string& line : transfer::report::summary(result)) say(line);
    common.write(transfer::report::evaluate_json(result));
    return 0;
  }
};

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("eval", "score a network on pictures or texts");
  command->footer(kExamples);
  auto eval = std::make_shared<Eval>();
  command->add_option("inputs", eval->words, "the model, then a folder of class folders or a table of texts")
      ->required()
      ->type_name("[MODEL.graft] DATA");
  eval->from.add_to(*command);
  eval->common.add_to(*command);
  command->callback([eval, &action] { action = [eval] { return eval->run(); }; });
}

}  // namespace graft::app
