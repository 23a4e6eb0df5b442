// Small trainable modules beside frozen layers: what makes fine-tuning cheap in parameters. A Linear or
// Conv2d carries at most one, and add_adapters of transfer/adapters.h hangs them in by name.
#pragma once

#include "nn/layers.h"

namespace graft::nn {

// The update of LoRA (Hu et al., 2021): y + scale up(down(dropout(x))), which is what the layer would compute
// with its weight moved by scale B A, a matrix of rank `rank`. `up` starts at zero, so the network starts as
// it was. Of a convolution, down has its window, stride and padding, up is 1 x 1: as in PEFT, whose names
// these are.
//
// Without dropout there are two ways to the same function, and each wins somewhere:
// - beside: the layer's output, and down and up on its input, are added. That takes few operations, but walks
//   over the whole map several times and keeps what `down` gave for the way back.
// - moved: the layer computes with its weight + scale B A, made anew for each batch; backward makes the
//   gradient of the whole weight, and of it those of A and B. That keeps nothing but the moved weight.
template <class Layer>
class LowRank : public Adapter {
 public:
  enum class Way { cheaper, beside, moved };
  struct Config {
    int64_t rank = 8;
    double scale = 2;  // PEFT's lora_alpha / rank
    double dropout = 0;
    uint64_t seed = 0;  // of the dropout's masks
    // cheaper: by the shapes (moving_is_cheaper). Dropout is drawn on the layer's input, so with it, and
    // where inputs are bf16, whose 8 bits would lose small moves of a weight, the way is always `beside`.
    Way way = Way::cheaper;
  };
  // For this layer. Throws UsageError for a convolution in groups and for a rank below 1.
  LowRank(const Layer& layer, const Config& config);
  void parts(Parts& p) override { p("lora_A", down)("lora_B", up)("lora_dropout", drop); }
  Var adapt(const Var& x, const Var& y) override;
  Var moved_weight(const Var& weight, DType dtype) const override;

  // scale B A in the layout of the layer's weight: what merging adds to it.
  Tensor weight_update() const;

  Layer down, up;
  Dropout drop;
  double scale;
  Way way;

 private:
  Var update() const;
};

// Of a layer whose outputs each come from a window of `window` pixels (1 of a Linear) of `channels` values,
// with an update of this rank: does a training step take less time with the moved weight? A function of the
// layer's shape alone: batches of any size, and all processes of a team, go the same way. adapters.cpp has
// its terms.
bool moving_is_cheaper(int64_t window, int64_t channels, int64_t outputs, int64_t rank);

extern template class LowRank<Linear>;
extern template class LowRank<Conv2d>;

// The bottleneck of Houlsby et al., "Parameter-efficient transfer learning for NLP", 2019:
// y + up(relu(down(y))) over the channels, of a map at each pixel. `up` starts at zero.
class Bottleneck : public Adapter {
 public:
  // Beside a layer with this many outputs, with `width` values in between. Throws UsageError for a width
  // below 1.
  Bottleneck(int64_t channels, int64_t width, DType dtype = DType::f32);
  void parts(Parts& p) override { p("down", down)("up", up); }
  Var adapt(const Var& x, const Var& y) override;

  Linear down, up;
};

}  // namespace graft::nn
