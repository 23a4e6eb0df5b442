// What is learned from, whatever it is: the training loop, the feature cache and the scores know a data set
// only through this. Pictures stand in pictures.h, texts in texts.h, language modelling in language_data.h.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "transfer/result.h"

namespace graft::transfer {

// Samples by name and class.
struct Labelled {
  std::vector<std::string> classes;
  std::vector<std::string> files;  // a name for each sample, for reports
  std::vector<int64_t> labels;     // class indices

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

// i64 [which.size()].
Tensor labels(const Labelled& set, std::span<const int64_t> which);

// Splits indices by seed, class by class: the first part holds round(share * count) samples of each class,
// but never all and, where share > 0 and there are two or more, never none. Each part is in rising order.
struct SplitIndices {
  std::vector<int64_t> first, second;
};
SplitIndices split_indices(const Labelled& all, double share, uint64_t seed);

class Examples {
 public:
  virtual ~Examples() = default;

  // Names and classes. Where there are no classes, each sample has targets of its own (the tokens of a text).
  virtual const Labelled& labelled() const = 0;
  int64_t size() const { return labelled().size(); }
  virtual Samples samples() const = 0;

  // These samples as the network takes them, but on the CPU; the first axis is the samples.
  virtual Tensor inputs(std::span<const int64_t> which) const = 0;
  // The same with the recipe's augmentation, a function of (seed, epoch, sample): without one, the inputs.
  virtual Tensor augmented(std::span<const int64_t> which, uint64_t, uint64_t) const { return inputs(which); }
  // What the network should say of each row of its logits: i64, -100 where a row does not count.
  virtual Tensor targets(std::span<const int64_t> which) const { return labels(labelled(), which); }
  // Of each sample how long it is, for batches of like length; empty: all are the same.
  virtual std::vector<int64_t> lengths() const { return {}; }

  // Names everything that inputs() is a function of, and what augmented() adds to it.
  virtual std::string describe() const = 0;
  virtual std::string describe_augmentation() const { return ""; }
  // Names the samples: SHA-256 over classes, names, labels and contents.
  virtual std::string content_sha256() const = 0;
  // Some of the samples; what they hold is shared, not copied.
  virtual std::unique_ptr<Examples> part(std::span<const int64_t> which) const = 0;
};

// The order in which samples are scored: theirs, or, where they have lengths, the short ones first, so that
// little is padded.
std::vector<int64_t> scoring_order(const Examples& set);

}  // namespace graft::transfer
