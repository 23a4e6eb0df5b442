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
#include "transfer/examples.h"
#include "transfer/result.h"

namespace graft::transfer {

struct PictureSet : Labelled {
  std::vector<std::shared_ptr<const data::Image>> pixels;  // of any size

  int64_t size() const { return static_cast<int64_t>(pixels.size()); }
};

// Reads and decodes in parallel, and keeps each picture at the size that `preprocess` resizes to: a phone's
// photo of 12 megapixels takes 260 KB, and what the network sees stays the same to the bit. Phase "read" of
// the progress.
PictureSet load_pictures(const data::Dataset& dataset, std::span<const data::Sample> samples,
                         const data::Preprocess& preprocess, const OnProgress& on_progress = {});

// Splits as split_indices. Pixels are shared, not copied.
std::pair<PictureSet, PictureSet> split(const PictureSet& all, double share, uint64_t seed);

// Batches, made in parallel; `which` are indices. Inputs are f32 [which.size(), crop, crop, planes].
Tensor inputs(const PictureSet& set, std::span<const int64_t> which, const data::Preprocess& preprocess);
// A picture's random numbers are named by (seed, epoch, its index): they depend neither on threads nor on its
// batch.
Tensor augmented_inputs(const PictureSet& set, std::span<const int64_t> which,
                        const data::Preprocess& preprocess, const data::Augment& augment, uint64_t seed,
                        uint64_t epoch);

// Names the set: SHA-256 over classes, files, labels and pixels.
std::string content_sha256(const PictureSet& set);

// Pictures as the training loop takes them.
class PictureExamples : public Examples {
 public:
  PictureExamples(PictureSet set, data::Preprocess preprocess, data::Augment augment = {})
      : set_(std::move(set)), preprocess_(preprocess), augment_(augment) {}

  const Labelled& labelled() const override { return set_; }
  Samples samples() const override { return Samples::pictures; }
  Tensor inputs(std::span<const int64_t> which) const override {
    return transfer::inputs(set_, which, preprocess_);
  }
  Tensor augmented(std::span<const int64_t> which, uint64_t seed, uint64_t epoch) const override {
    return augmented_inputs(set_, which, preprocess_, augment_, seed, epoch);
  }
  std::string describe() const override;
  std::string describe_augmentation() const override;
  std::string content_sha256() const override { return transfer::content_sha256(set_); }
  std::unique_ptr<Examples> part(std::span<const int64_t> which) const override;

 private:
  PictureSet set_;
  data::Preprocess preprocess_;
  data::Augment augment_;
};

}  // namespace graft::transfer
