// A file that appears whole or not at all: written beside its place under another name, synchronised, then
// renamed. A crash or a full disk leaves what was there before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace graft {

class AtomicFile {
 public:
  // DiskError where the folder does not exist or cannot be written to. A symbolic link is followed: its
  // target is replaced.
  explicit AtomicFile(const std::string& path);
  // Removes the temporary file unless commit() has run.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // DiskError, naming the path and how many bytes were written, where the disk is full or fails.
  void write(const void* data, int64_t bytes);
  void write(std::string_view text) { write(text.data(), static_cast<int64_t>(text.size())); }
  // Replaces bytes that were written before.
  void rewrite(int64_t offset, std::string_view text);
  int64_t written() const { return written_; }
  // Makes the file durable, then visible, and then its name durable. DiskError as above.
  void commit();
  // Takes away what a process that was killed left half-written for `path`; what a living one writes now is
  // let be.
  static void remove_leftovers(const std::string& path);

 private:
  void open_temporary();
  [[noreturn]] void give_up(const std::string& doing, int error);
  void write_at(const void* data, int64_t bytes, int64_t offset);
  std::string path_, temporary_;
  int descriptor_ = -1;
  int64_t written_ = 0;
  bool committed_ = false;
};

// Makes the names in a folder durable: files that were created, renamed or removed there stay so after a loss
// of power. Throws DiskError; where the file system cannot do that, or the folder may not be read, nothing.
void sync_folder(const std::string& folder);

}  // namespace graft
