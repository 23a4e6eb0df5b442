#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace graft {
namespace {

std::string reason(int code) {
  return std::strerror(code);
}

// Closed on every way out; `close` that fails is reported where it matters.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// 0, or the errno of what failed.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

bool is_special(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// A new, empty file beside `path`, with the permissions that the process gives to new files; -1 and errno
// where it cannot be made.
int create_beside(const std::string& path, std::string& name) {
  static std::atomic<int> count{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    name = str(path, ".", ::getpid(), "-", count++, ".part");
    int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

void write_directly(const std::string& path, std::string_view bytes) {
  Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  int error = file.fd < 0 ? errno : write_all(file.fd, bytes);
  if (error) fail<DiskError>(path, ": cannot be written (", reason(error), ")");
}

}  // namespace

void write_file(const std::string& name, std::string_view bytes) {
  if (is_special(name)) return write_directly(name, bytes);
  std::error_code ignored;
  std::string path = name;  // of a link, its target is replaced, not the link
  if (std::filesystem::is_symlink(name, ignored)) path = std::filesystem::weakly_canonical(name).string();
  std::string beside;
  Descriptor file{create_beside(path, beside)};
  if (file.fd < 0) fail<DiskError>(path, ": cannot be written (", reason(errno), ")");
  int error = write_all(file.fd, bytes);
  if (!error && ::fsync(file.fd) != 0) error = errno;
  if (!error && ::close(std::exchange(file.fd, -1)) != 0) error = errno;
  if (!error && ::rename(beside.c_str(), path.c_str()) != 0) error = errno;
  if (error) {
    ::unlink(beside.c_str());
    fail<DiskError>(path, ": cannot be written (", reason(error), ", ",
                    bytes_text(static_cast<double>(bytes.size())), " needed); nothing there was changed");
  }
  Descriptor folder{::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.fd >= 0)
    ::fsync(folder.fd);  // the new name itself survives a power cut where the disk is honest
}

void require_writable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) fail<DiskError>(path, ": is a folder; give the name of a file");
    if (!S_ISREG(info.st_mode)) {
      if (::access(path.c_str(), W_OK) != 0)
        fail<DiskError>(path, ": cannot be written (", reason(errno), ")");
      return;
    }
  }
  std::string folder = folder_of(path);
  if (::stat(folder.c_str(), &info) != 0) {
    fail<DiskError>(path, ": the folder ", folder, " cannot be used (", reason(errno), "); create it first");
  }
  if (!S_ISDIR(info.st_mode)) fail<DiskError>(path, ": ", folder, " is not a folder");
  std::string probe;
  int fd = create_beside(path, probe);  // a real file: access() asks about rights only
  if (fd < 0) fail<DiskError>(path, ": nothing can be written in ", folder, " (", reason(errno), ")");
  ::close(fd);
  ::unlink(probe.c_str());
}

}  // namespace graft
