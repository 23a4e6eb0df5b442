// A checkpoint in several files: an index (model.safetensors.index.json) names, for each tensor, the file
// beside it that holds it. No file outside of the index's own folder is opened.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "weights/content.h"

namespace graft::weights {
namespace {

using Json = nlohmann::json;
using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

constexpr int64_t kMaxIndex = 64 << 20;
constexpr size_t kMaxShards = 10'000;
constexpr int kMaxDepth = 32;

// Keeps the members of "weight_map", at the top of the index; anything else is passed over.
class IndexReader : public nlohmann::json_sax<Json> {
 public:
  explicit IndexReader(const File& file) : file_(file) {}
  WeightMap map;
  bool has_map = false;

  bool start_object(size_t) override {
    if (in_map()) refuse("an object");
    return enter();
  }
  bool start_array(size_t) override {
    if (depth_ == 0) file_.reject("index: starts with a list, expected an object");
    if (in_map() || at_map()) refuse("a list");
    return enter();
  }
  bool key(std::string& key) override {
    if (depth_ == 1) {
      if (key == "weight_map" && has_map) file_.reject("index: weight_map appears twice");
      top_ = key;
      has_map = has_map || key == "weight_map";
    } else if (in_map()) {
      if (auto problem = name_problem(key))
        file_.reject("index: tensor name \"", printable(key), "\" ", *problem);
      if (map.contains(key)) file_.reject("index: duplicate tensor name \"", printable(key), "\"");
      if (map.size() >= kMaxTensors) file_.reject("index: more than ", kMaxTensors, " tensors");
    }
    key_ = key;
    return true;
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool string(std::string& text) override {
    if (at_map()) refuse("text");
    if (in_map()) map[key_] = text;
    return true;
  }
  bool null() override { return other("null"); }
  bool boolean(bool) override { return other("a boolean"); }
  bool number_integer(int64_t) override { return other("a number"); }
  bool number_unsigned(uint64_t) override { return other("a number"); }
  bool number_float(double, const std::string&) override { return other("a number"); }
  bool binary(Json::binary_t&) override { return other("binary data"); }
  bool parse_error(size_t position, const std::string& token, const Json::exception&) override {
    file_.reject("index: not valid JSON at byte ", position, ", near \"", printable(token, 40), "\"");
  }

 private:
  bool in_map() const { return depth_ == 2 && top_ == "weight_map"; }
  bool at_map() const { return depth_ == 1 && top_ == "weight_map"; }
  [[noreturn]] void refuse(std::string_view found) const {
    if (at_map()) file_.reject("index: weight_map is ", found, ", expected an object");
    file_.reject("index: the file of ", printable(key_), " is ", found, ", expected text");
  }
  bool other(std::string_view found) const {
    if (in_map() || at_map()) refuse(found);
    return true;
  }
  bool enter() {
    if (++depth_ > kMaxDepth) file_.reject("index: nested deeper than ", kMaxDepth);
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const File& file_;
  int depth_ = 0;
  std::string top_, key_;
};

// The path without symbolic links; empty where there is nothing.
std::string real_path(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  std::string text = real ? real : "";
  std::free(real);
  return text;
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/') + 1);
}

// A shard is a plain name beside the index. It may be a symbolic link only to where the index itself really
// lies: Hugging Face's cache keeps both as links into one folder.
std::shared_ptr<const File> open_shard(const File& index, const std::string& name) {
  auto refuse = [&](const auto&... why) { index.reject("index: shard \"", printable(name), "\": ", why...); };
  if (auto problem = name_problem(name)) refuse("its name ", *problem);
  if (name.find('/') != std::string::npos || name.find('\\') != std::string::npos || name == "." ||
      name == "..") {
    refuse("must be the name of a file beside the index, without folders");
  }
  std::string folder = folder_of(index.path());
  std::string path = folder + name;
  std::string real = real_path(path);
  if (real.empty()) refuse("is missing");
  std::string beside = real_path(folder.empty() ? "." : folder) + "/";
  if (folder_of(real) != beside && folder_of(real) != folder_of(real_path(index.path()))) {
    refuse("is a link to another folder, ", printable(folder_of(real)));
  }
  return File::open(path);
}

}  // namespace

std::unique_ptr<Content> read_sharded(const std::shared_ptr<const File>& index, const OpenOptions& options) {
  if (index->size() > kMaxIndex)
    index->reject("index: ", index->size(), " bytes, at most ", kMaxIndex, " are allowed");
  std::string text = index->read(0, index->size());
  if (size_t nul = text.find('\0'); nul != std::string::npos)
    index->reject("index: NUL at byte ", nul, ", expected JSON text");
  IndexReader reader(*index);
  Json::sax_parse(text, &reader);
  if (!reader.has_map) index->reject("is JSON, but no checkpoint index: it has no weight_map");

  std::map<std::string, size_t> expected;  // shard -> tensors
  for (const auto& [name, shard] : reader.map) ++expected[shard];
  if (expected.size() > kMaxShards) index->reject("index: more than ", kMaxShards, " shards");
  auto content = std::make_unique<Content>();
  content->path = index->path();
  content->file = index;
  for (const auto& [shard, count] : expected) {
    std::unique_ptr<Content> part = read_safetensors(open_shard(*index, shard), options);
    for (size_t i = 0; i < part->entries.size(); ++i) {
      const std::string& name = part->entries[i].name;
      auto listed = reader.map.find(name);
      if (listed == reader.map.end())
        index->reject("index: shard ", printable(shard), " holds ", printable(name), ", which is not listed");
      if (listed->second != shard) {
        index->reject("index: ", printable(name), " is in ", printable(shard), ", the index says ",
                      printable(listed->second));
      }
      View view = part->views[i];
      view.block += content->blocks.size();
      content->entries.push_back(part->entries[i]);
      content->views.push_back(std::move(view));
    }
    if (part->entries.size() != count) {
      for (const auto& [name, where] : reader.map) {
        if (where == shard && !part->index.contains(name)) {
          index->reject("index: ", printable(name), " is not in ", printable(shard),
                        ", where the index says it is");
        }
      }
    }
    content->blocks.insert(content->blocks.end(), part->blocks.begin(), part->blocks.end());
    content->metadata.insert(part->metadata.begin(), part->metadata.end());
  }
  content->format = str("safetensors, ", expected.size(), expected.size() == 1 ? " shard" : " shards");
  content->finish();
  return content;
}

}  // namespace graft::weights
