// graft compare: every method of the ladder on one data set, with few samples and with more.
#include "transfer/compare.h"

#include <charconv>
#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "core/file.h"
#include "transfer/report/ladder.h"
#include "transfer/report/metrics.h"
#include "transfer/report/run_folder.h"
#include "transfer/report/summary.h"

namespace graft::app {
namespace {

const char* const kExamples =
    "DATA is what `graft tune` takes. Methods, from the cheapest: zeroshot (CLIP), knn, centroid, probe, "
    "lora,\n"
    "partial, full, gradual, scratch, and where they are named bitfit and adapters; lora:16 and partial:2 "
    "are\n"
    "other ranks and stages. All are scored on the same held-out samples; the smaller training sets are "
    "parts\n"
    "of the larger. docs/compare.md shows a table.\n"
    "Examples:\n"
    "  graft compare flowers --model mobilenet_v2 --weights mobilenet_v2.pth\n"
    "  graft compare flowers --model resnet50 --weights resnet50.pth --per-class 1,2,5 --methods "
    "knn,centroid,probe\n"
    "  graft compare flowers --weights clip-vit-base-patch32 --methods zeroshot,probe,full\n"
    "  graft compare reviews.csv --weights bert-base-uncased --per-class 20,100 --max-length 64";

std::vector<std::string> words_of(const std::string& flag, const std::string& list) {
  std::vector<std::string> words;
  for (size_t begin = 0; !list.empty() && begin <= list.size();) {
    size_t end = std::min(list.find(',', begin), list.size());
    words.push_back(list.substr(begin, end - begin));
    GRAFT_CHECK_AS(UsageError, !words.back().empty(), flag, " ", printable(list),
                   ": a list with commas between, such as 5,20,100 or knn,probe, is expected");
    begin = end + 1;
  }
  return words;
}

struct Compare {
  transfer::CompareOptions options;
  ComputeOptions compute;
  TableFlags table;
  Common common;
  std::string per_class, methods, out;
  std::vector<std::string> settings;
  bool no_cache = false;

  int run() {
    common.apply();
    options.cache = !no_cache;
    options.compute = compute.take();
    options.table = table.take();
    read_lists();
    transfer::report::RunFolder folder = transfer::report::choose_run_folder(out);
    transfer::CompareResult result;
    try {
      Display display;
      // Each row when it is there: hours may lie between the first and the last.
      options.on_row = [&](const transfer::CompareRow& row) { display.say(transfer::report::summary(row)); };
      result = transfer::compare(options, display.on_progress());
    } catch (...) {
      transfer::report::abandon(folder);
      throw;
    }
    std::string json = transfer::report::compare_json(result);
    write_file(folder.file("compare.html"), transfer::report::ladder_page(result));
    write_file(folder.file("metrics.json"), json);
    for (const std::string& line : transfer::report::summary(result)) say(line);
    say(str("wrote ", folder.path, ": compare.html, metrics.json",
            folder.replaces.empty() ? "" : " (in place of an earlier run's)"));
    common.write(json);
    return 0;
  }

 private:
  void read_lists() {
    options.methods = words_of("--methods", methods);
    for (const std::string& word : words_of("--per-class", per_class)) {
      int64_t count = 0;
      auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
      GRAFT_CHECK_AS(UsageError, error == std::errc() && end == word.data() + word.size(), "--per-class ",
                     printable(word), ": a number of samples of each class is expected, such as 5,20,100");
      options.per_class.push_back(count);
    }
    for (const std::string& text : settings) options.settings.push_back(split_at_equals("--set", text));
    GRAFT_CHECK_AS(UsageError, options.test_share > 0 && options.test_share < 1, "--test-fraction ",
                   options.test_share, ": a share between 0 and 1 is expected");
  }
};

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("compare", "every method on one data set, from zero-shot to scratch");
  command->footer(kExamples);
  auto compare = std::make_shared<Compare>();
  transfer::CompareOptions& options = compare->options;
  command->add_option("data", options.data, "pictures or texts, as for tune")->required()->type_name("DATA");
  command->add_option("--model", options.model, "the network of pictures; unset, the weights' folder says it")
      ->type_name("M");
  command->add_option("--weights", options.weights, "its published weights")->required()->type_name("F");
  command
      ->add_option("--per-class", compare->per_class,
                   "training samples of each class; unset, those of 5,20,100 that every class has")
      ->type_name("N,N,..");
  command->add_option("--methods", compare->methods, "which to compare; unset, all that fit")
      ->type_name("M,M,..");
  command->add_option("--seed", options.seed, "of the split, the samples, the heads, the order")
      ->type_name("N");
  command
      ->add_option(
          "--out", compare->out,
          "folder for compare.html, metrics.json; unset, the first free of graft-out, graft-out-2, ...")
      ->type_name("DIR");
  command
      ->add_option("--set", compare->settings,
                   "a setting of every method that trains by steps, or of one: --set full.epochs=12")
      ->type_name("NAME=X");
  command->add_option("--test-fraction", options.test_share, "held out where DATA has no test file or folder")
      ->type_name("X")
      ->capture_default_str();
  compare->table.add_to(*command);
  command->add_option("--max-length", options.max_length, "tokens of a text that are read")->type_name("N");
  command->add_flag("--no-cache", compare->no_cache, "keep features in memory only");
  compare->compute.add_to(*command);
  compare->common.add_to(*command);
  command->callback([compare, &action] { action = [compare] { return compare->run(); }; });
}

}  // namespace graft::app
