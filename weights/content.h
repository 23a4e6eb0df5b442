// What every reader produces and Checkpoint serves: tensors as strided views of ranges of files. A reader
// fills it without reading any element.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/file.h"

namespace graft::weights {

// A run of bytes in a file: a storage, or one safetensors tensor.
struct Block {
  std::shared_ptr<const File> file;
  int64_t begin = 0;
  int64_t bytes = 0;
  std::optional<uint32_t> crc32;
  std::string name;  // for messages: "data/0"
};

// Which elements of a block a tensor shows.
struct View {
  size_t block = 0;
  int64_t offset = 0;            // in elements
  std::vector<int64_t> strides;  // in elements, >= 0; as many as sizes
};

struct Content {
  std::string path;
  std::string format;
  std::shared_ptr<const File> file;
  std::vector<Entry> entries;
  std::vector<View> views;  // of each entry
  std::vector<Block> blocks;
  std::map<std::string, std::string> metadata;
  std::vector<std::string> warnings;
  std::unordered_map<std::string_view, size_t> index;  // by name; made by finish()

  // The last step of every reader: judges types and ranks, and that names are unique.
  void finish();
  Tensor read(size_t entry) const;
  // The tensor's elements in pieces of about `most` bytes, as Checkpoint::read_pieces says.
  using OnPiece = std::function<void(int axis, int64_t begin, int64_t end, const Tensor& piece)>;
  void read_pieces(size_t entry, int64_t most, const OnPiece& on_piece) const;

 private:
  void require_readable(const Entry& entry) const;
  void verify(size_t block) const;
  mutable std::mutex mutex_;
  mutable std::vector<bool> verified_;
};

// Product of the sizes times `element` bytes, or nothing where it does not fit in 63 bits. A zero among the
// sizes hides no overflow: the answer does not depend on the order.
std::optional<int64_t> checked_bytes(const std::vector<int64_t>& sizes, int64_t element);
uint32_t crc32_of(std::string_view bytes);
// DataError where they differ.
void check_crc(const File& file, std::string_view name, uint32_t found, uint32_t expected);
// "[64, 3, 7, 7]"
std::string shape_text(const std::vector<int64_t>& sizes);
std::vector<int64_t> row_major_strides(const std::vector<int64_t>& sizes);
// A tensor's name that every reader and writer accepts: not empty, valid UTF-8, no control character.
// Otherwise what is wrong.
std::optional<std::string> name_problem(std::string_view name);

constexpr int kMaxListedRank = 64;       // more axes than this is no tensor
constexpr size_t kMaxTensors = 100'000;  // in one file
// Bytes of a view that shows its storage's elements more than once.
constexpr int64_t kMaxExpanded = 64 << 20;

// The readers, by format.
std::unique_ptr<Content> read_safetensors(const std::shared_ptr<const File>& file,
                                          const OpenOptions& options);
std::unique_ptr<Content> read_sharded(const std::shared_ptr<const File>& index, const OpenOptions& options);
std::unique_ptr<Content> read_torch_zip(const std::shared_ptr<const File>& file, const OpenOptions& options);
std::unique_ptr<Content> read_torch_legacy(const std::shared_ptr<const File>& file,
                                           const OpenOptions& options);
std::unique_ptr<Content> read_torch_tar(const std::shared_ptr<const File>& file, const OpenOptions& options);

}  // namespace graft::weights
