#include "nn/models/registry.h"

namespace graft::nn {
namespace {

// One label a line, by index.
constexpr std::string_view kImageNet =
#include "nn/models/imagenet_labels.inc"
    ;
constexpr std::string_view kCifar10 = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck";

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    all.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

}  // namespace

std::vector<std::string> label_names(Labels labels) {
  switch (labels) {
    case Labels::imagenet: return lines(kImageNet);
    case Labels::cifar10: return lines(kCifar10);
    case Labels::none: return {};
  }
  return {};
}

}  // namespace graft::nn
