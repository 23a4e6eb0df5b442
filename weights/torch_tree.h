// From a pickled value tree to tensors: finds the state dict in a checkpoint, the calls that would rebuild
// its tensors, and the storages they name. Shared by the readers of torch's three containers; what differs,
// where a storage's bytes lie, is theirs. Source of the calls and their arguments: torch/_utils.py,
// torch/serialization.py.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weights/content.h"
#include "weights/pickle.h"

namespace graft::weights {

// An element type as torch names it.
struct TorchType {
  std::string_view storage;  // "FloatStorage"
  std::string_view dtype;    // "float32"
  int64_t bytes;             // of one element
  std::optional<DType> type;
};
// The type of "torch.FloatStorage"; null for an unknown one.
const TorchType* torch_storage_type(const pickle::Value& global);

// A pickle at byte `begin` of a file, which may end anywhere before `limit`. How long it is is known only at
// its end, so more of the file is read until it fits. Tries double, so all of them together cost twice the
// last.
struct ReadPickle {
  std::shared_ptr<const std::string> bytes;  // what the tree points into
  pickle::Tree tree;
  int64_t end = 0;  // in the file

  ReadPickle(const File& file, int64_t begin, int64_t limit, const std::string& what);
};

// The sys_info of legacy and tar files: refuses those of big-endian machines.
void check_system_info(const File& file, const pickle::Tree& tree);

// A storage that the pickle refers to: ('storage', <type>, key, location, elements[, view]).
struct TorchStorage {
  std::string key;
  const TorchType* type = nullptr;
  int64_t elements = 0;
  // Legacy files may name a part of another storage: offset and count, in elements.
  std::optional<std::pair<int64_t, int64_t>> part;
};

// Reads a persistent id. DataError for any other form.
TorchStorage torch_storage(const File& file, const pickle::Tree& tree, const pickle::Value& persistent);

// Every storage of the pickle by its key; DataError where two mentions of a key disagree.
std::map<std::string, TorchStorage> torch_storages(const File& file, const pickle::Tree& tree);

// A tensor of which only the place of its elements is open.
struct TorchTensor {
  const pickle::Value* storage = nullptr;  // persistent
  const TorchType* type = nullptr;         // null: the storage's own
  int64_t offset = 0;                      // in elements
  std::vector<int64_t> sizes, strides;
  std::string problem;  // a kind of tensor that is listed but cannot be read: sparse, quantised...
};

// How a container recognises a tensor: nothing for a value that is none.
using TensorReader = std::function<std::optional<TorchTensor>(const pickle::Value&, const std::string& name)>;
// The rebuild calls of the zip and the legacy container.
TensorReader rebuild_calls(const File& file, const pickle::Tree& tree);

struct NamedTorchTensor {
  std::string name;
  TorchTensor tensor;
};
// The tensors of the state dict, in its order. `key` names it in a nested checkpoint; with an empty key the
// root is taken if tensors lie in it directly, else the one of its dicts that is called state_dict, model,
// model_state_dict... . DataError with the candidates where that is ambiguous, and for names that are no
// text, empty, or occur twice.
std::vector<NamedTorchTensor> state_dict(const File& file, const pickle::Tree& tree, const std::string& key,
                                         const TensorReader& as_tensor, std::vector<std::string>& warnings);

// Adds one tensor to `content`, whose storages were made into `blocks`, by key.
void add_stored_tensor(Content& content, const NamedTorchTensor& tensor, const pickle::Tree& tree,
                       const std::map<std::string, size_t>& blocks);
// The same where the storage is known: elements [first, first + elements) of `type` in `block`. Checks that
// the view lies in it.
void add_torch_tensor(Content& content, const NamedTorchTensor& tensor, const TorchType& type, size_t block,
                      int64_t first, int64_t elements);

}  // namespace graft::weights
