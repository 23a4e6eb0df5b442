// A new head on cached features: a small convex problem, solved without running the trunk again.
#pragma once

#include "nn/models/headed.h"
#include "transfer/features.h"
#include "transfer/train.h"

namespace graft::transfer {

// A data set and the trunk's features of it.
struct Featured {
  Labelled samples;
  Features features;
};

struct HeadData {
  Featured train, test;
  Featured validation;  // chooses the epoch where the recipe keeps the best; else empty
};

// Trains the network's head, which must be fresh from replace_head for the sets' classes, starting at zero on
// features that are standardised (mean 0, variance 1 over the training pictures and views); the
// standardisation is then folded into the head: W' = W / sd, b' = b - W' mean. With sgd and adamw, epoch e
// sees view e mod (views + 1) of each picture; with lbfgs all views count at once, and each step is an epoch.
// The steps of sgd and adamw are computed on the network's device, in f32; lbfgs needs f64, which is the
// CPU's. What the fresh head's biases had in common stays (a SqueezeNet's keep its last ReLU open); softmax
// does not see it.
Trained train_head(nn::Headed& network, const HeadData& data, const Recipe& recipe, uint64_t seed,
                   const Hooks& hooks = {}, const OnProgress& on_progress = {});

// A head that is more than one linear layer, or has no bias: trained where it is, from where it starts, on
// the features as they are, by steps. `plan` is the network's, with nothing but the head to train.
Trained train_deep_head(nn::Headed& network, const Plan& plan, const HeadData& data, const Recipe& recipe,
                        uint64_t seed, const Hooks& hooks = {}, const OnProgress& on_progress = {});

}  // namespace graft::transfer
