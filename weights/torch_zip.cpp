// The container that torch.save writes since PyTorch 1.6: a zip with <top>/data.pkl, <top>/version and one
// record <top>/data/<key> for each storage. Source: torch/serialization.py,
// caffe2/serialize/inline_container.cc.
#include <algorithm>
#include <unordered_map>

#include "weights/torch_tree.h"
#include "weights/zip.h"

namespace graft::weights {
namespace {

constexpr int64_t kMinVersion = 1, kMaxVersion = 10;  // caffe2/serialize/versions.h

using Records = std::unordered_map<std::string_view, const ZipRecord*>;

// The one folder that all records are in.
std::string top_folder(const File& file, const std::vector<ZipRecord>& records) {
  auto pickle = std::find_if(records.begin(), records.end(), [](const ZipRecord& r) {
    size_t slash = r.name.find('/');
    return slash != std::string::npos && std::string_view(r.name).substr(slash) == "/data.pkl";
  });
  if (pickle == records.end()) {
    std::string shown;
    for (size_t i = 0; i < records.size() && i < 3; ++i)
      shown += str(i ? ", " : "", printable(records[i].name, 40));
    bool numpy = !records.empty() && records[0].name.ends_with(".npy");
    file.reject(numpy ? "is a numpy .npz archive" : "is a zip archive",
                ", not a torch checkpoint: there is no data.pkl in it (it holds ", records.size(), " records",
                shown.empty() ? "" : ": ", shown, ")");
  }
  std::string top = pickle->name.substr(0, pickle->name.find('/') + 1);
  for (const ZipRecord& r : records) {
    if (!r.name.starts_with(top)) {
      file.reject("zip record ", printable(r.name), " lies outside of ", printable(top),
                  ", where data.pkl is");
    }
  }
  return top;
}

std::string read_record(const File& file, const ZipRecord& record, const OpenOptions& options) {
  // The pickle is read whole, and its record lies in the file: no more than the file's own size is allocated.
  std::string bytes = file.read(record.begin, record.bytes);
  if (options.check) check_crc(file, record.name, crc32_of(bytes), record.crc32);
  return bytes;
}

void check_version(const File& file, const Records& records, const std::string& top,
                   const OpenOptions& options) {
  auto found = records.find(top + "version");
  if (found == records.end()) file.reject("zip: the record ", printable(top), "version is missing");
  const ZipRecord& record = *found->second;
  if (record.bytes > 16)
    file.reject("zip: the record version has ", record.bytes, " bytes, expected a number");
  std::string text = read_record(file, record, options);
  int64_t version = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc() || (rest != "\n" && !rest.empty())) {
    file.reject("zip: the record version is \"", printable(text), "\", expected a number");
  }
  if (version < kMinVersion || version > kMaxVersion) {
    file.reject("zip: version ", version, " of the format, supported are ", kMinVersion, " to ", kMaxVersion);
  }
}

void check_byte_order(const File& file, const Records& records, const std::string& top,
                      const OpenOptions& options) {
  auto found = records.find(top + "byteorder");
  if (found == records.end()) return;  // written before PyTorch 2.1: little
  if (found->second->bytes > 16)
    file.reject("zip: the record byteorder has ", found->second->bytes, " bytes");
  std::string text = read_record(file, *found->second, options);
  if (text != "little") {
    file.reject("zip: byte order \"", printable(text),
                "\", only little is supported. Re-save it on a little-endian machine");
  }
}

}  // namespace

std::unique_ptr<Content> read_torch_zip(const std::shared_ptr<const File>& file, const OpenOptions& options) {
  std::vector<ZipRecord> list = read_zip(*file);
  std::string top = top_folder(*file, list);
  Records records;
  for (const ZipRecord& r : list) records[r.name] = &r;
  bool script = records.contains(top + "constants.pkl") ||
                std::any_of(list.begin(), list.end(),
                            [&](const ZipRecord& r) { return r.name.starts_with(top + "code/"); });
  if (script) {
    file->reject(
        "is a TorchScript program, not a checkpoint. In Python: "
        "torch.save(torch.jit.load(path).state_dict(), other)");
  }
  check_version(*file, records, top, options);
  check_byte_order(*file, records, top, options);

  std::string pickled = read_record(*file, *records.at(top + "data.pkl"), options);
  pickle::Tree tree = pickle::parse(pickled, str(printable(file->path()), ": ", printable(top), "data.pkl"));
  if (tree.end != pickled.size()) {
    file->reject("data.pkl: ", pickled.size() - tree.end, " bytes follow the pickle's STOP at byte ",
                 tree.end);
  }

  auto content = std::make_unique<Content>();
  content->path = file->path();
  content->format = "torch zip";
  content->file = file;
  std::map<std::string, size_t> blocks;
  for (const auto& [key, storage] : torch_storages(*file, tree)) {
    auto found = records.find(str(top, "data/", key));
    if (found == records.end())
      file->reject("storage ", printable(key), ": the record data/", printable(key), " is missing");
    const ZipRecord& record = *found->second;
    int64_t expected = storage.elements * storage.type->bytes;
    if (record.bytes != expected) {
      file->reject("storage ", printable(key), ": the record data/", printable(key), " has ", record.bytes,
                   " bytes, ", storage.elements, " elements of ", storage.type->storage, " need ", expected);
    }
    blocks[key] = content->blocks.size();
    Block block{file, record.begin, record.bytes, {}, str("data/", key)};
    if (options.check) block.crc32 = record.crc32;
    content->blocks.push_back(std::move(block));
  }
  for (const NamedTorchTensor& t :
       state_dict(*file, tree, options.key, rebuild_calls(*file, tree), content->warnings)) {
    add_stored_tensor(*content, t, tree, blocks);
  }
  content->finish();
  return content;
}

}  // namespace graft::weights
