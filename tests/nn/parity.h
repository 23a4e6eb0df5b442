// Compares a network with a reference that tests/golden/models.py wrote.
#pragma once

#include "nn/models/classifier.h"
#include "weights/checkpoint.h"

namespace graft::test {

// The largest of some relative differences (max |a - b| / max |b|), and whose it is.
struct Worst {
  double value = 0;
  std::string name;
  void see(const std::string& what, double difference) {
    if (name.empty() || difference > value) value = difference, name = what;
  }
};

struct Parity {
  Worst logits;      // and the loss, in evaluation mode
  Worst block;       // outputs of all blocks that the reference names, without gradients (fused) and with
  Worst block32;     // PyTorch's f32 outputs against its f64 ones, where the file has them: the yardstick
  Worst gradient;    // of each parameter, in evaluation mode
  Worst gradient32;  // the same against PyTorch's gradients in f32, where the file has them
  Worst torch32;     // what PyTorch's f32 gradients differ from its f64 ones
  Worst train_logits, train_gradient, train_torch32;  // the same in training mode
  Worst statistics;                                   // running statistics after the training step
};

// A tensor in the published layout as the engine has it: [N, C, H, W] becomes [N, H, W, C], others stay.
Tensor from_published(const Tensor& t);

// Runs `network`, which holds the reference's weights, on the reference's input, in the modes that the
// reference has. Fails the test where a block that the reference names does not show up. A training step
// changes the running statistics.
Parity compare(nn::Classifier& network, const weights::Checkpoint& golden);

}  // namespace graft::test
