// The training loop. It knows a network only as "batch in, logits out", so that one loop trains whole
// networks on pictures, texts and tokens, and heads on cached features.
#pragma once

#include <functional>
#include <span>

#include "autograd/var.h"
#include "transfer/plan.h"
#include "transfer/recipe.h"
#include "transfer/result.h"
#include "transfer/team.h"
#include "transfer/training_state.h"

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
  // Accuracy and loss on the held-out samples after an epoch; called in the order of the epochs. Unset, the
  // epochs' records have NaN there.
  std::function<Evaluation()> evaluate;
  // With keep_best: accuracy on the samples that choose the epoch, which are not the held-out ones.
  std::function<double()> validate;
  // Before a milestone's tensors are thawed: a last look at them while they are frozen.
  std::function<void(const Milestone&)> before_thaw = {};
  // Whose dropouts draw random numbers: how many they drew is kept with the training's state.
  nn::Module* network = nullptr;
};

// What a caller may do between steps: lessons look inside, tests plant leaks.
struct Hooks {
  std::function<void(int64_t step)> after_step;  // steps count from 1
  // Where the training's state is kept while it goes on, and at once when it is stopped by an exception
  // between two steps. With go_on it starts from the newest state there, if there is one.
  Checkpoints* checkpoints = nullptr;
  bool go_on = false;
  // The processes that train together; null: this one alone. The recipe's batch is theirs together: each
  // takes its part of it, and all take the same step, on the gradient of the whole batch's loss. Only the
  // leader has checkpoints; the others go on from what it reads.
  Team* team = nullptr;
};

struct Trained {
  std::vector<EpochRecord> epochs;
  std::vector<double> step_losses;  // of each step's samples, before the step
  int best_epoch = 0;               // with keep_best: whose weights were kept
  std::string order_sha256;         // names the order in which samples were seen
  int64_t resumed_at = -1;          // the step of the state that it went on from; -1: from none
  std::vector<std::string> notes = {};
};

// Trains by the recipe's optimizer, any but lbfgs; the same bits for any thread count, and however often it
// was stopped and went on. Biases and norms (tensors of rank 1) do not decay unless their group says how
// much. Throws Error, naming epoch, step and tensor, as soon as a loss or gradient is not finite; the weights
// are then those before that step, and no state is kept of it. With a team the bits depend on how many train,
// for sums are rounded in another order; batch norms whose statistics move take those of the whole batch.
Trained train(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed,
              const Hooks& hooks = {}, const OnProgress& on_progress = {});

}  // namespace graft::transfer
