// Training on mixtures of two pictures, which should give mixtures of two labels: mixup (Zhang et al.,
// "mixup: Beyond empirical risk minimization", 2018) blends the pixels, cutmix (Yun et al., "CutMix:
// Regularization strategy to train strong classifiers with localizable features", 2019) puts a box of one
// picture into the other.
#pragma once

#include <vector>

#include "core/rng.h"
#include "core/tensor.h"
#include "data/resize.h"
#include "transfer/batch_loss.h"
#include "transfer/recipe.h"

namespace graft::transfer {

// Who is mixed with whom in a batch, and how.
struct Mix {
  enum class Kind : uint8_t { mixup, cutmix } kind = Kind::mixup;
  std::vector<int64_t> partners;  // of row i the row that is mixed into it: a permutation
  double share = 1;               // of a row's own label; with mixup also of its own pixels
  data::Box box = {};             // of cutmix: the pixels that come from the partner, possibly none
};

// Beta(alpha, alpha), alpha above 0, as a multiple of 2^-20: the last bits, in which one libm may differ from
// another, are rounded away. From two gamma variables (Marsaglia and Tsang, "A simple method for generating
// gamma variables", 2000), in logarithms, so that no alpha is too small.
double draw_share(double alpha, Rng& rng);

// For `rows` pictures of height x width. By the recipe's mixup and cutmix, one of which is above 0; with
// both, a fair coin says which. The box of cutmix has the share 1 - lambda of the area and its centre
// anywhere; what sticks out of the picture is cut off, and then counts for the row's own label, as in the
// paper's program.
Mix draw_mix(const Recipe& recipe, int64_t rows, int64_t height, int64_t width, Rng& rng);

// x [N, H, W, C] on the CPU, in a float type -> the same, mixed.
Tensor mixed_inputs(const Tensor& x, const Mix& mix);

struct MixedBatch {
  Tensor inputs;
  Targets targets;
};
// A batch as the recipe wants it: with neither mixup nor cutmix as it is. A function of the batch, the seed,
// the epoch and the batch's first sample, which no other batch of the epoch has.
MixedBatch mixed_batch(Tensor inputs, Tensor labels, const Recipe& recipe, uint64_t seed, int epoch,
                       int64_t first_sample);

}  // namespace graft::transfer
