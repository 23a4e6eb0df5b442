#include "weights/save.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/sha256.h"
#include "core/atomic_file.h"
#include "weights/content.h"
#include "weights/layout.h"
#include "weights/safetensors.h"

namespace graft::weights {
namespace {

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string little(uint64_t value) {
  std::string out(8, '\0');
  for (char& c : out) {
    c = static_cast<char>(value & 0xFF);
    value >>= 8;
  }
  return out;
}

// Larger element types first, so that every tensor lies aligned in the file; within a type, in the given
// order.
std::vector<const SavedTensor*> file_order(const std::vector<SavedTensor>& tensors) {
  std::vector<const SavedTensor*> order;
  for (const SavedTensor& t : tensors) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(), [](const SavedTensor* a, const SavedTensor* b) {
    return size_of(a->value.dtype()) > size_of(b->value.dtype());
  });
  return order;
}

// The header with 64 zeros in the hash's place, padded with spaces to a multiple of 8 bytes.
std::string make_header(const std::vector<const SavedTensor*>& order, const Metadata& metadata) {
  std::string json = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) json += str(quoted(key), ":", quoted(value), ",");
  json += str("\"graft.writer\":\"graft 0.1\",", '"', kHashKey, "\":\"", std::string(64, '0'), "\"}");
  int64_t offset = 0;
  for (const SavedTensor* t : order) {
    std::string sizes;
    for (int64_t s : t->value.shape()) sizes += str(sizes.empty() ? "" : ",", s);
    int64_t end = offset + t->value.bytes();
    json += str(",", quoted(t->name), ":{\"dtype\":\"", safetensors_name(t->value.dtype()), "\",\"shape\":[",
                sizes, "],\"data_offsets\":[", offset, ",", end, "]}");
    offset = end;
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');
  return json;
}

}  // namespace

void check_names(const std::string& path, const std::vector<SavedTensor>& tensors) {
  std::unordered_set<std::string_view> names;
  for (const SavedTensor& t : tensors) {
    auto refuse = [&](const auto&... why) {
      fail<DataError>("cannot save ", printable(path), ": tensor name \"", printable(t.name), "\" ", why...);
    };
    if (auto problem = name_problem(t.name)) refuse(*problem);
    if (t.name == "__metadata__") refuse("is reserved by the safetensors format");
    if (!names.insert(t.name).second) refuse("occurs twice");
    if (!t.value.defined()) refuse("has no tensor");
  }
}

void save_safetensors(const std::string& path, const std::vector<SavedTensor>& tensors,
                      const Metadata& metadata) {
  check_names(path, tensors);
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key) || !is_utf8(value)) {
      fail<DataError>("cannot save ", printable(path), ": metadata \"", printable(key),
                      "\" is not valid UTF-8");
    }
    if (key == kHashKey || key == "graft.writer") {
      fail<DataError>("cannot save ", printable(path), ": the metadata key ", key, " is graft's own");
    }
  }
  std::vector<const SavedTensor*> order = file_order(tensors);
  std::string header = make_header(order, metadata);
  if (header.size() > kMaxHeader) {
    fail<DataError>("cannot save ", printable(path), ": its header would have ", header.size(),
                    " bytes, at most ", kMaxHeader);
  }
  std::string start = little(header.size()) + header;
  Sha256 hash;
  hash.add(start);
  AtomicFile file(path);
  file.write(start);
  for (const SavedTensor* t : order) {
    Tensor value = t->value.to(kCpu).contiguous();
    hash.add(value.raw(), static_cast<size_t>(value.bytes()));
    file.write(value.raw(), value.bytes());
  }
  size_t place = start.find(str('"', kHashKey, "\":\"", std::string(64, '0'), '"')) + kHashKey.size() + 4;
  file.rewrite(static_cast<int64_t>(place), hash.hex());
  file.commit();
}

std::vector<SavedTensor> published_tensors(nn::Module& module, Tied tied) {
  std::vector<SavedTensor> all;
  for (const nn::NamedTensor& t : nn::named_tensors(module)) {
    if (tied == Tied::each_name || t.tied_to.empty())
      all.push_back({t.name, to_published(t.value(), t.published)});
  }
  return all;
}

void save(nn::Module& module, const std::string& path, const Metadata& metadata) {
  bool torch = path.ends_with(".pth") || path.ends_with(".pt") || path.ends_with(".bin");
  if (torch && !metadata.empty()) {
    fail<UsageError>("cannot save ", printable(path),
                     ": a .pth file has no place for metadata; choose another name");
  }
  torch ? save_torch_zip(path, published_tensors(module, Tied::each_name))
        : save_safetensors(path, published_tensors(module), metadata);
}

}  // namespace graft::weights
