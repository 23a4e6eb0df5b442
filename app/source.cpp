#include "app/source.h"

#include "app/console.h"
#include "core/error.h"
#include "nn/models/registry.h"
#include "transfer/family.h"
#include "transfer/label_file.h"

namespace graft::app {

void SourceOptions::add_to(CLI::App& command) {
  command
      .add_option("--model", model,
                  "a network by name, with its published --weights, instead of a model.graft")
      ->type_name("M");
  command.add_option("--weights", weights, "published weights: .safetensors or .pth")->type_name("F");
  command.add_option("--labels", labels, "one label a line; unset, ImageNet's or CIFAR-10's own")
      ->type_name("FILE");
  add_channels(command, channels);
  compute.add_to(command);
}

transfer::Source SourceOptions::take(const char* command, std::vector<std::string>& words) const {
  transfer::Source source;
  source.compute = compute.take();
  source.channels = channels;
  if (model.empty() && !weights.empty() && transfer::family_of(weights) == "vit") {
    source.weights = weights;
    if (!labels.empty()) source.labels = transfer::read_labels(labels);
    return source;
  }
  if (model.empty() && weights.empty()) {
    GRAFT_CHECK_AS(UsageError, words.size() >= 2,
                   "a model.graft and what it is to look at are needed (or --model and "
                   "--weights); see graft ",
                   command, " --help");
    source.artefact = words.front();
    words.erase(words.begin());
    if (!labels.empty()) source.labels = transfer::read_labels(labels);
    return source;
  }
  GRAFT_CHECK_AS(UsageError, !model.empty(),
                 "--weights needs --model: say which network these weights are of");
  GRAFT_CHECK_AS(UsageError, !weights.empty(), "--model ", printable(model),
                 " needs --weights: the file of its published weights");
  const nn::ModelInfo& info = nn::model_info(model);
  source.model = model;
  source.weights = weights;
  if (labels.empty()) return source;
  source.labels = transfer::read_labels(labels);
  size_t classes = nn::label_names(info.labels).size();
  if (transfer::drop_background(source.labels, classes)) {
    say(str(printable(labels), ": ", classes + 1, " lines for ", classes,
            " classes; the first, background, is left out"));
  }
  return source;
}

}  // namespace graft::app
