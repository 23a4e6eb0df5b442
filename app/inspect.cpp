// graft inspect: what is in a file of weights, which network it is of, and what would load where.
#include "transfer/inspect.h"

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "nn/models/registry.h"
#include "transfer/family.h"
#include "transfer/report/text.h"
#include "transfer/source.h"
#include "weights/checkpoint.h"

namespace graft::app {
namespace {

using Json = nlohmann::ordered_json;
using transfer::report::count_text;
using transfer::report::counted;

const char* const kExamples =
    "Examples:\n"
    "  graft inspect mobilenet_v2.pth\n"
    "  graft inspect resnet18.safetensors --model resnet18    with the ledger of what loads where\n"
    "  graft inspect graft-out/model.graft --tensors\n"
    "  graft inspect clip-vit-base-patch32 --ledger";

struct Inspect {
  std::string file, model;
  bool tensors = false, ledger = false;
  Common common;
  Json json;

  int run();

 private:
  void show_file(const weights::Checkpoint& checkpoint);
  void show_metadata(const weights::Checkpoint& checkpoint);
  void show_groups(const weights::Checkpoint& checkpoint);
  void show_tensors(const weights::Checkpoint& checkpoint);
  void show_ledger(const std::string& name);
  void show_folder();
  void show_artefact(const weights::Checkpoint& checkpoint);
};

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string shape_text(const std::vector<int64_t>& sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) text += str(i ? ", " : "", sizes[i]);
  return text + "]";
}

void Inspect::show_file(const weights::Checkpoint& checkpoint) {
  int64_t bytes = 0;
  for (const weights::Entry& entry : checkpoint.entries()) bytes += entry.bytes;
  say(str(printable(file), ": ", checkpoint.format(), ", ",
          counted(static_cast<int64_t>(checkpoint.entries().size()), "tensor", "tensors"), ", ",
          bytes_text(static_cast<double>(bytes))));
  say("SHA-256 " + checkpoint.sha256());
  json["file"] = file;
  json["format"] = checkpoint.format();
  json["sha256"] = checkpoint.sha256();
  json["bytes"] = bytes;
  for (const std::string& warning : checkpoint.warnings()) say("note: " + printable(warning, 400));
}

// A list of labels or settings is long; the line shows its beginning, --json all of it.
void Inspect::show_metadata(const weights::Checkpoint& checkpoint) {
  json["metadata"] = checkpoint.metadata();
  if (checkpoint.metadata().empty()) return;
  say("");
  for (auto& [key, value] : checkpoint.metadata())
    say(str("  ", padded(printable(key), 20), "  ", printable(value, 160)));
}

void Inspect::show_groups(const weights::Checkpoint& checkpoint) {
  say("");
  size_t width = 8;
  std::vector<transfer::TensorGroup> all = transfer::groups(checkpoint);
  for (const transfer::TensorGroup& group : all) width = std::max(width, printable(group.name).size());
  for (const transfer::TensorGroup& group : all) {
    say(str("  ", padded(printable(group.name), width), "  ",
            padded(counted(group.tensors, "tensor", "tensors"), 11), "  ",
            padded(count_text(group.elements), 12), "  ", bytes_text(static_cast<double>(group.bytes))));
    json["groups"].push_back({{"name", group.name},
                              {"tensors", group.tensors},
                              {"elements", group.elements},
                              {"bytes", group.bytes}});
  }
}

void Inspect::show_tensors(const weights::Checkpoint& checkpoint) {
  size_t width = 8;
  for (const weights::Entry& entry : checkpoint.entries())
    width = std::max(width, printable(entry.name).size());
  if (tensors) say("");
  for (const weights::Entry& entry : checkpoint.entries()) {
    json["tensors"].push_back({{"name", entry.name},
                               {"dtype", entry.stored_dtype},
                               {"shape", entry.sizes},
                               {"bytes", entry.bytes}});
    if (!tensors) continue;
    say(str("  ", padded(printable(entry.name), width), "  ", padded(shape_text(entry.sizes), 18), "  ",
            padded(printable(entry.stored_dtype), 20), "  ", bytes_text(static_cast<double>(entry.bytes)),
            entry.problem.empty() ? "" : "  " + printable(entry.problem)));
  }
}

void Inspect::show_ledger(const std::string& name) {
  transfer::Published published = transfer::load_published(name, file);
  say("");
  say(published.report.to_text());
  say(published.report.ledger());
}

// What config.json makes of the file, and with --ledger what loads where.
void Inspect::show_folder() {
  std::string description = transfer::description_of(file);
  if (description.empty()) return;
  say(description);
  json["family"] = transfer::family_of(file);
  json["description"] = description;
  if (!ledger) return;
  weights::LoadReport report = transfer::load_report_of(file);
  say("");
  say(report.to_text());
  say(report.ledger());
}

// What tune wrote says itself what it is.
void Inspect::show_artefact(const weights::Checkpoint& checkpoint) {
  auto text = [&](const char* key) {
    auto found = checkpoint.metadata().find(key);
    return found == checkpoint.metadata().end() ? std::string() : found->second;
  };
  if (text("graft.model").empty()) return;
  json["tuned"] = {{"model", text("graft.model")}, {"strategy", text("graft.strategy")}};
  say(str("retrained by graft: ", printable(text("graft.model")), ", strategy ",
          printable(text("graft.strategy"))));
}

int Inspect::run() {
  common.apply();
  if (!model.empty()) nn::model_info(model);
  auto checkpoint = weights::Checkpoint::open(file);
  show_file(checkpoint);
  std::vector<std::string> names = transfer::recognised(checkpoint);
  json["recognised"] = names;
  for (const std::string& name : names) {
    int64_t classes = transfer::classes_of_head(checkpoint, nn::make_classifier(name, 1)->head_name());
    say(str("network ", name, ", ", counted(classes, "class", "classes")));
  }
  show_artefact(checkpoint);
  // A file whose tensors say what it is may lie beside another network's config.json.
  if (names.empty() || std::filesystem::is_directory(file)) show_folder();
  if (names.empty() && !json.contains("family") && !json.contains("tuned"))
    say("network none of those that graft knows, or not all of one");
  show_metadata(checkpoint);
  show_groups(checkpoint);
  show_tensors(checkpoint);
  if (!model.empty()) show_ledger(model);
  common.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("inspect", "what is in a file of weights, and what would load where");
  command->footer(kExamples);
  auto inspect = std::make_shared<Inspect>();
  command->add_option("file", inspect->file, "weights of any format, a published folder, or a model.graft")
      ->required()
      ->type_name("FILE");
  command->add_option("--model", inspect->model, "show the ledger: what would load where in this network")
      ->type_name("M");
  command->add_flag("--ledger", inspect->ledger, "of a folder with a config.json: what loads where");
  command->add_flag("--tensors", inspect->tensors, "list every tensor");
  inspect->common.add_to(*command);
  command->callback([inspect, &action] { action = [inspect] { return inspect->run(); }; });
}

}  // namespace graft::app
