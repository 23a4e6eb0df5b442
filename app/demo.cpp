// graft demo: what transfer learning gains, on pictures that graft draws and a backbone that it made. Needs
// nothing.
#include "transfer/demo.h"

#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "core/file.h"
#include "transfer/report/metrics.h"
#include "transfer/report/report.h"
#include "transfer/report/run_folder.h"
#include "transfer/report/summary.h"
#include "transfer/report/thumbnail.h"

namespace graft::app {
namespace {

const char* const kExplained =
    "Draws 500 pictures of five flowers to learn from and 500 to be tested on, and learns them four ways\n"
    "with the same network: from nothing, and from a backbone that graft pretrained on other plants.\n"
    "docs/meadow.md tells more.";

struct Demo {
  transfer::DemoOptions options;
  ComputeOptions compute;
  Common common;
  std::string out;
  std::vector<std::string> settings;

  int run() {
    common.apply();
    options.compute = compute.take();
    for (const std::string& text : settings) options.settings.push_back(split_at_equals("--set", text));
    transfer::report::RunFolder folder = transfer::report::choose_run_folder(out);
    transfer::DemoResult result;
    try {
      Display display;
      result = transfer::run_demo(options, display.on_progress());
    } catch (...) {
      transfer::report::abandon(folder);
      throw;
    }
    for (const std::string& line : transfer::report::comparison_table_text(result.runs, 96, false)) say(line);
    write_file(folder.file("report.html"), page(result));
    write_file(folder.file("metrics.json"), transfer::report::comparison_json(result.runs, result.seconds));
    say(str("wrote ", folder.path, ": report.html, metrics.json, in ", fixed(result.seconds, 1), " s"));
    common.write(transfer::report::comparison_json(result.runs, result.seconds));
    return 0;
  }

 private:
  static std::string page(const transfer::DemoResult& result) {
    auto thumbnail = [&](size_t index) {
      return transfer::report::thumbnail_png(*result.test.pixels[index], 64);
    };
    std::vector<transfer::report::Sample> samples;
    constexpr size_t kEach = 3;
    size_t classes = result.test.classes.size(), per_class = result.test.pixels.size() / classes;
    for (size_t c = 0; c < classes; ++c) {
      for (size_t i = 0; i < std::min(kEach, per_class); ++i) {
        samples.push_back({thumbnail(c * per_class + i), result.test.classes[c]});
      }
    }
    return transfer::report::comparison_page("Five flowers, learned four ways", result.runs, samples,
                                             thumbnail);
  }
};

}  // namespace

void add_demo(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("demo", "what transfer learning gains, with nothing to download");
  command->footer(kExplained);
  auto demo = std::make_shared<Demo>();
  command->add_option("--seed", demo->options.seed, "other pictures, other heads")->type_name("N");
  command->add_option("--epochs", demo->options.epochs, "of every strategy; unset: each has its own")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command
      ->add_option("--strategy", demo->options.strategies,
                   "scratch, head, partial:N or full; several may be named; unset: those of the table")
      ->type_name("NAME");
  command
      ->add_option("--set", demo->settings,
                   "another setting for these strategies, such as --set learning_rate=0.1")
      ->type_name("NAME=X");
  command
      ->add_option(
          "--out", demo->out,
          "folder for report.html, metrics.json; unset, the first free of graft-out, graft-out-2, ...")
      ->type_name("DIR");
  demo->compute.add_to(*command);
  demo->common.add_to(*command);
  command->callback([demo, &action] { action = [demo] { return demo->run(); }; });
}

}  // namespace graft::app
