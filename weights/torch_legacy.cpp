// What torch.save wrote before PyTorch 1.6: five pickles (magic number, protocol 1001, what the machine was,
// the object, the storages' keys), then for each key a u64 count and the elements. Source:
// torch/serialization.py, _legacy_load.
#include <algorithm>
#include <set>

#include "weights/torch_tree.h"

namespace graft::weights {
namespace {

using pickle::Kind;
using pickle::Value;

constexpr std::string_view kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
constexpr int64_t kProtocol = 1001;

// The keys in the order of the storages; exactly those that the object names.
std::vector<std::string> read_keys(const File& file, const pickle::Tree& tree,
                                   const std::map<std::string, TorchStorage>& storages) {
  if (tree.top().kind != Kind::list)
    file.reject("the storages' keys are ", describe(tree, tree.top()), ", expected a list");
  std::vector<std::string> keys;
  std::set<std::string> seen;
  for (pickle::Ref r : tree.top().items) {
    if (tree[r].kind != Kind::text)
      file.reject("a storage's key is ", describe(tree, tree[r]), ", expected text");
    std::string key(tree[r].text);
    if (!seen.insert(key).second) file.reject("storage ", printable(key), " is listed twice");
    if (!storages.contains(key))
      file.reject("storage ", printable(key), " is listed, but no tensor names it");
    keys.push_back(std::move(key));
  }
  for (const auto& [key, storage] : storages) {
    if (!seen.contains(key)) file.reject("storage ", printable(key), " is named by a tensor, but not listed");
  }
  return keys;
}

}  // namespace

std::unique_ptr<Content> read_torch_legacy(const std::shared_ptr<const File>& file,
                                           const OpenOptions& options) {
  if (file->head(static_cast<int64_t>(kMagic.size())) != kMagic) {
    // Some other pickle: read it, to say what it holds instead.
    ReadPickle other(*file, 0, file->size(), "pickle");
    std::vector<std::string> ignored;
    state_dict(*file, other.tree, "", rebuild_calls(*file, other.tree), ignored);
    file->reject(
        "is a pickle without torch's magic number: its tensors have no storages. Save it with torch.save");
  }
  auto offset = static_cast<int64_t>(kMagic.size());
  ReadPickle protocol(*file, offset, file->size(), "protocol pickle");
  const Value& version = protocol.tree.top();
  if (version.kind != Kind::integer || version.integer != kProtocol) {
    file->reject("legacy protocol is ", describe(protocol.tree, version), ", expected ", kProtocol);
  }
  offset = protocol.end;
  ReadPickle system(*file, offset, file->size(), "sys_info pickle");
  check_system_info(*file, system.tree);
  offset = system.end;
  ReadPickle object(*file, offset, file->size(), "object pickle");
  offset = object.end;
  ReadPickle list(*file, offset, file->size(), "key pickle");
  offset = list.end;

  auto content = std::make_unique<Content>();
  content->path = file->path();
  content->format = "torch legacy";
  content->file = file;
  auto storages = torch_storages(*file, object.tree);
  std::map<std::string, size_t> blocks;
  for (const std::string& key : read_keys(*file, list.tree, storages)) {
    const TorchStorage& storage = storages.at(key);
    std::string name = str("storage ", printable(key));
    if (file->size() - offset < 8)
      file->reject("truncated: ", name, " expected at byte ", offset, ", the file has ", file->size());
    uint64_t count = 0;
    std::string raw = file->read(offset, 8);
    for (size_t i = 8; i-- > 0;) count = count << 8 | static_cast<unsigned char>(raw[i]);
    if (count != static_cast<uint64_t>(storage.elements)) {
      file->reject(name, " at byte ", offset, " has ", count, " elements, the pickle says ",
                   storage.elements);
    }
    offset += 8;
    int64_t bytes = storage.elements * storage.type->bytes;
    if (bytes > file->size() - offset) {
      file->reject("truncated: ", name, " needs ", bytes, " bytes at byte ", offset, ", the file has ",
                   file->size() - offset);
    }
    blocks[key] = content->blocks.size();
    content->blocks.push_back({file, offset, bytes, {}, name});
    offset += bytes;
  }
  if (offset != file->size())
    file->reject(file->size() - offset, " bytes follow the last storage at byte ", offset);
  for (const NamedTorchTensor& t :
       state_dict(*file, object.tree, options.key, rebuild_calls(*file, object.tree), content->warnings)) {
    add_stored_tensor(*content, t, object.tree, blocks);
  }
  content->finish();
  return content;
}

}  // namespace graft::weights
