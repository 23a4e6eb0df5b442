// graft adapt: a network on pictures of another kind, without labels.
#include "transfer/adapt.h"

#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "app/source.h"
#include "core/error.h"
#include "transfer/report/metrics.h"
#include "transfer/report/text.h"

namespace graft::app {
namespace {

const char* const kExamples =
    "The running statistics of every batch norm are estimated anew on the folder's pictures, of which "
    "nobody\n"
    "needs to know the classes; nothing else moves. For pictures from another camera or in another light "
    "than\n"
    "those that the network was trained on. docs/adapt.md shows what it gains, and what not.\n"
    "Examples:\n"
    "  graft adapt run/model.graft photos-at-dusk --out dusk.graft\n"
    "  graft adapt --model resnet50 --weights resnet50.pth scans --out scans.graft --batch 128";

struct Adapt {
  transfer::AdaptOptions options;
  SourceOptions from;
  Common common;
  std::vector<std::string> words;

  int run() {
    common.apply();
    options.source = from.take("adapt", words);
    GRAFT_CHECK_AS(UsageError, words.size() == 1, words.size(),
                   " folders are named; one with the pictures of the new kind is needed");
    options.pictures = words.front();
    transfer::AdaptResult result;
    {
      Display display;
      result = transfer::adapt(options, display.on_progress());
    }
    using transfer::report::count_text;
    using transfer::report::counted;
    const transfer::Certificate& certificate = result.certificate;
    say(str(result.model, ": the statistics of ", counted(result.layers, "batch norm", "batch norms"),
            " estimated on ", counted(result.pictures, "picture", "pictures"), " in ",
            counted(result.batches, "batch", "batches")));
    say(str(counted(static_cast<int64_t>(certificate.frozen.size()), "other tensor", "other tensors"),
            " frozen, ", counted(certificate.frozen_bytes_changed, "byte", "bytes"), " changed; ",
            transfer::report::seconds_text(result.seconds)));
    say(str("wrote ", result.artefact));
    common.write(transfer::report::adapt_json(result));
    return 0;
  }
};

}  // namespace

void add_adapt(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("adapt", "fit a network to pictures of another kind, without labels");
  command->footer(kExamples);
  auto adapt = std::make_shared<Adapt>();
  command
      ->add_option("words", adapt->words,
                   "a model.graft (or --model with --weights), and a folder of pictures")
      ->required()
      ->type_name("MODEL.graft PICTURES");
  command->add_option("--out", adapt->options.out, "the model.graft to write")->required()->type_name("FILE");
  command->add_option("--batch", adapt->options.batch, "pictures that are normalised together")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seed", adapt->options.seed, "of the pictures' order")->type_name("N");
  adapt->from.add_to(*command);
  adapt->common.add_to(*command);
  command->callback([adapt, &action] { action = [adapt] { return adapt->run(); }; });
}

}  // namespace graft::app
