// The zip container as torch.save writes it: stored records, zip64 records at the end, sizes only in the
// central directory. Everything that two readers could understand differently is refused: two directories,
// local headers that disagree with the central one, overlapping records, bytes that no record accounts for.
// Format: PKWARE APPNOTE.TXT 6.3.
#pragma once

#include <string>
#include <vector>

#include "weights/file.h"

namespace graft::weights {

struct ZipRecord {
  std::string name;
  int64_t begin = 0;  // of its bytes, in the file
  int64_t bytes = 0;
  uint32_t crc32 = 0;
};

// All records, in the directory's order, their names unique and relative. Does not read their bytes.
std::vector<ZipRecord> read_zip(const File& file);

}  // namespace graft::weights
