// graft tune: pictures or texts and a published network in, a retrained network out.
#include "transfer/tune.h"

#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "app/team.h"
#include "core/error.h"
#include "core/free_memory.h"
#include "nn/models/registry.h"
#include "core/file.h"
#include "transfer/memory_plan.h"
#include "transfer/report/metrics.h"
#include "transfer/report/report.h"
#include "transfer/report/run_folder.h"
#include "transfer/report/summary.h"
#include "transfer/report/text.h"
#include "transfer/report/thumbnail.h"
#include "transfer/training_state.h"

namespace graft::app {
namespace {

const char* const kExamples =
    "DATA is a folder of class folders with pictures, or one with train/ and test/ (or val/) inside; for a\n"
    "language network a .csv, .tsv or .jsonl with a text (or two) and a label in a row, or a folder with "
    "one\n"
    "for training and one named test, dev or val.\n"
    "Examples:\n"
    "  graft tune flowers --model mobilenet_v2 --weights mobilenet_v2.pth\n"
    "  graft tune flowers --model resnet50 --weights resnet50.pth --strategy partial:1 --epochs 12\n"
    "  graft tune flowers --model squeezenet1_0 --strategy scratch --lr 0.05 --out from-nothing\n"
    "  graft tune reviews.csv --weights bert-base-uncased --strategy full\n"
    "  graft tune trec --weights roberta-base --strategy partial:2 --max-length 64\n"
    "  graft tune pairs.tsv --weights t5-small --strategy full      (columns source and target)\n"
    "  graft tune book.txt --weights gpt2 --strategy partial:2 --max-length 256\n"
    "  graft tune reviews.csv --weights bert-base-uncased --strategy lora:8 --target query --target value";

struct Tune {
  transfer::TuneOptions options;
  ComputeOptions compute;
  Common common;
  std::vector<std::pair<std::string, std::string>> settings;  // of the recipe: name, value
  std::vector<std::string> rules, more_settings;
  TableFlags table;
  bool no_cache = false;

  void add_to(CLI::App& command);
  int run();

