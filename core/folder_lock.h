// One process at a time in a folder.
#pragma once

#include <string>

namespace graft {

// Held until it is destroyed, or the process ends in whatever way.
class FolderLock {
 public:
  // Makes the folder where it is missing, and a file `lock` in it. Throws DiskError where it cannot, and
  // where another process, or another FolderLock, holds it.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace graft
