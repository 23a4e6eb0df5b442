// The tar container of PyTorch's first files (2016-2017): a few plain members. Format: POSIX.1-1988 ustar,
// and the pax headers of POSIX.1-2001 that Python's tarfile writes.
#pragma once

#include <string>
#include <vector>

#include "weights/file.h"

namespace graft::weights {

struct TarMember {
  std::string name;
  int64_t begin = 0;  // of its bytes, in the file
  int64_t bytes = 0;
};

// All members; regular files with plain, different names only. Does not read their bytes.
std::vector<TarMember> read_tar(const File& file);

}  // namespace graft::weights
