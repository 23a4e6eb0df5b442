// The narrow variants of tests/golden/models.py that more than one test needs.
#pragma once

#include "nn/models/efficientnet.h"
#include "nn/models/vgg.h"

namespace graft::test {

inline nn::VggConfig narrow_vgg(bool batch_norm) {
  return {{1, 1, 1, 1, 1}, batch_norm, {2, 3, 3, 4, 4}, 6};
}

// With timm: TensorFlow's epsilon and padding as well.
inline nn::EfficientNetConfig narrow_efficientnet(bool timm) {
  nn::EfficientNetConfig config;
  config.width = 0.25;
  config.rows = {{1, 3, 1, 32, 16, 1}, {3, 5, 2, 16, 24, 2}, {2, 3, 2, 24, 40, 1}};
  config.last = 24;
  if (!timm) return config;
  config.norm = {.eps = 1e-3, .momentum = 0.01};
  config.names = nn::EfficientNetConfig::Names::timm;
  config.same_padding = true;
  return config;
}

}  // namespace graft::test
