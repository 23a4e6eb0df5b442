#include "weights/checkpoint.h"

#include <sys/stat.h>

#include "weights/content.h"

namespace graft::weights {
namespace {

bool is_tar(std::string_view head) {
  return head.size() >= 512 && head.substr(257, 5) == "ustar";
}

// A header length below 2^32, then JSON. Asked first: the length's low bytes can look like any other format's
// mark.
bool is_safetensors(std::string_view head) {
  return head.size() > 8 && head.substr(4, 4) == std::string_view("\0\0\0\0", 4) &&
         std::string_view("{ \t\r\n").find(head[8]) != std::string_view::npos;
}

// What people have by mistake where a checkpoint should be, with what to do about it.
void refuse_other_kinds(const File& file, std::string_view head) {
  auto starts = [&](std::string_view magic) { return head.starts_with(magic); };
  if (head.empty()) file.reject("is empty: 0 bytes");
  if (starts("version https://git-lfs")) {
    file.reject("is a Git LFS pointer, not the file itself: run git lfs pull, or download the file");
  }
  std::string_view text = head.substr(std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  std::string lower;
  for (char c : text.substr(0, 15)) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.starts_with("<?xml")) {
    file.reject("is a web page, not a checkpoint: the download got an error or a login page");
  }
  if (starts("\x1f\x8b")) file.reject("is compressed with gzip: unpack it first (gunzip)");
  if (starts("BZh")) file.reject("is compressed with bzip2: unpack it first (bunzip2)");
  if (starts("\xFD"
             "7zXZ"))
    file.reject("is compressed with xz: unpack it first (unxz)");
  if (starts("\x28\xB5\x2F\xFD")) file.reject("is compressed with zstd: unpack it first (unzstd)");
  if (starts("\x89HDF\r\n")) {
    file.reject("is an HDF5 file (Keras .h5), which graft does not read; export the weights to safetensors");
  }
  if (starts("\x93NUMPY")) file.reject("is a numpy array (.npy), not a checkpoint");
  if (starts("GGUF"))
    file.reject("is a GGUF file, which graft does not read; take the safetensors form of the model");
  if (starts("GIF8")) file.reject("is a GIF picture, not a checkpoint");
  if (starts("\xFF\xD8\xFF")) file.reject("is a JPEG picture, not a checkpoint");
  if (starts("\x89PNG")) file.reject("is a PNG picture, not a checkpoint");
  if (starts("%PDF")) file.reject("is a PDF document, not a checkpoint");
}

std::unique_ptr<Content> read_content(const std::shared_ptr<const File>& file, const OpenOptions& options) {
  std::string head = file->head(512);
  if (is_safetensors(head)) return read_safetensors(file, options);
  refuse_other_kinds(*file, head);
  if (head.starts_with("PK\3\4") || head.starts_with("PK\5\6")) return read_torch_zip(file, options);
  if (is_tar(head)) return read_torch_tar(file, options);
  // Any pickle: where it is not torch's, the legacy reader says what it holds instead.
  if (head.starts_with('\x80')) return read_torch_legacy(file, options);
  size_t first = head.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && head[first] == '{') return read_sharded(file, options);
  return read_safetensors(file, options);
}

// In a folder, the file that Hugging Face's tools would take.
std::string in_folder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return path;
  for (const char* name : {"model.safetensors.index.json", "model.safetensors", "pytorch_model.bin"}) {
    std::string inside = str(path, path.ends_with('/') ? "" : "/", name);
    if (::stat(inside.c_str(), &info) == 0) return inside;
  }
  fail<DataError>(printable(path),
                  ": the folder holds neither model.safetensors.index.json, model.safetensors nor "
                  "pytorch_model.bin; name the checkpoint file");
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path, const OpenOptions& options) {
  GRAFT_CHECK_AS(DataError, path.find('\0') == std::string::npos, printable(path), ": the path holds a NUL");
  return open_file(File::open(in_folder(path)), options);
}

Checkpoint Checkpoint::from_bytes(const std::string& name, std::span<const uint8_t> bytes,
                                  const OpenOptions& options) {
  return open_file(File::in_memory(name, bytes), options);
}

Checkpoint Checkpoint::open_file(const std::shared_ptr<const File>& file, const OpenOptions& options) {
  if (!options.sha256.empty()) {
    std::string found = file->sha256();
    if (found != options.sha256)
      file->reject("its SHA-256 is ", found, ", expected ", printable(options.sha256));
  }
  Checkpoint checkpoint;
  checkpoint.content_ = read_content(file, options);
  return checkpoint;
}

const std::vector<Entry>& Checkpoint::entries() const {
  return content_->entries;
}

const Entry* Checkpoint::find(std::string_view name) const {
  auto found = content_->index.find(name);
  return found == content_->index.end() ? nullptr : &content_->entries[found->second];
}

size_t Checkpoint::index_of(std::string_view name) const {
  auto found = content_->index.find(name);
  if (found == content_->index.end()) content_->file->reject("holds no tensor named ", printable(name));
  return found->second;
}

Tensor Checkpoint::read(std::string_view name, Device device) const {
  return content_->read(index_of(name)).to(device);
}

void Checkpoint::read_pieces(
    std::string_view name, int64_t most,
    const std::function<void(int axis, int64_t begin, int64_t end, const Tensor& piece)>& on_piece) const {
  content_->read_pieces(index_of(name), most, on_piece);
}

const std::map<std::string, std::string>& Checkpoint::metadata() const {
  return content_->metadata;
}
const std::string& Checkpoint::format() const {
  return content_->format;
}
const std::string& Checkpoint::path() const {
  return content_->path;
}
const std::vector<std::string>& Checkpoint::warnings() const {
  return content_->warnings;
}
std::string Checkpoint::sha256() const {
  return content_->file->sha256();
}

}  // namespace graft::weights
