// preprocessor_config.json, as it lies beside published picture networks.
#pragma once

#include "data/transform.h"
#include "nn/models/registry.h"
#include "weights/config.h"

namespace graft::transfer {

data::Preprocess preprocess_of(const nn::InputSpec& input);

// What the file says; keys that it lacks are as in `otherwise`. A size that is one number or has a shortest
// edge is that of the shorter side, where a crop follows; without a crop, both sides. The crop rounds as
// transformers does. Throws DataError, naming the key, for steps that graft does not have.
data::Preprocess preprocessor_config(const weights::Config& config, const data::Preprocess& otherwise);

}  // namespace graft::transfer
