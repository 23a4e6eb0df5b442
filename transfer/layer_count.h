// Does a config.json ask for layers that the weights beside it do not have? Asked before a network is built.
#pragma once

#include "weights/checkpoint.h"
#include "weights/config.h"

namespace graft::transfer {

// Of BERT, RoBERTa, ViT, GPT-2, T5 and CLIP, under the names of Hugging Face. Throws a DataError that names
// the key, its value and the layers that the file holds. A file without any such layer is left to the load's
// own report.
void require_layers(const weights::Config& config, const weights::Checkpoint& checkpoint);

}  // namespace graft::transfer
