// The convolutions of published networks on 224 x 224 pictures, and how often each occurs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace graft::bench {

struct ConvCase {
  int64_t size, channels, outputs, kernel, stride, padding, groups;
  int count = 1;

  int64_t out_size() const { return (size + 2 * padding - kernel) / stride + 1; }
  // A multiplication and an addition count as two.
  double flops(int64_t batch) const {
    return 2.0 * static_cast<double>(batch * out_size() * out_size() * outputs * kernel * kernel *
                                     (channels / groups));
  }
  std::string name() const {
    return std::to_string(size) + "^2 " + std::to_string(channels) + "->" + std::to_string(outputs) + " " +
           std::to_string(kernel) + "x" + std::to_string(kernel) +
           (stride > 1 ? "/" + std::to_string(stride) : "") + (groups > 1 ? " depthwise" : "");
  }
  bool same_layer(const ConvCase& o) const {
    return size == o.size && channels == o.channels && outputs == o.outputs && kernel == o.kernel &&
           stride == o.stride && groups == o.groups;
  }
};

// Adds a layer, or counts it once more.
inline void add_case(std::vector<ConvCase>& cases, const ConvCase& c) {
  for (ConvCase& known : cases) {
    if (known.same_layer(c)) {
      ++known.count;
      return;
    }
  }
  cases.push_back(c);
}

// He et al., 2016, with the stride in the 3 x 3 convolution, as torchvision has it: 53 convolutions.
inline std::vector<ConvCase> resnet50_cases() {
  std::vector<ConvCase> cases;
  add_case(cases, {224, 3, 64, 7, 2, 3, 1});
  int64_t size = 56, channels = 64;
  const int blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    int64_t width = int64_t{64} << stage;
    for (int block = 0; block < blocks[stage]; ++block) {
      int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      add_case(cases, {size, channels, width, 1, 1, 0, 1});
      add_case(cases, {size, width, width, 3, stride, 1, 1});
      if (block == 0) add_case(cases, {size, channels, width * 4, 1, stride, 0, 1});
      size /= stride;
      add_case(cases, {size, width, width * 4, 1, 1, 0, 1});
      channels = width * 4;
    }
  }
  return cases;
}

// Sandler et al., 2018, width 1: 52 convolutions.
inline std::vector<ConvCase> mobilenet_v2_cases() {
  std::vector<ConvCase> cases;
  add_case(cases, {224, 3, 32, 3, 2, 1, 1});
  struct Stage {
    int64_t expand, outputs;
    int blocks;
    int64_t stride;
  };
  int64_t size = 112, channels = 32;
  for (const Stage& s : {Stage{1, 16, 1, 1},
                         {6, 24, 2, 2},
                         {6, 32, 3, 2},
                         {6, 64, 4, 2},
                         {6, 96, 3, 1},
                         {6, 160, 3, 2},
                         {6, 320, 1, 1}}) {
    for (int block = 0; block < s.blocks; ++block) {
      int64_t stride = block == 0 ? s.stride : 1, hidden = channels * s.expand;
      if (s.expand > 1) add_case(cases, {size, channels, hidden, 1, 1, 0, 1});
      add_case(cases, {size, hidden, hidden, 3, stride, 1, hidden});
      size /= stride;
      add_case(cases, {size, hidden, s.outputs, 1, 1, 0, 1});
      channels = s.outputs;
    }
  }
  add_case(cases, {size, channels, 1280, 1, 1, 0, 1});
  return cases;
}

}  // namespace graft::bench
