// graft fewshot: a few examples of each class, and no training.
#include "transfer/fewshot.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "transfer/report/text.h"

namespace graft::app {
namespace {

using Json = nlohmann::ordered_json;

const char* const kExamples =
    "GPT-2 gets the examples as a prompt and the classes' names as choices; BERT, RoBERTa and networks of\n"
    "pictures make vectors, and each sample gets the class whose examples' mean is nearest.\n"
    "DATA is what `graft tune` takes.\n"
    "Examples:\n"
    "  graft fewshot sst2 --weights gpt2 --shots 8 --limit 500\n"
    "  graft fewshot trec --weights all-MiniLM-L6-v2 --shots 16 --seed 1\n"
    "  graft fewshot flowers --model mobilenet_v2 --weights mobilenet_v2.pth --shots 5 --json few.json";

struct Fewshot {
  transfer::FewshotOptions options;
  Common common;
  bool no_cache = false;

  int run() {
    common.apply();
    options.cache = !no_cache;
    GRAFT_CHECK_AS(UsageError, options.test_share > 0 && options.test_share < 1, "--test-fraction ",
                   options.test_share, ": a share between 0 and 1 is expected");
    transfer::FewshotResult result;
    {
      Display display;
      result = transfer::fewshot(options, display.on_progress());
    }
    const transfer::Evaluation& test = result.evaluation;
    transfer::report::Noun what = transfer::report::noun(test.samples);
    auto [low, high] = transfer::report::wilson_interval(test.accuracy, test.count);
    using transfer::report::percent;
    say(str(result.model, ", ", options.shots, " of each of ", result.classes.size(), " classes by ",
            result.method, ": ", percent(test.accuracy), " of ", test.count, " held-out ", what.many,
            " right (95 % interval ", percent(low, 0), " to ", percent(high, 0), ")"));
    if (result.dropped > 0)
      say(str(result.dropped, " examples were left out of prompts that would have been too long"));
    write(result);
    return 0;
  }

 private:
  void write(const transfer::FewshotResult& result) {
    Json json = {{"accuracy", result.evaluation.accuracy},
                 {"count", result.evaluation.count},
                 {"method", result.method},
                 {"model", result.model},
                 {"shots", options.shots},
                 {"seed", options.seed},
                 {"examples", result.examples},
                 {"dropped", result.dropped},
                 {"classes", result.classes},
                 {"confusion", result.evaluation.confusion},
                 {"seconds", result.seconds}};
    common.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
};

}  // namespace

void add_fewshot(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("fewshot", "a few examples of each class, and no training");
  command->footer(kExamples);
  auto fewshot = std::make_shared<Fewshot>();
  transfer::FewshotOptions& options = fewshot->options;
  command->add_option("data", options.data, "pictures or texts, as for tune")->required()->type_name("DATA");
  command->add_option("--model", options.model, "the network of pictures; of texts unset")->type_name("M");
  command->add_option("--weights", options.weights, "its published weights; of texts their folder")
      ->required()
      ->type_name("F");
  add_channels(*command, options.channels);
  command->add_option("--shots", options.shots, "examples of each class")
      ->type_name("K")
      ->capture_default_str();
  command->add_option("--seed", options.seed, "which examples, and in which order")->type_name("N");
  command->add_option("--limit", options.limit, "score so many held-out samples; unset, all")->type_name("N");
  command->add_option("--test-fraction", options.test_share, "held out where DATA has no test file or folder")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--text-column", options.table.text, "of a table: the texts' column")->type_name("COL");
  command->add_option("--label-column", options.table.label, "of a table: the labels' column")
      ->type_name("COL");
  command->add_option("--text-word", options.prompt.text_word, "stands before each text of a prompt")
      ->type_name("WORD")
      ->capture_default_str();
  command->add_option("--label-word", options.prompt.label_word, "stands before each label of a prompt")
      ->type_name("WORD")
      ->capture_default_str();
  command->add_flag("--per-token", options.prompt.per_token,
                    "choices by their log-likelihood for each token, which does not favour short ones");
  command->add_flag("--no-cache", fewshot->no_cache, "keep features in memory only");
  fewshot->common.add_to(*command);
  command->callback([fewshot, &action] { action = [fewshot] { return fewshot->run(); }; });
}

}  // namespace graft::app
