// Random erasing (Zhong et al., "Random erasing data augmentation", 2020) as torchvision 0.14's
// transforms.RandomErasing with its defaults.
#pragma once

#include "core/rng.h"
#include "data/resize.h"

namespace graft::data {

// The box that is erased from a picture of this size: 2 % to 33 % of the area, 0.3 to 3.3 times as high as
// wide, in a random place. Ten tries to find one that is lower and narrower than the picture, then none: a
// box without area.
Box random_erased_box(Size size, Rng& rng);

// Sets the box to 0 in f32 [height, width, planes]: after normalising, that is the mean colour.
void erase(float* pixels, Size size, int64_t planes, const Box& box);

}  // namespace graft::data
