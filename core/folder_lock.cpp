#include "core/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/file.h"

namespace graft {

FolderLock::FolderLock(const std::string& folder) : path_(folder + "/lock") {
  make_folders(folder);
  while (true) {
    do {
      descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EINTR);
    GRAFT_CHECK_AS(DiskError, descriptor_ >= 0, "cannot write ", printable(path_), ": ",
                   std::strerror(errno));
    int locked = 0;
    do {
      locked = ::flock(descriptor_, LOCK_EX | LOCK_NB);
    } while (locked != 0 && errno == EINTR);
    if (locked != 0) break;
    // Whoever held it before takes the file away: then this is a lock on a file that nobody else sees.
    struct stat held {
    }, there{};
    if (::fstat(descriptor_, &held) == 0 && ::stat(path_.c_str(), &there) == 0 && held.st_ino == there.st_ino)
      return;
    ::close(descriptor_);
  }
  int reason = errno;
  ::close(descriptor_);
  GRAFT_CHECK_AS(DiskError, reason != EWOULDBLOCK, printable(folder),
                 ": another run keeps its files here now; wait for it, or name another folder");
  fail<DiskError>("cannot lock ", printable(path_), ": ", std::strerror(reason));
}

FolderLock::~FolderLock() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace graft
