// Cached features: a frozen trunk says the same of a picture in every epoch, so it is asked once.
#pragma once

#include "nn/models/classifier.h"
#include "transfer/pictures.h"
#include "transfer/team.h"

namespace graft::transfer {

struct FeatureOptions {
  std::string architecture;  // the network's name: part of the key
  int views = 0;             // augmented views beside the plain one
  uint64_t seed = 0;         // of those views
  bool cache = true;         // keep in and take from the folder env::cache(); false: only in memory
  Team* team = nullptr;      // divides the work; the leader alone reads and writes the cache
};

struct Features {
  std::vector<Tensor> views;  // f32 [n, F] each, on the CPU; the first is of the plain samples
  bool from_cache = false;
  std::string note;  // why a cached file was not used or could not be written; empty: nothing to say
};

// Pooled features of all samples, in evaluation mode and without a tape.
//
// A cached file is named by the SHA-256 of everything that features depend on: the architecture, every tensor
// of the trunk, the preprocessing, the pictures' pixels or the texts' tokens, the augmentation and its seed,
// the engine's version and what computes: the processor level, or the device and the precision. A stale cache
// cannot be met: whatever changes, the name changes. A file whose bytes are not those that were written is
// computed anew. A cache that cannot be written costs time, not the run.
Features features_of(nn::Headed& network, const Examples& set, const FeatureOptions& options,
                     const OnProgress& on_progress = {});

// The key described above, 64 hexadecimal digits.
std::string feature_key(nn::Headed& network, const Examples& set, const FeatureOptions& options);

// The folder of cached files: GRAFT_CACHE, else graft/ under XDG_CACHE_HOME or ~/.cache; empty where none of
// these is set.
std::string cache_folder();

}  // namespace graft::transfer
