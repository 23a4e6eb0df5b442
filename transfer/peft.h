// LoRA updates in the files of PEFT (Hugging Face's library): a folder with adapter_config.json and
// adapter_model.safetensors (or .bin). What graft writes, PEFT's from_pretrained loads onto the same network,
// and the other way round.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"
#include "transfer/adapters.h"
#include "weights/load.h"

namespace graft::transfer {

// Writes the updates of the layers that add_lora adapted, and the whole of the modules in `also`: the head,
// in most cases. `base` says which published network they belong to, for people. The folder is made where it
// is missing. Throws UsageError where the network has no update; DiskError.
void save_peft(const std::string& folder, nn::Module& network, const LoraOptions& options,
               const std::vector<std::string>& also, const std::string& base);

// Hangs in the updates that the folder holds and fills them, and what else it holds (a head, biases); the
// rest of the network keeps its values. Throws DataError, naming tensor or key, for another kind of adapter
// than LoRA, for layers that the network does not have, and for what does not fit.
weights::LoadReport load_peft(nn::Module& network, const std::string& folder);

}  // namespace graft::transfer
