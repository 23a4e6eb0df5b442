// A file opened for reading, by position. Nothing is mapped into memory: a file that shrinks while it is read
// gives an error, not a crash.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/error.h"

namespace graft::weights {

class File {
 public:
  // Regular files only: a folder, a pipe or a device is a DataError, and opening never waits.
  static std::shared_ptr<const File> open(const std::string& path);
  // Bytes that are in memory already and outlive the file; `name` stands in messages.
  static std::shared_ptr<const File> in_memory(const std::string& name, std::span<const uint8_t> bytes);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  // Exactly `bytes` bytes from `offset`; DataError where the file has fewer.
  void read(int64_t offset, void* to, int64_t bytes) const;
  std::string read(int64_t offset, int64_t bytes) const;
  // Up to `bytes` bytes from the start: enough to recognise a format.
  std::string head(int64_t bytes) const;
  // Calls f(data, bytes) for the range, piece by piece.
  template <class F>
  void for_each_piece(int64_t offset, int64_t bytes, F&& f) const {
    std::string piece;
    for (int64_t done = 0; done < bytes; done += static_cast<int64_t>(piece.size())) {
      piece = read(offset + done, std::min<int64_t>(bytes - done, int64_t{1} << 20));
      f(piece.data(), piece.size());
    }
  }
  // Of the whole file, 64 hexadecimal digits.
  std::string sha256() const;

  // Throws a DataError that starts with the path.
  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    fail<DataError>(printable(path_), ": ", parts...);
  }

 private:
  File(std::string path, int descriptor, int64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}
  std::string path_;
  int descriptor_;  // -1: in memory
  int64_t size_;
  const uint8_t* memory_ = nullptr;
};

}  // namespace graft::weights
