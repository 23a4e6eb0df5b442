// The checkpoint that ships inside graft: a small residual network pretrained on graft's own pictures
// (data/meadow), so that the demo needs no file. Its metadata says how it was made.
#pragma once

#include "weights/checkpoint.h"

namespace graft::weights {

// The bytes of weights/meadow.safetensors as they were when graft was built.
std::span<const uint8_t> embedded_backbone_bytes();
// The same, opened.
Checkpoint embedded_backbone();

}  // namespace graft::weights
