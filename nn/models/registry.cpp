#include "nn/models/registry.h"

#include "core/nearest.h"
#include "nn/models/cifar_resnet.h"
#include "nn/models/clip.h"
#include "nn/models/efficientnet.h"
#include "nn/models/mobilenet_v2.h"
#include "nn/models/resnet.h"
#include "nn/models/squeezenet.h"
#include "nn/models/vgg.h"
#include "nn/models/vit.h"

namespace graft::nn {

const std::vector<ModelInfo>& models() {
  static const std::vector<ModelInfo> all = [] {
    std::vector<ModelInfo> table;
    for (auto family : {resnet_models, cifar_resnet_models, mobilenet_v2_models, squeezenet_models,
                        vgg_models, efficientnet_models, vit_models, clip_models}) {
      for (ModelInfo& info : family()) table.push_back(std::move(info));
    }
    return table;
  }();
  return all;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelInfo& info : models()) names.push_back(info.name);
  return names;
}

const ModelInfo& model_info(std::string_view name) {
  for (const ModelInfo& info : models()) {
    if (info.name == name) return info;
  }
  std::vector<std::string> names = model_names();
  std::string list;
  for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
  fail<UsageError>("unknown model \"", name, "\"", did_you_mean(name, names), " (known: ", list, ")");
}

std::unique_ptr<Classifier> make_classifier(std::string_view name, int64_t classes, uint64_t seed,
                                            DType dtype) {
  GRAFT_CHECK_AS(UsageError, classes >= 1, name, ": needs at least one class, got ", classes);
  return model_info(name).make(classes, seed, dtype);
}

}  // namespace graft::nn
