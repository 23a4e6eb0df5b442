// A checkpoint that somebody published: names, types and shapes of its tensors, and their elements on
// request. The format is recognised by content, never by the file's name. Nothing in a file is ever executed,
// no other path is opened than the one given (and the shards that an index beside it lists), and a malformed
// file is a DataError that says where, what was found and what was expected.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace graft::weights {

struct OpenOptions {
  // Which part of a nested checkpoint holds the tensors, such as "state_dict" or "generator.state_dict".
  // Needed only where there is more than one candidate; the error then lists them.
  std::string key = {};
  // Check the CRC-32 of zip records and the SHA-256 of files that graft wrote. Off only for files known to
  // carry none.
  bool check = true;
  // Expected SHA-256 of the whole file, 64 hexadecimal digits; empty: none is expected.
  std::string sha256 = {};
};

// One tensor of a checkpoint, under the publisher's name and in the publisher's layout.
struct Entry {
  std::string name;
  DType dtype = DType::f32;    // meaningless while `problem` says something
  Shape shape;                 // the same
  int64_t bytes = 0;           // of its elements
  std::string stored_dtype;    // in the file's own words: "BF16", "torch.HalfStorage"
  std::vector<int64_t> sizes;  // the shape, of any rank
  std::string problem;  // why read() refuses it: a type or a rank that the engine lacks; empty: readable
  std::string origin;   // of a rearranged checkpoint: which part of which tensor of the file this is
};
// "conv1.weight f32[64, 3, 7, 7]"
std::string to_text(const Entry& entry);

// A part of a checkpoint's tensor under another name.
struct Piece {
  std::string name;
  std::string source;             // the tensor's name in the file
  int64_t begin = 0, count = -1;  // along the first axis; -1: all of it
  bool transposed = false;        // a matrix only
};

class File;      // weights/file.h
struct Content;  // weights/content.h: what a reader found

// Cheap to copy. Reading is lazy: open() reads headers, read() the elements of one tensor. read() may be
// called from several threads.
class Checkpoint {
 public:
  // A .safetensors file; a sharded one by its index (model.safetensors.index.json) or its folder; a .pth file
  // as torch.save writes it (zip), as it did before PyTorch 1.6 (a sequence of pickles) or in 2017 (tar).
  static Checkpoint open(const std::string& path, const OpenOptions& options = {});
  // The same for one file's bytes that are in memory already and stay there; `name` stands in messages.
  static Checkpoint from_bytes(const std::string& name, std::span<const uint8_t> bytes,
                               const OpenOptions& options = {});

  const std::vector<Entry>& entries() const;
  const Entry* find(std::string_view name) const;  // null where there is none
  // The elements, contiguous, in the published layout and the file's type. DataError where the name is
  // unknown, the type or rank is not one of the engine's, or the bytes are not those that were written.
  Tensor read(std::string_view name, Device device = kCpu) const;
  // The same elements in pieces of about `most` bytes (never less than one row), so that a large tensor costs
  // no memory of its own: on_piece gets the indices [begin, end) of one axis, one piece behind the other; a
  // scalar is a row of one. The piece is a view that is gone after the call. Where the file is damaged, that
  // may come out after the last piece.
  void read_pieces(
      std::string_view name, int64_t most,
      const std::function<void(int axis, int64_t begin, int64_t end, const Tensor& piece)>& on_piece) const;

  // The same file seen as these tensors, for publishers who cut them in another way than the engine does.
  // Nothing is read. Throws DataError, naming the piece, where the file has no such part.
  Checkpoint rearranged(const std::vector<Piece>& pieces) const;

  const std::map<std::string, std::string>& metadata() const;  // of safetensors; empty for the others
  const std::string& format()
      const;  // "safetensors", "safetensors, 2 shards", "torch zip", "torch legacy", "torch tar"
  const std::string& path() const;
  const std::vector<std::string>& warnings() const;
  std::string sha256() const;  // of the file's bytes (of the index, for a sharded one); reads all of it

 private:
  size_t index_of(std::string_view name) const;
  static Checkpoint open_file(const std::shared_ptr<const File>& file, const OpenOptions& options);
  std::shared_ptr<const Content> content_;
};

}  // namespace graft::weights
