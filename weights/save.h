// Writing checkpoints that PyTorch loads. A file appears whole or not at all; on failure (DiskError, naming
// path and bytes) the old file is intact and nothing is left behind. Names that a reader would refuse are
// refused before writing (DataError).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/module.h"

namespace graft::weights {

// A tensor in the published layout.
struct SavedTensor {
  std::string name;
  Tensor value;
};
using Metadata = std::map<std::string, std::string>;

// The network's tensors under their names, its transforms undone: what the publisher's own program would
// save. Tied parameters appear under each of their names, as in a .pth file, or once, under the first: two
// tensors of a safetensors file cannot share their elements, so transformers writes one of them and ties
// again after loading.
enum class Tied : uint8_t { each_name, first_name };
std::vector<SavedTensor> published_tensors(nn::Module& module, Tied tied = Tied::first_name);

// A safetensors file. Its metadata gains "graft.sha256", a hash over the whole file that Checkpoint::open
// checks, so that a changed byte is never loaded silently; "graft.sha256" and "graft.writer" are graft's own
// keys. Files with the same tensors and metadata are equal, byte for byte.
void save_safetensors(const std::string& path, const std::vector<SavedTensor>& tensors,
                      const Metadata& metadata = {});
// A .pth file as torch.save writes it: torch.load(path) gives an OrderedDict of tensors. Each record carries
// a CRC-32.
void save_torch_zip(const std::string& path, const std::vector<SavedTensor>& tensors);

// Refuses, before anything is written, names that are empty, occur twice, hold control characters or are not
// UTF-8.
void check_names(const std::string& path, const std::vector<SavedTensor>& tensors);

// The network: as .pth where the path ends with .pth, .pt or .bin, else as safetensors. A .pth file has no
// place for metadata: UsageError where there is any.
void save(nn::Module& module, const std::string& path, const Metadata& metadata = {});

}  // namespace graft::weights
