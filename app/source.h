// Where eval and predict take their network from: a model.graft, or --model with --weights.
#pragma once

#include "app/command.h"
#include "transfer/tune.h"

namespace graft::app {

struct SourceOptions {
  std::string model, weights, labels;
  ComputeOptions compute;
  std::optional<int64_t> channels;

  void add_to(CLI::App& command);
  // `words` are the command's free arguments; with a model.graft it is the first, and is taken away. Throws
  // UsageError.
  transfer::Source take(const char* command, std::vector<std::string>& words) const;
};

}  // namespace graft::app
