// CLIP and vision transformers with the weights of tests/golden/vision and of the assets, and how far they
// are from what transformers and torchvision recorded.
#pragma once

#include "nn/models/clip.h"
#include "tests/nn/decoders.h"

namespace graft::test {

// tests/golden/vision/NAME
std::string vision_folder(const std::string& name);
// [N, 3, H, W] as recorded -> [N, H, W, 3] in `dtype`.
Var pictures_of(const DecoderGolden& golden, DType dtype = DType::f32);
nn::ClipTexts clip_texts_of(const DecoderGolden& golden);
DecoderParity compare(nn::Classifier& network, const DecoderGolden& golden);  // in the network's own type
DecoderParity compare(nn::Clip& network, const DecoderGolden& golden, DType dtype = DType::f32);

}  // namespace graft::test
