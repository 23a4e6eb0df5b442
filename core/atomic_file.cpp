#include "core/atomic_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace graft {
namespace {

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    if (char* real = ::realpath(path.c_str(), nullptr)) {
      path_ = real;
      std::free(real);
    }
  }
  if (path_.empty() || path_.back() == '/' || (::stat(path_.c_str(), &info) == 0 && S_ISDIR(info.st_mode))) {
    fail<DiskError>("cannot write ", printable(path), ": it is a folder; name a file");
  }
  // Two savers of one path must not share a temporary file: the process and a counter name it.
  static std::atomic<int> counter{0};
  std::string folder = folder_of(path_);
  temporary_ = str(folder, "/.", path_.substr(path_.rfind('/') + 1).substr(0, 200), ".", ::getpid(), ".",
                   counter++, ".tmp");
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail<DiskError>("cannot write ", printable(path_), ": ", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::give_up(const std::string& doing, int error) {
  fail<DiskError>("cannot write ", printable(path_), ": ", doing, " failed after ", written_,
                  " bytes: ", std::strerror(error), "; what was there before is untouched");
}

void AtomicFile::write_at(const void* data, int64_t bytes, int64_t offset) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    ssize_t done = ::pwrite(descriptor_, from, static_cast<size_t>(bytes), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) give_up(str("writing ", bytes, " more bytes"), done < 0 ? errno : ENOSPC);
    from += done;
    offset += done;
    bytes -= done;
    written_ = std::max<int64_t>(written_, offset);
  }
}

void AtomicFile::write(const void* data, int64_t bytes) {
  write_at(data, bytes, written_);
}

void AtomicFile::rewrite(int64_t offset, std::string_view text) {
  write_at(text.data(), static_cast<int64_t>(text.size()), offset);
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) give_up("synchronising", errno);
  int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) give_up("closing", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("renaming", errno);
  committed_ = true;
  // The new name is durable only once the folder is. Some file systems cannot do that; the file itself is
  // whole all the same.
  int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

}  // namespace graft
