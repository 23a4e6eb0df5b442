#include "core/atomic_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/file.h"

namespace graft {
namespace {

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// What the temporary files for a path begin with: a name of at most 255 bytes with the rest of it.
std::string temporary_stem(const std::string& path) {
  return str(".", path.substr(path.rfind('/') + 1).substr(0, 200), ".");
}

// A system call that a signal interrupted is made again.
template <class Call>
auto again(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// ", 3.2 MiB are free there", where that is the trouble.
std::string space_left(const std::string& path, int error) {
  struct statvfs info {};
  if ((error != ENOSPC && error != EDQUOT) || ::statvfs(folder_of(path).c_str(), &info) != 0) return "";
  return str(", ", bytes_text(static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize)),
             " are free there");
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
  do {
    open_temporary();
  } while (descriptor_ < 0);
}

// Leaves descriptor_ at -1 where the file was taken for a leftover before it was locked.
void AtomicFile::open_temporary() {
  // Two savers of one path must not share a temporary file: the process and a counter name it.
  static std::atomic<int> counter{0};
  temporary_ = str(folder_of(path_), "/", temporary_stem(path_), ::getpid(), ".", counter++, ".tmp");
  descriptor_ =
      again([&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
  // A killed process of the same number may have left one of this name.
  if (descriptor_ < 0 && errno == EEXIST) return;
  if (descriptor_ < 0) fail<DiskError>("cannot write ", printable(path_), ": ", std::strerror(errno));
  // The lock says that the writer lives. A file system without locks does not clear up after the dead either.
  struct stat info {};
  if (again([&] { return ::flock(descriptor_, LOCK_EX); }) == 0 && ::fstat(descriptor_, &info) == 0 &&
      info.st_nlink == 0) {
    ::close(descriptor_);
    descriptor_ = -1;
  }
}

void AtomicFile::remove_leftovers(const std::string& path) {
  std::string stem = temporary_stem(path);
  std::vector<std::string> names;
  try {
    names = names_in(folder_of(path));
  } catch (const DiskError&) {
    return;  // a folder that may be written to but not read
  }
  for (const std::string& name : names) {
    if (!name.starts_with(stem) || !name.ends_with(".tmp")) continue;
    if (name.find_first_not_of("0123456789.", stem.size()) != name.size() - 3) continue;
    std::string leftover = str(folder_of(path), "/", name);
    int file = ::open(leftover.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) continue;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(leftover.c_str());
    ::close(file);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::give_up(const std::string& doing, int error) {
  fail<DiskError>("cannot write ", printable(path_), ": ", doing, " failed after ", written_,
                  " bytes: ", std::strerror(error), space_left(path_, error),
                  "; what was there before is untouched");
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
  if (again([&] { return ::fsync(descriptor_); }) != 0) give_up("synchronising", errno);
  int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) give_up("closing", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("renaming", errno);
  committed_ = true;
  sync_folder(folder_of(path_));
}

void sync_folder(const std::string& folder) {
  auto give_up = [&](int error) {
    fail<DiskError>("cannot make durable what was written to ", printable(folder), ": ", std::strerror(error),
                    space_left(folder + "/", error));
  };
  int opened = again([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (opened < 0 && errno == EACCES) return;
  if (opened < 0) give_up(errno);
  int error = again([&] { return ::fsync(opened); }) == 0 ? 0 : errno;
  ::close(opened);
  if (error != 0 && error != EINVAL && error != EROFS && error != ENOTSUP) give_up(error);
}

}  // namespace graft
