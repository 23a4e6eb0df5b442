// What the commands of the program share. Each command stands in a file of its own, which adds its options to
// the parser and says what to do once they are read.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/text_table.h"
#include "transfer/compute.h"

namespace graft::app {

// The command that was chosen, to be run after parsing; returns the exit code.
using Action = std::function<int()>;

void add_tune(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_predict(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);
void add_meadow(CLI::App& app, Action& action);
void add_kernels(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);
void add_embed(CLI::App& app, Action& action);
void add_fewshot(CLI::App& app, Action& action);
void add_zeroshot(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_adapt(CLI::App& app, Action& action);

// The two sides of the last "=" in the argument of `flag`. Throws UsageError where there is none.
std::pair<std::string, std::string> split_at_equals(const std::string& flag, const std::string& text);

// --channels, of pictures.
void add_channels(CLI::App& command, std::optional<int64_t>& channels);

// --device and --precision.
struct ComputeOptions {
  std::string device = "cpu", precision = "f32";

  void add_to(CLI::App& command);
  // Throws UsageError, and DeviceError where there is no such device.
  transfer::Compute take() const;
};

// How a table of texts is read: --text-column, --pair-column, --label-column, --format, --header,
// --no-header.
struct TableFlags {
  data::TableOptions table;
  std::string format;
  bool header = false, no_header = false;

  void add_to(CLI::App& command);
  // Throws UsageError.
  data::TableOptions take() const;
};

// Options that several commands take.
struct Common {
  std::string json;  // file, empty: none
  std::string threads;

  void add_to(CLI::App& command);
  // Sets the threads and makes sure that `json` can be written later. Throws UsageError, DiskError.
  void apply() const;
  // Writes the file where one was asked for, and says so.
  void write(const std::string& text) const;
};

}  // namespace graft::app
