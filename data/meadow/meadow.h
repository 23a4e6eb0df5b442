// The meadow: pictures of plants that graft draws itself, so that transfer learning can be shown with nothing
// to download. A picture is a function of (flora, label, seed, index, size) alone: any number of fresh ones
// can be drawn, in any order, by any number of threads.
//
// Colour, light, size, place, angle of view and surroundings are drawn at random without regard to the
// species; only the form tells what it is. A hundred pictures of a class do not teach a network to ignore all
// of that; many thousands do.
#pragma once

#include <string>
#include <vector>

#include "data/image.h"

namespace graft::data::meadow {

enum class Flora : uint8_t {
  pretraining,  // many species: flowers, leaves, fungi, fruits, ground
  demo,         // five other flowers: daisy, dandelion, rose, sunflower, tulip
};

constexpr int64_t kPictureSize = 64;

// Class names in label order.
std::vector<std::string> species_names(Flora flora);

// One picture, size x size pixels. UsageError for a label that the flora lacks.
Image draw(Flora flora, int64_t label, uint64_t seed, uint64_t index, int64_t size = kPictureSize);

}  // namespace graft::data::meadow
