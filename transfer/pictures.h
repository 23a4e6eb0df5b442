// Pictures in memory, decoded once: epochs read them from here, not from the disk.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "data/dataset.h"
#include "transfer/result.h"

namespace graft::transfer {

struct PictureSet {
  std::vector<std::string> classes;
  std::vector<std::string> files;                          // a name for each picture, for reports
  std::vector<int64_t> labels;                             // class indices
  std::vector<std::shared_ptr<const data::Image>> pixels;  // of any size

  int64_t size() const { return static_cast<int64_t>(pixels.size()); }
};

// Reads and decodes in parallel, and keeps each picture at the size that `preprocess` resizes to: a phone's
// photo of 12 megapixels takes 260 KB, and what the network sees stays the same to the bit. Phase "read" of
// the progress.
PictureSet load_pictures(const data::Dataset& dataset, std::span<const data::Sample> samples,
                         const data::Preprocess& preprocess, const OnProgress& on_progress = {});

// Splits by seed, class by class: the first holds round(share * count) pictures of each class, but never all
// and, where share > 0 and there are two or more, never none. Pixels are shared, not copied.
std::pair<PictureSet, PictureSet> split(const PictureSet& all, double share, uint64_t seed);

// Batches, made in parallel; `which` are indices. Inputs are f32 [which.size(), crop, crop, 3], labels i64.
Tensor inputs(const PictureSet& set, std::span<const int64_t> which, const data::Preprocess& preprocess);
// A picture's random numbers are named by (seed, epoch, its index): they depend neither on threads nor on its
// batch.
Tensor augmented_inputs(const PictureSet& set, std::span<const int64_t> which,
                        const data::Preprocess& preprocess, const data::Augment& augment, uint64_t seed,
                        uint64_t epoch);
Tensor labels(const PictureSet& set, std::span<const int64_t> which);

// Names the set: SHA-256 over classes, files, labels and pixels.
std::string content_sha256(const PictureSet& set);

}  // namespace graft::transfer
