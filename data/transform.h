// From a picture to a network's input: resize, crop, scale, normalise. The values are those of torchvision
// 0.14 (Resize, CenterCrop, ToTensor, Normalize; RandomResizedCrop, RandomCrop, RandomHorizontalFlip) to the
// last bit.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "core/rng.h"
#include "core/tensor.h"
#include "data/image.h"
#include "data/resize.h"

namespace graft::data {

// Everything that turns a picture into the network's input. Saved with a retrained network, and part of the
// key of its cached features.
struct Preprocess {
  int64_t resize = 256;  // the shorter side becomes this many pixels; 0: as it is
  int64_t crop = 224;  // then the middle, crop x crop pixels, padded with black where the picture is smaller
  Interpolation interpolation = Interpolation::bilinear;
  // Of red, green, blue (and alpha) in 0..1, or of grey: the first `channels` of them.
  std::array<float, 4> mean = {0.485f, 0.456f, 0.406f};
  std::array<float, 4> std = {0.229f, 0.224f, 0.225f};
  // Both sides become `resize` pixels, which `crop` equals, whatever the picture's shape: nothing is cut off
  // and everything is squeezed.
  bool squash = false;
  // Where the middle is between two pixels: transformers takes the left (the upper) one, torchvision the
  // even.
  bool floor_crop = false;
  int64_t channels = 3;  // of pictures: 1 (grey), 3 or 4 (with alpha)
  // One plane more follows the channels, with 1 in each pixel. A convolution that pads with zeros tells by it
  // what is picture and what is not; transfer/input_channels.h has the reason.
  bool inside = false;
  // The values of a pixel in the network's input.
  int64_t planes() const { return channels + (inside ? 1 : 0); }
  bool operator==(const Preprocess&) const = default;
};

// torchvision's evaluation of its ImageNet networks.
inline constexpr Preprocess kImageNet{};
// Pictures of 32 x 32 as they are; larger ones are made as small.
inline constexpr Preprocess kCifar{.resize = 32, .crop = 32};

// {"resize":256,"crop":224,"interpolation":"bilinear","mean":[...],"std":[...]}, always the same text for
// equal values; "squash":true, "floor_crop":true, "channels":1 and "inside":true stand at the end where they
// are (and channels not 3).
std::string to_json(const Preprocess& preprocess);
// Reads that back. Throws DataError that names the field for unknown, missing or senseless ones.
Preprocess preprocess_from_json(std::string_view json);

// f32 [H, W, planes] with H = W = crop: ((byte / 255) - mean) / std. Where the network sees grey pictures,
// colours become grey last; for Pillow's order, first grey and then resized, decode them as grey.
Tensor to_input(const Image& image, const Preprocess& preprocess);

// What changes in a training picture, in the order of torchvision's recipe for ImageNet networks
// (references/classification/presets.py, ClassificationPresetTrain): crop, mirror, RandAugment on the
// cropped picture's bytes, normalise, erase.
struct Augment {
  enum class Kind : uint8_t {
    none,          // as for evaluation
    resized_crop,  // a random part, resized to the input
    pad_crop,  // for small pictures: a random crop of the evaluation's picture with `pad` black pixels around
               // it
  } kind = Kind::resized_crop;
  double scale_min = 0.08, scale_max = 1;           // of resized_crop: share of the area
  double ratio_min = 3.0 / 4, ratio_max = 4.0 / 3;  // of resized_crop: width to height
  int64_t pad = 4;                                  // of pad_crop
  double flip = 0.5;                                // probability of a left-right mirror, for every kind
  int64_t rand_ops = 0;        // operations of RandAugment (rand_augment.h); 0: none; the paper's usual is 2
  int64_t rand_magnitude = 9;  // of these operations, 0 to 30
  double erase = 0;            // probability that a box is erased (erase.h)
};

// The part that torchvision's RandomResizedCrop takes: ten tries, then the largest middle part of allowed
// ratio.
Box random_part(Size size, const Augment& augment, Rng& rng);

// The training input, f32 [H, W, planes]. RandAugment has no operations on alpha: UsageError for four
// channels. A function of the picture and the numbers drawn: with Rng(seed, epoch,
// sample) it does not depend on threads or on order.
Tensor augmented_input(const Image& image, const Preprocess& preprocess, const Augment& augment, Rng& rng);

// The same, written to an existing crop x crop x planes block: a row of a batch.
void write_input(const Image& image, const Preprocess& preprocess, float* out);
void write_augmented_input(const Image& image, const Preprocess& preprocess, const Augment& augment, Rng& rng,
                           float* out);

// Between pictures and u8 [H, W, 3] tensors; both copy.
Tensor to_tensor(const Image& image);
Image to_image(const Tensor& pixels);

}  // namespace graft::data
