// Every setting of a run, as one plain aggregate, and the defaults for someone who sets nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "data/transform.h"
#include "transfer/result.h"

namespace graft::transfer {

enum class Optimizer : uint8_t {
  sgd,    // with momentum
  adam,   // its weight decay is a part of the gradient
  adamw,  // its weight decay is not (Loshchilov and Hutter, 2019)
  lamb,   // for large batches (You et al., 2020)
  lbfgs,  // for a head on cached features: the convex problem is solved with all pictures at once; an epoch
          // is one step
};
std::string_view to_text(Optimizer optimizer);

// How much a class counts in the loss.
enum class ClassWeights : uint8_t {
  none,       // every sample the same
  automatic,  // "auto": every class the same, see class_weights.h
};

// How the learning rate goes over the steps. The first three rise in a line over the warm-up.
enum class RateSchedule : uint8_t {
  cosine,     // then falls towards 0 along half a cosine
  linear,     // then falls towards 0 in a line
  constant,   // then stays
  one_cycle,  // up to the rate for the first 30 % of the steps, then down to nearly 0; has no warm-up
};

struct Recipe {
  int epochs = 10;
  int batch = 32;
  bool batch_auto = false;  // in its place the largest power of two up to 256 that fits (memory_plan.h)
  Optimizer optimizer = Optimizer::sgd;
  double learning_rate = 0.02;  // of the head
  double body_lr_scale = 0.1;   // what is trained below the head learns at this share of it
  double momentum = 0.9;        // of sgd; the adams use 0.9 and 0.999
  double weight_decay = 1e-4;   // of matrices and filters; biases and norms decay not. lbfgs: the L2 penalty
  // Each stage learns at this share of the rate of the stage above it; the topmost at body_lr_scale.
  double layer_decay = 1;
  double warmup_epochs = 1;  // the rate grows linearly from 0
  RateSchedule schedule = RateSchedule::cosine;
  int accumulate = 1;    // batches whose gradients make one step: as a batch of so many times the samples
  double l2_sp = 0;      // pulls what is trained below the head back to where it started (L2-SP): the weight
                         // of half the squared distance, in place of weight_decay there
  double ema = 0;        // decay of a moving average of the weights, which is kept in place of them; 0: none
  double clip_norm = 0;  // the gradient's norm is cut to this; 0: never
  double label_smoothing = 0;
  ClassWeights class_weights = ClassWeights::none;
  // Of pictures that train through the network: pairs are blended (mixup) or cut into one another (cutmix),
  // see mixing.h; the alpha of the share's Beta distribution. 0: never; both: a fair coin for each batch.
  double mixup = 0;
  double cutmix = 0;
  double lora_alpha = 16;  // the strategy lora: the update counts alpha / rank times
  double lora_dropout = 0;
  bool freeze_bn = true;  // batch norm keeps its published statistics, also where its weights train
  // What a frozen trunk says is kept, so it runs only once for each view: of the strategy head, and of
  // partial with views.
  bool cached_features = true;
  // partial and full: start from the head that the strategy head finds (Kumar et al., "Fine-tuning can
  // distort pretrained features", 2022), not from a random one
  bool head_first = false;
  // Start from the file's own head where it tells as many classes apart, not from a new one.
  bool keep_head = false;
  bool by_length = true;  // batches of texts of like length, so that little is padded
  // Head with cached features, and partial: this many augmented views of each training picture beside the
  // plain one, over and over; 0 of partial: a new one in each epoch, and the trunk runs each time.
  int views = 0;
  bool keep_best = false;  // returns the epoch that was best on `validation`, not the last
  int patience = 0;        // with keep_best: stops after so many epochs without a better one; 0: never
  double validation = 0;   // share of the training samples that is set aside; 0.1 where keep_best needs some
  // Of training pictures; a function of (seed, epoch, picture) alone.
  data::Augment augment{.scale_min = 0.4};
};

// "head", "partial:2", "full", "gradual", "scratch", "bitfit", "lora:8", "adapters:32"
struct Strategy {
  enum class Kind : uint8_t {
    head,      // a new head on the frozen network
    partial,   // the last stages train too
    full,      // everything trains
    gradual,   // first the head, then stage by stage from the top, then everything
    scratch,   // everything, from random values
    bitfit,    // the head and all biases (Ben Zaken et al., "BitFit", 2021)
    lora,      // the head and updates of low rank beside frozen layers (nn/adapters.h)
    adapters,  // the head and bottlenecks beside frozen layers
  } kind = Kind::head;
  int stages = 0;  // of partial: the last `stages` stages train, and the head
  int width = 0;   // of lora the rank, of adapters the values in the bottleneck

  bool is_adapted() const { return kind == Kind::lora || kind == Kind::adapters; }
};
// Throws UsageError, naming the strategies, for anything else.
Strategy parse_strategy(std::string_view text);
std::string to_text(const Strategy& strategy);

// What is right for somebody who sets nothing. defaults.cpp tells how the values were found.
Recipe default_recipe(std::string_view model, const Strategy& strategy);
// The same for texts. `linear_head`: whether the network's head is one layer, which can be solved at once.
Recipe default_text_recipe(const Strategy& strategy, bool linear_head);

// All settings as text, by name: "epochs" -> "25", "augment.flip" -> "true".
std::map<std::string, std::string> settings(const Recipe& recipe);
// Sets one of them by its name. Throws UsageError for an unknown name (with the nearest) or a value that does
// not parse.
void set(Recipe& recipe, std::string_view name, std::string_view value);
// Throws UsageError where settings make no sense (a negative rate, 0 epochs, lbfgs without cached features),
// or not for such samples.
void check(const Recipe& recipe, const Strategy& strategy, Samples samples = Samples::pictures);

}  // namespace graft::transfer