 private:
  void add_setting(CLI::App& command, const std::string& flag, const std::string& name,
                   const std::string& help);
  void add_text_options(CLI::App& command);
  void read_recipe();
  int follow();
  void leave_report(const transfer::RunResult& result, const transfer::report::RunFolder& folder) const;
};

void Tune::add_setting(CLI::App& command, const std::string& flag, const std::string& name,
                       const std::string& help) {
  command
      .add_option_function<std::string>(
          flag, [this, name](const std::string& value) { settings.emplace_back(name, value); }, help)
      ->type_name("X");
}

void Tune::add_to(CLI::App& command) {
  command.footer(kExamples);
  command.add_option("data", options.data, "the pictures or texts")->required()->type_name("DATA");
  command
      .add_option("--model", options.model,
                  "the network: resnet18, mobilenet_v2, squeezenet1_1, ...; "
                  "of texts unset, their config.json says it")
      ->type_name("M");
  command
      .add_option("--weights", options.weights,
                  "its published weights: .safetensors or .pth; of texts the folder with config.json and "
                  "tokenizer")
      ->type_name("F");
  command
      .add_option("--strategy", options.strategy,
                  "head, partial:N, full, gradual, scratch, bitfit, lora:RANK or adapters:WIDTH")
      ->type_name("S")
      ->capture_default_str();
  command
      .add_option("--out", options.out,
                  "folder for model.graft, report.html, metrics.json; unset, the first free "
                  "of graft-out, graft-out-2, ...")
      ->type_name("DIR");
  command.add_option("--seed", options.seed, "of the split, the new head, the order and the views")
      ->type_name("N");
  command.add_option("--test-fraction", options.test_share, "held out where DATA has no test/ or val/")
      ->type_name("X")
      ->capture_default_str();
  add_channels(command, options.channels);
  add_setting(command, "--epochs", "epochs", "passes over the training pictures");
  add_setting(command, "--lr", "learning_rate", "learning rate of the head");
  command
      .add_option_function<std::string>(
          "--batch",
          [this](const std::string& value) {
            bool automatic = value == "auto";
            settings.emplace_back(automatic ? "batch_auto" : "batch", automatic ? "true" : value);
          },
          "pictures in a step; auto: the largest power of two up to 256 that fits into memory")
      ->type_name("N");
  command
      .add_option_function<std::string>(
          "--memory",
          [this](const std::string& value) { options.memory_limit = parse_bytes("--memory", value); },
          "memory that tensors may take on the CPU, such as 4G; unset, what is free")
      ->type_name("BYTES");
  add_setting(command, "--optimizer", "optimizer", "sgd, adam, adamw, lamb or lbfgs");
  add_setting(command, "--weight-decay", "weight_decay", "of matrices and filters");
  add_setting(command, "--label-smoothing", "label_smoothing", "0 to below 1");
  add_setting(command, "--class-weights", "class_weights", "none, or auto: every class counts the same");
  add_setting(command, "--views", "views", "augmented views of each training picture, with cached features");
  command.add_option("--set", more_settings, "any other setting, such as --set momentum=0.8")
      ->type_name("NAME=X");
  command
      .add_option("--rule", rules,
                  "freezes or thaws tensors after the strategy: --rule 'layer4.*=trainable' or "
                  "'re:REGEX=trainable', also frozen and frozen_adapt_stats")
      ->type_name("GLOB=STATE");
  add_text_options(command);
  command
      .add_option("--target", options.targets,
                  "of lora and adapters: a layer, in full or by the end of its name, such as query")
      ->type_name("LAYER");
  command.add_flag("--find-lr", options.find_rate,
                   "look for the learning rate first, and train with what is found");
  command.add_flag("--resume", options.resume, "go on where a stopped run in --out stands");
  command
      .add_option("--checkpoint-every", options.checkpoint_every,
                  "steps between two checkpoints; unset, after epochs, at most one in five seconds")
      ->type_name("N");
  command.add_flag(
      "--keep-going", options.keep_going,
      "where a checkpoint cannot be written, warn and try again with the next; the result must be");
  command.add_flag("--no-cache", no_cache, "keep features in memory only");
  compute.add_to(command);
  common.add_to(command);
}

void Tune::add_text_options(CLI::App& command) {
  table.add_to(command);
  command
      .add_option("--task", options.task,
                  "of texts: classes, or language: GPT-2 goes on with a text, T5 turns sources into targets")
      ->type_name("T");
  command.add_option("--max-length", options.max_length, "tokens of a text that are read")->type_name("N");
}

nn::Freeze parse_freeze(const std::string& text) {
  for (nn::Freeze f : {nn::Freeze::trainable, nn::Freeze::frozen, nn::Freeze::frozen_adapt_stats}) {
    if (text == nn::to_text(f)) return f;
  }
  fail<UsageError>("--rule: unknown state ", printable(text),
                   "; there are trainable, frozen and frozen_adapt_stats");
}

void Tune::read_recipe() {
  transfer::Strategy strategy = transfer::parse_strategy(options.strategy);
  bool texts = transfer::is_text_job(options);
  GRAFT_CHECK_AS(UsageError, texts || !options.model.empty(),
                 "--model is needed: say which network the weights are of (a language network's folder has a "
                 "config.json, and needs none)");
  if (!texts) nn::model_info(options.model);  // an unknown model is told before anything else is read
  transfer::Recipe recipe = texts ? transfer::default_text_recipe(strategy, true)
                                  : transfer::default_recipe(options.model, strategy);
  for (const std::string& text : more_settings) settings.push_back(split_at_equals("--set", text));
  for (auto& [name, value] : settings) transfer::set(recipe, name, value);
  transfer::check(recipe, strategy);
  options.settings = settings;
  options.table = table.take();
  for (const std::string& text : rules) {
    auto [pattern, state] = split_at_equals("--rule", text);
    options.rules.push_back({pattern, parse_freeze(state)});
  }
  GRAFT_CHECK_AS(UsageError, options.checkpoint_every >= 0, "--checkpoint-every ", options.checkpoint_every,
                 ": a number of steps is expected");
  GRAFT_CHECK_AS(UsageError, !options.resume || !options.out.empty(),
                 "--resume: name the folder of the stopped run with --out");
  GRAFT_CHECK_AS(UsageError, options.test_share > 0 && options.test_share < 1, "--test-fraction ",
                 options.test_share, ": a share between 0 and 1 is expected");
  bool scratch = strategy.kind == transfer::Strategy::Kind::scratch;
  GRAFT_CHECK_AS(UsageError, scratch || !options.weights.empty(), "--strategy ", options.strategy,
                 " starts from published weights: name their file with --weights, or use --strategy scratch");
}

void Tune::leave_report(const transfer::RunResult& result, const transfer::report::RunFolder& folder) const {
  transfer::report::Thumbnail thumbnails;
  if (result.test.samples == transfer::Samples::pictures)
    thumbnails = transfer::report::held_out_thumbnails(result);
  std::string page = transfer::report::run_page(result, thumbnails);
  write_file(folder.file("report.html"), page);
  write_file(folder.file("metrics.json"), transfer::report::tune_json(result));
}

// What a process does whose leader tells and writes everything.
int Tune::follow() {
  common.json.clear();
  common.apply();
  // In training all stop together; where its scores are taken, the leader is the one to look.
  transfer::tune(options, [](const transfer::Progress& p) {
    if (noted_signal() != 0 && p.phase != "train" && p.phase != "evaluate")
      throw Interrupted{.signal = noted_signal(), .what_was_done = p.phase};
  });
  return 0;
}

int Tune::run() {
  options.cache = !no_cache;
  options.compute = compute.take();
  options.compute.device = own_device(compute.device, options.compute.device);
  options.team = team();
  read_recipe();
  if (!leads()) return follow();
  common.apply();
  transfer::report::RunFolder folder = transfer::report::choose_run_folder(options.out);
  options.out = folder.path;
  transfer::RunResult result;
  try {
    Display display;
    options.on_warning = [&](const std::string& what) { display.warn("graft tune: warning: " + what); };
    options.on_plan = [&](const transfer::MemoryPlan& plan) { display.say(transfer::describe(plan)); };
    result = transfer::tune(options, display.on_progress(team() != nullptr));
  } catch (Interrupted& stop) {
    transfer::report::abandon(folder);
    if (transfer::Checkpoints(folder.file("checkpoints")).any())
      stop.what_is_left = str("go on with --out ", folder.path, " --resume and the same options");
    throw;
  } catch (...) {
    transfer::report::abandon(folder);
    throw;
  }
  leave_report(result, folder);
  for (const std::string& line : transfer::report::summary(result)) say(line);
  say(str("wrote ", folder.path, ": model.graft, report.html, metrics.json",
          folder.replaces.empty() ? "" : " (in place of an earlier run's)"));
  common.write(transfer::report::tune_json(result));
  return 0;
}

}  // namespace

void add_tune(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("tune", "retrain a published network on your own pictures or texts");
  auto tune = std::make_shared<Tune>();
  tune->add_to(*command);
  command->callback([tune, &action] { action = [tune] { return tune->run(); }; });
}

}  // namespace graft::app
