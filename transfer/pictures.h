// Pictures in memory, decoded once: epochs read them from here, not from the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace graft::data {
struct Image;
}

namespace graft::transfer {

struct PictureSet {
  std::vector<std::string> classes;
  std::vector<std::string> files;   // a name for each picture, for reports
  std::vector<int64_t> labels;      // class indices
  std::vector<std::shared_ptr<const data::Image>> pixels;  // of any size

  int64_t size() const { return static_cast<int64_t>(pixels.size()); }
};

// Splits by seed, class by class: the first holds round(share * count) pictures of each class (at least one of each class
// that has two or more), the second the rest. Pixels are shared, not copied.
std::pair<PictureSet, PictureSet> split(const PictureSet& all, double share, uint64_t seed);

}  // namespace graft::transfer
