// Drawn pictures and a small network for the tests of transfer/: no files needed.
#pragma once

#include <memory>

#include "nn/models/cifar_resnet.h"
#include "transfer/retrain.h"

namespace graft::test {

// `each` pictures of each of `classes` kinds, size x size: the kind sets colour and stripes, the rest is
// noise.
transfer::PictureSet drawn_pictures(int64_t classes, int64_t each, int64_t size, uint64_t seed);

// Two stages, 8 and 16 channels, with batch norm, for pictures of any size.
std::unique_ptr<nn::CifarResNet> small_network(int64_t classes = 4, uint64_t seed = 3);

// A run on such pictures that takes well under a second: scaled for 8 x 8.
transfer::RetrainOptions quick_options(const char* strategy);

// Writes the set as a folder of class folders with PNG files: folder/train/kind0/0.png.
void write_folder(const transfer::PictureSet& set, const std::string& folder);

}  // namespace graft::test
