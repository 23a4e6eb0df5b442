#include "core/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>

#include "core/atomic_file.h"
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

void write_directly(const std::string& path, std::string_view bytes) {
  Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  int error = file.fd < 0 ? errno : write_all(file.fd, bytes);
  if (error) fail<DiskError>(path, ": cannot be written (", reason(error), ")");
}

// Of the folders that lead to `whole`, this one and those above it.
void make_missing(const std::filesystem::path& path, const std::string& whole) {
  std::error_code error;
  if (path.empty() || std::filesystem::is_directory(path, error)) return;
  std::filesystem::path above = path.parent_path();
  if (above != path) make_missing(above, whole);
  // The last name of "a/b/" is none.
  if (!path.has_filename() || std::filesystem::is_directory(path, error)) return;
  bool made = std::filesystem::create_directory(path, error);
  GRAFT_CHECK_AS(DiskError, !error, printable(whole),
                 ": the folder cannot be made: ", path == whole ? "" : printable(path.string()) + ": ",
                 error.message());
  if (made) sync_folder(folder_of(path.string()));
}

}  // namespace

void write_file(const std::string& path, std::string_view bytes) {
  if (is_special(path)) return write_directly(path, bytes);
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
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
  AtomicFile probe(path);  // a real file, removed again: access() asks about rights only
}

void make_folders(const std::string& folder) {
  make_missing(folder, folder);
}

// Not std::filesystem's iterator: where that gets no memory it ends the process, or hides the names behind
// it.
std::vector<std::string> names_in(const std::string& folder) {
  DIR* stream = nullptr;
  do {
    stream = ::opendir(folder.c_str());
  } while (!stream && errno == EINTR);
  std::unique_ptr<DIR, int (*)(DIR*)> opened(stream, ::closedir);
  if (!opened && (errno == ENOENT || errno == ENOTDIR)) return {};
  if (!opened && errno == ENOMEM) throw std::bad_alloc();
  std::vector<std::string> out;
  while (opened) {
    errno = 0;
    const dirent* entry = ::readdir(opened.get());
    if (!entry && errno == 0) return out;
    if (!entry) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(std::move(name));
  }
  fail<DiskError>(printable(folder), ": cannot be read (", reason(errno), ")");
}

void move_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    fail<DiskError>(printable(to), ": cannot be written (", reason(errno), ")");
  sync_folder(folder_of(to));
}

}  // namespace graft
