// The training loop. It knows a network only as "batch in, logits out", so that one loop trains whole
// networks on pictures, texts and tokens, and heads on cached features.
#pragma once

#include <functional>
#include <span>

#include "autograd/var.h"
#include "transfer/plan.h"
#include "transfer/recipe.h"
#include "transfer/result.h"

namespace graft::transfer {

// What is trained.
struct Task {
  int64_t count = 0;  // training samples
  Device device;      // where the network computes
  // These samples in this epoch as the network takes them, but on the CPU; the first axis is the samples.
  std::function<Tensor(std::span<const int64_t> which, int epoch)> inputs;
  // Logits [M, classes] of such inputs, now on `device`, with a tape. The loss is computed there, of bf16
  // logits in f32. On an accelerator it is called for the first two batches of a size and recorded; from then
  // on the recording is played (core/step_graph.h).
  std::function<Var(const Var& x)> logits;
  // What each row of the logits should say, i64 [M], on the CPU; -100 where a row does not count.
  std::function<Tensor(std::span<const int64_t> which)> labels;
  // False where logits looks at its input on the CPU: no step is recorded then.
  bool recordable = true;
  // Of each class how much it counts in the loss, of the loss's type and on `device`; undefined: all the
  // same.
  Tensor class_weights = {};
  // Of each sample how long it is. With these and the recipe's by_length, batches are of like length.
  std::vector<int64_t> lengths = {};
  // Accuracy and loss on the held-out samples after an epoch; called in the order of the epochs.
  std::function<Evaluation()> evaluate;
  // With keep_best: accuracy on the samples that choose the epoch, which are not the held-out ones.
  std::function<double()> validate;
};

// What a caller may do between steps: lessons look inside, tests plant leaks.
struct Hooks {
  std::function<void(int64_t step)> after_step;  // steps count from 1
};

struct Trained {
  std::vector<EpochRecord> epochs;
  std::vector<double> step_losses;  // of each step's batch, before the step
  int best_epoch = 0;               // with keep_best: whose weights were kept
  std::string order_sha256;         // names the order in which samples were seen
};

// The order of one epoch, cut into batches: a function of (count, batch, seed, epoch). A last batch of a
// single sample joins the one before it, because batch statistics of one sample say nothing.
// With `lengths`, each run of 50 batches of that order is sorted by length before it is cut, the longest
// first, and the batches come in a random order: little is padded, and an epoch is still random.
std::vector<std::vector<int64_t>> batches_of(int64_t count, int64_t batch, uint64_t seed, uint64_t epoch,
                                             std::span<const int64_t> lengths = {});

// Trains by the recipe's optimizer, any but lbfgs; the same bits for any thread count. Biases and norms
// (tensors of rank 1) do not decay unless their group says how much. Throws Error, naming epoch, step and
// tensor, as soon as a loss or gradient is not finite; the weights are then those before that step.
Trained train(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed,
              const Hooks& hooks = {}, const OnProgress& on_progress = {});

}  // namespace graft::transfer
