// The published configurations of text encoders, read from their config.json, and what is particular to the
// names in their files.
#pragma once

#include "nn/models/bert.h"
#include "weights/config.h"
#include "weights/load.h"

namespace graft::weights {

// Throws DataError, naming the key, for what no BERT of graft's can be built from.
nn::BertConfig bert_config(const Config& config);
// The first BERTs call a norm's weight and bias gamma and beta; transformers' files of old hold a table of
// position numbers, which is no weight.
NameMap bert_names();

}  // namespace graft::weights
