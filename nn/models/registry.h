// The networks by name, each with what its published weights expect. A model's file holds its entries.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nn/models/classifier.h"

namespace graft::nn {

// Whose classes the published weights tell apart.
enum class Labels : uint8_t { imagenet, cifar10, none };
// Their names, by index: ImageNet's 1,000 (WordNet synsets, the order of the ILSVRC-2012 challenge),
// CIFAR-10's ten.
std::vector<std::string> label_names(Labels labels);

// How a picture becomes an input: the shorter side resized to `resize` (bilinear with antialiasing; 0: as it
// is), the centre size x size cut out, each channel (value / 255 - mean) / standard_deviation.
struct InputSpec {
  int64_t resize, size;
  std::array<double, 3> mean, standard_deviation;
  bool bicubic = false;  // not bilinear
  bool squash = false;   // no crop: both sides become `resize`, whatever the picture's shape
};
inline constexpr InputSpec kImageNetInput{256, 224, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
inline constexpr InputSpec kMeadowInput{
    64, 64, {0.45, 0.45, 0.45}, {0.25, 0.25, 0.25}};  // graft's own pictures
inline constexpr InputSpec kCifarInput{0, 32, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};

struct ModelInfo {
  std::string name;  // "resnet18"
  Labels labels;
  InputSpec input;
  std::function<std::unique_ptr<Classifier>(int64_t classes, uint64_t seed, DType dtype)> make;
};

// All of them, in the order of the program's help.
const std::vector<ModelInfo>& models();
std::vector<std::string> model_names();
// Throws UsageError for an unknown name, with the nearest ones.
const ModelInfo& model_info(std::string_view name);
// A network with random weights: a function of (name, classes, seed, dtype) alone. classes >= 1.
std::unique_ptr<Classifier> make_classifier(std::string_view name, int64_t classes, uint64_t seed = 0,
                                            DType dtype = DType::f32);

}  // namespace graft::nn
