#include "weights/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/sha256.h"

namespace graft::weights {

std::shared_ptr<const File> File::open(const std::string& path) {
  std::string shown = printable(path);
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  GRAFT_CHECK_AS(DataError, descriptor >= 0, shown, ": cannot open: ", std::strerror(errno));
  struct stat info {};
  bool known = ::fstat(descriptor, &info) == 0;
  std::shared_ptr<const File> file(
      new File(path, descriptor, known ? static_cast<int64_t>(info.st_size) : 0));
  if (!known) file->reject("cannot be examined: ", std::strerror(errno));
  if (S_ISDIR(info.st_mode)) file->reject("is a folder; name a checkpoint file");
  if (!S_ISREG(info.st_mode)) file->reject("is a pipe or a device; a checkpoint must be a regular file");
  return file;
}

std::shared_ptr<const File> File::in_memory(const std::string& name, std::span<const uint8_t> bytes) {
  std::shared_ptr<File> file(new File(name, -1, static_cast<int64_t>(bytes.size())));
  file->memory_ = bytes.data();
  return file;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::read(int64_t offset, void* to, int64_t bytes) const {
  auto* target = static_cast<char*>(to);
  if (memory_ != nullptr) {
    if (offset < 0 || bytes > size_ - offset)
      reject("ends at byte ", size_, ", ", bytes, " bytes expected at ", offset);
    std::memcpy(target, memory_ + offset, static_cast<size_t>(bytes));
    return;
  }
  while (bytes > 0) {
    ssize_t got = ::pread(descriptor_, target, static_cast<size_t>(bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) reject("reading at byte ", offset, " failed: ", std::strerror(errno));
    if (got == 0) reject("ends at byte ", offset, ", ", bytes, " more expected");
    target += got;
    offset += got;
    bytes -= got;
  }
}

std::string File::read(int64_t offset, int64_t bytes) const {
  // Checked before anything is allocated: the length may come from the file.
  if (bytes < 0 || offset < 0 || offset > size_ || bytes > size_ - offset) {
    reject("ends at byte ", size_, ", ", bytes, " bytes expected at ", offset);
  }
  std::string text(static_cast<size_t>(bytes), '\0');
  read(offset, text.data(), bytes);
  return text;
}

std::string File::head(int64_t bytes) const {
  return read(0, std::min(bytes, size_));
}

std::string File::sha256() const {
  Sha256 hash;
  for_each_piece(0, size_, [&](const char* data, size_t n) { hash.add(data, n); });
  return hash.hex();
}

}  // namespace graft::weights
