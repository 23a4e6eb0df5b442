// A folder of pictures as a data set: its classes, its split, its batches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "data/transform.h"

namespace graft::data {

struct Sample {
  std::string file;  // relative to the data set's root, with / between its parts
  int64_t label = 0;
  bool operator==(const Sample&) const = default;
};

struct Dataset {
  std::string root;
  // In byte order, as Python's sorted() and torchvision's ImageFolder have them.
  std::vector<std::string> classes;
  std::vector<Sample> train, test;  // each by class, then by file name in byte order
  std::string test_from;            // "test", "val", or "split" where the folder has neither
  int64_t ignored = 0;              // files that are no .jpg, .jpeg or .png by name
  std::string path(const Sample& sample) const { return root + "/" + sample.file; }
};

struct DatasetOptions {
  double test_share = 0.2;  // held out of each class where there is no test/ or val/; 0: nothing
  uint64_t seed = 0;        // of that split
};

// Scans a folder of class folders, or one with train/ and test/ (or val/, or validation/) inside. A class is
// a folder with pictures in it, deeper folders included; names that begin with a dot are passed over. A class
// of train/ may be missing in test/. Throws DataError, saying what was found and what to do, for: a missing
// folder, no class folders, one class, a class without pictures, a class in test/ alone, class names that
// differ only by case, a link that leads back to a folder above it, a name that is not UTF-8.
Dataset scan_folder(const std::string& root, const DatasetOptions& options = {});

// Splits by seed, class by class: round(share * count) samples of each class go to the second part, but never
// all and, where share > 0 and the class has two or more, never none. Both parts keep the order of `samples`.
struct Split {
  std::vector<Sample> first, second;
};
Split split(const std::vector<Sample>& samples, double share, uint64_t seed);

// Names the data: SHA-256 over each sample's file name, class name and content, in their order.
std::string content_sha256(const Dataset& dataset, std::span<const Sample> samples);

// A picture that could not be read, and why.
struct BadPicture {
  int64_t sample = 0;  // its index in `samples`
  std::string reason;
};

struct ReadOptions {
  DecodeOptions decode = {};  // `warnings` are told in the samples' order
  // Leave out pictures that cannot be read and list them. Off: the first of them (in the samples' order) ends
  // the call with its DataError.
  bool skip_bad = false;
};

// The decoded pictures, in the samples' order, read in parallel. One that was left out has width 0 and stands
// in `bad`.
struct Pictures {
  std::vector<Image> images;
  std::vector<BadPicture> bad;
};
Pictures read_images(const Dataset& dataset, std::span<const Sample> samples,
                     const ReadOptions& options = {});

struct Batch {
  Tensor images;                // f32 [N, crop, crop, 3]
  Tensor labels;                // i64 [N]
  std::vector<int64_t> sample;  // of each row, its index in `samples`
  std::vector<BadPicture> bad;  // those that have no row
};

struct BatchOptions : ReadOptions {
  std::optional<Augment> augment;  // unset: the evaluation's input
  uint64_t seed = 0, epoch = 0;  // a picture's random numbers come from Rng(seed, epoch, index in `samples`)
};

// Reads, decodes and preprocesses samples[indices[0]], samples[indices[1]], ... in parallel. Bit-identical
// for any thread count; with augmentation, what a sample becomes does not depend on the batch that it is in.
Batch load_batch(const Dataset& dataset, std::span<const Sample> samples, std::span<const int64_t> indices,
                 const Preprocess& preprocess, const BatchOptions& options = {});

}  // namespace graft::data
