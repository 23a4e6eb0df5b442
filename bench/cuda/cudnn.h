// Convolutions by cuDNN, at its best: it times its own algorithms (as PyTorch does with cudnn.benchmark), and
// the fastest is taken.
#pragma once

#include <string>

#include "bench/cuda/session.h"
#include "kernels/conv2d.h"

namespace graft::bench {

enum class ConvPass { forward, grad_input, grad_weight };

// x [N, H, W, C], weight [O, KH, KW, C], y [N, OH, OW, O] on the device. The pass writes one of them.
struct Convolution {
  Tensor x, weight, y;
  kernels::ConvWindow window;
  ConvPass pass;

  const Tensor& result() const {
    return pass == ConvPass::forward ? y : pass == ConvPass::grad_input ? x : weight;
  }
};

class Cudnn {
 public:
  // Null where the machine lacks it; `problem` then says why.
  static Cudnn* find(std::string& problem);
  virtual ~Cudnn() = default;
  virtual std::string version() const = 0;
  // A contender that writes c.result(). Throws Error where cuDNN has no algorithm; `notes` gets what was
  // chosen. bf16 on tensor cores; f32 without tf32.
  virtual Contender best(const Convolution& c, nlohmann::json& notes) = 0;
};

}  // namespace graft::bench
