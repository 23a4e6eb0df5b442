#include "transfer/inspect.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "nn/models/registry.h"
#include "transfer/source.h"
#include "weights/layout.h"
#include "weights/names.h"

namespace graft::transfer {
namespace {

constexpr std::string_view kWrappers[] = {"module.", "model.", "_orig_mod."};

// Takes off what all names begin with, as weights::load does.
std::string stripped(std::string name, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) name.erase(0, prefix.size());
  return name;
}

std::vector<std::string> shared_prefixes(const weights::Checkpoint& checkpoint) {
  std::vector<std::string> found;
  bool more = !checkpoint.entries().empty();
  while (more) {
    more = false;
    for (std::string_view wrapper : kWrappers) {
      bool all =
          std::all_of(checkpoint.entries().begin(), checkpoint.entries().end(),
                      [&](const weights::Entry& e) { return stripped(e.name, found).starts_with(wrapper); });
      if (!all) continue;
      found.emplace_back(wrapper);
      more = true;
    }
  }
  return found;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string group_of(const std::string& name) {
  size_t first = name.find('.');
  if (first == std::string::npos) return name;
  size_t second = name.find('.', first + 1);
  bool numbered =
      second != std::string::npos && is_number(std::string_view(name).substr(first + 1, second - first - 1));
  return name.substr(0, numbered ? second : first);
}

using Sizes = std::map<std::string, std::vector<int64_t>>;

// As published: the engine's own axis order undone.
std::vector<int64_t> published_sizes(const nn::NamedTensor& tensor) {
  Shape shape = weights::published_shape(tensor.value().shape(), tensor.published);
  return {shape.begin(), shape.end()};
}

// "vgg16_bn": 13 convolutions and three dense layers.
bool may_be_vgg(std::string_view model, const Sizes& file) {
  if (!file.contains("features.0.weight") || !file.contains("classifier.6.weight")) return false;
  auto convolutions = std::count_if(file.begin(), file.end(), [](const auto& tensor) {
    return tensor.first.starts_with("features.") && tensor.second.size() == 4;
  });
  bool norms = file.contains("features.1.running_mean");
  return model == str("vgg", convolutions + 3, norms ? "_bn" : "");
}

// "tf_efficientnet_b3": each but B0 and B1 has a width of its own before the head.
bool may_be_efficientnet(std::string_view model, const Sizes& file) {
  constexpr std::array<int64_t, 8> kWidths = {1280, 1280, 1408, 1536, 1792, 2048, 2304, 2560};
  bool timm = model.starts_with("tf_");
  auto head = file.find(timm ? "classifier.weight" : "classifier.1.weight");
  if (head == file.end() || head->second.size() != 2) return false;
  if (!file.contains(timm ? "blocks.0.0.conv_dw.weight" : "features.1.0.block.0.0.weight")) return false;
  return head->second[1] == kWidths.at(static_cast<size_t>(model.back() - '0'));
}

// "hf_vit_l_16_384": by the widths of the patches' filters and by how many places there are.
bool may_be_transformer(std::string_view model, const Sizes& file) {
  bool clip = model.starts_with("clip_"), hf = model.starts_with("hf_");
  auto filter = file.find(clip ? "vision_model.embeddings.patch_embedding.weight"
                          : hf ? "vit.embeddings.patch_embeddings.projection.weight"
                               : "conv_proj.weight");
  if (filter == file.end() || filter->second.size() != 4) return false;
  int64_t width = model.find("_l_") != std::string_view::npos ? 1024 : 768;
  int64_t patch = model.find("_32") != std::string_view::npos ? 32 : clip && width == 1024 ? 14 : 16;
  return filter->second[0] == width && filter->second[2] == patch;
}

// Networks are told apart by a few names before one is built to compare them all: building is not free.
bool may_be(const std::string& model, const Sizes& file) {
  bool squeezes = file.contains("features.3.squeeze.weight"),
       inverted = file.contains("features.1.conv.0.0.weight");
  bool blocks = file.contains("layer1.0.conv1.weight"), four = file.contains("layer4.0.conv1.weight");
  if (model.find("vit_") != std::string::npos) return may_be_transformer(model, file);
  if (model.starts_with("vgg")) return may_be_vgg(model, file);
  if (model.find("efficientnet") != std::string::npos) return may_be_efficientnet(model, file);
  if (model.starts_with("squeezenet")) return squeezes;
  if (model.starts_with("mobilenet")) return inverted;
  if (model.starts_with("cifar_resnet")) return blocks && !four;
  if (model.starts_with("resnet")) return blocks && four;
  return true;
}

// The sizes under the names that the network has.
Sizes renamed(const Sizes& file, const weights::NameMap& names) {
  Sizes out;
  for (const auto& [name, sizes] : file) {
    std::string own = name;
    for (const auto& [from, to] : names.rename) {
      auto matched = weights::rename(from, to, name);
      if (!matched) continue;
      own = *matched;
      break;
    }
    out[own] = sizes;
  }
  return out;
}

bool fits(const nn::ModelInfo& info, const Sizes& published) {
  Sizes file = renamed(published, published_names(info.name));
  std::unique_ptr<nn::Classifier> network = info.make(1, 0, DType::f32);
  std::string head = network->head_name() + ".";
  size_t matched = 0;
  for (const nn::NamedTensor& tensor : nn::named_tensors(*network)) {
    auto found = file.find(tensor.name);
    if (found == file.end()) {
      if (tensor.name.ends_with(".num_batches_tracked")) continue;
      return false;
    }
    std::vector<int64_t> wanted = published_sizes(tensor), has = found->second;
    if (tensor.name.starts_with(head) && !wanted.empty() && has.size() == wanted.size()) has[0] = wanted[0];
    bool stem = tensor.parameter == &network->first_conv().weight;  // also for pictures of other channels
    if (stem && has.size() == 4 && (has[1] == 1 || has[1] == 2 || has[1] == 4)) has[1] = wanted[1];
    if (has != wanted) return false;
    ++matched;
  }
  return matched == file.size();
}

}  // namespace

std::vector<TensorGroup> groups(const weights::Checkpoint& checkpoint) {
  std::vector<TensorGroup> found;
  std::vector<std::string> prefixes = shared_prefixes(checkpoint);
  for (const weights::Entry& entry : checkpoint.entries()) {
    std::string name = group_of(stripped(entry.name, prefixes));
    auto at = std::find_if(found.begin(), found.end(), [&](const TensorGroup& g) { return g.name == name; });
    if (at == found.end()) at = found.insert(found.end(), {name});
    ++at->tensors;
    at->bytes += entry.bytes;
    int64_t elements = 1;
    for (int64_t size : entry.sizes) elements *= size;
    at->elements += elements;
  }
  return found;
}

std::vector<std::string> recognised(const weights::Checkpoint& checkpoint) {
  Sizes file;
  std::vector<std::string> prefixes = shared_prefixes(checkpoint);
  for (const weights::Entry& entry : checkpoint.entries()) file[stripped(entry.name, prefixes)] = entry.sizes;
  std::vector<std::string> names;
  for (const nn::ModelInfo& info : nn::models()) {
    if (may_be(info.name, file) && fits(info, file)) names.push_back(info.name);
  }
  return names;
}

int64_t classes_of_head(const weights::Checkpoint& checkpoint, const std::string& head) {
  std::vector<std::string> prefixes = shared_prefixes(checkpoint);
  for (const weights::Entry& entry : checkpoint.entries()) {
    if (stripped(entry.name, prefixes) == head + ".weight" && !entry.sizes.empty()) return entry.sizes[0];
  }
  return 0;
}

}  // namespace graft::transfer
