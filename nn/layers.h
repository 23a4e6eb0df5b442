// The layers that the networks are built from. A new layer holds zeros (batch norm: the identity); a
// network's constructor fills its layers through nn/init.h once their names are known. The tensors
// of a layer are f32 or f64, and it computes in the type of its input: where that is bf16, on an accelerator,
// filters, matrices and biases are rounded to bf16 for each use, while the f32 tensors are what the optimizer
// moves; batch norm's weight, bias and statistics stay f32.
#pragma once

#include <utility>

#include "autograd/ops.h"
#include "nn/init.h"
#include "nn/module.h"

namespace graft::nn {

// The parameter as an input of `dtype` needs it: a bf16 copy where that is bf16 and the parameter f32.
Var rounded_to(const Var& parameter, DType dtype);
inline Var rounded_to(const Parameter& parameter, DType dtype) {
  return rounded_to(parameter.var, dtype);
}

// What is trained beside a layer that stays as it is; nn/adapters.h has the kinds. A layer that has one
// computes adapt(x, layer(x)), or with moved_weight in place of its weight where that is defined.
class Adapter : public Module {
 public:
  // The layer's input and output -> what takes the output's place, of the same shape.
  virtual Var adapt(const Var& x, const Var& y) = 0;
  // A weight with which the layer computes what adapt() would make of its output, from inputs of `dtype`.
  // Undefined where there is none, or where adapt() costs less.
  virtual Var moved_weight([[maybe_unused]] const Var& weight, [[maybe_unused]] DType dtype) const {
    return {};
  }
};

// x [N, H, W, in] -> [N, OH, OW, out]. weight: [out, size, size, in / groups].
class Conv2d : public Module {
 public:
  struct Config {
    int64_t in, out, size;
    int64_t stride = 1, padding = 0, groups = 1;
    bool bias = true;
  };
  explicit Conv2d(const Config& config, DType dtype = DType::f32);
  void parts(Parts& p) override;
  Var forward(const Var& x) const;
  // What forward(x) computes with, in x's type; undefined where an adapter works on its output.
  Var weight_on(const Var& x) const;

  Parameter weight, bias;
  graft::Conv2d how;
  std::unique_ptr<Adapter> adapter;  // mostly none
};

// x [..., in] -> [..., out]. weight: [out, in].
class Linear : public Module {
 public:
  struct Config {
    int64_t in, out;
    bool bias = true;
    Published published = Published::same;  // of the weight; linear_io for GPT-2's Conv1D
  };
  explicit Linear(const Config& config, DType dtype = DType::f32);
  Linear(int64_t in, int64_t out, DType dtype = DType::f32) : Linear(Config{in, out}, dtype) {}
  void parts(Parts& p) override;
  Var forward(const Var& x) const;
  // activation(forward(x) + residual) in one pass where no adapter works on the output; residual is like the
  // result, or undefined.
  Var forward(const Var& x, Activation activation, const Var& residual = {}) const;
  // What forward(x) computes with, in x's type; undefined where an adapter works on its output.
  Var weight_on(const Var& x) const;
  // PyTorch's start: weight and bias uniform within 1 / sqrt(in).
  void init(const Init& init, const std::string& name);

  Parameter weight, bias;
  std::unique_ptr<Adapter> adapter;  // mostly none

 private:
  Published published_;
};

// x [..., channels] -> the same shape: activation(bn(x) + residual), in one pass; residual is like x, or
// undefined where nothing is added.
class BatchNorm2d : public Module {
 public:
  explicit BatchNorm2d(int64_t channels, DType dtype = DType::f32, BatchNorm how = {});
  void parts(Parts& p) override;
  Var forward(const Var& x, Activation activation = Activation::none, const Var& residual = {});

  // True where the running statistics are used and stay as they are; otherwise the batch's are used, and the
  // running ones follow. Decided by the mode and by the freeze states: statistics that are `frozen` stay in
  // any mode; those in `frozen_adapt_stats` follow in training mode; and where nobody froze the statistics
  // themselves but weight or bias is frozen, they stay too (a batch norm frozen in its weight only would go
  // on changing what the network computes).
  bool keeps_statistics() const;
  // Where it keeps them, forward is x scale + shift for these two, each [channels].
  std::pair<Tensor, Tensor> scale_and_shift() const;

  Parameter weight, bias;
  Buffer running_mean, running_var;
  Buffer num_batches_tracked;  // i64 scalar: batches that went into the running statistics
  BatchNorm how;
};

// In training mode each element is zero with probability p, the others are divided by 1 - p.
class Dropout : public Module {
 public:
  Dropout(double p, uint64_t seed);
  void parts(Parts&) override {}
  Var forward(const Var& x);
  double p() const { return p_; }
  void set_p(double p);
  // Masks are a function of (seed, number of the draw). A resumed run sets the number where the last one
  // stopped.
  uint64_t draws() const { return draws_; }
  void set_draws(uint64_t draws) { draws_ = draws; }

 private:
  double p_;
  uint64_t seed_, draws_ = 0;
};

Var activate(const Var& x, Activation activation);

// Two steps that these networks repeat, each in one pass of the fused kernel where nothing asks for a
// gradient (and, of batch norm, the running statistics are used): trunks that nobody trains, and prediction.
// x [N, H, W, in]; the result and `residual`, which is undefined where nothing is added: [N, OH, OW, out].
// activation(bn(conv(x)) + residual)
Var conv_bn(const Conv2d& conv, BatchNorm2d& bn, Activation activation, const Var& x,
            const Var& residual = {});
// activation(conv(x))
Var conv_act(const Conv2d& conv, Activation activation, const Var& x);

// conv_bn as a module, with the names "0" (convolution) and "1" (batch norm) of a torchvision Sequential.
class ConvBn : public Module {
 public:
  ConvBn(Conv2d::Config config, Activation activation, DType dtype);
  void parts(Parts& p) override { p("0", conv)("1", bn); }
  Var forward(const Var& x) { return seen(conv_bn(conv, bn, activation, x)); }

  Conv2d conv;
  BatchNorm2d bn;
  Activation activation;
};

}  // namespace graft::nn
