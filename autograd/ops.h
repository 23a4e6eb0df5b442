// The differentiable operations. Each checks its inputs, allocates the result, calls its kernel and records
// its backward; one file an op in autograd/ops/. Pictures are [N, H, W, C], convolution weights [O, KH, KW,
// I].
#pragma once

#include <memory>

#include "autograd/var.h"
#include "kernels/conv2d.h"

namespace graft {

// Elementwise a + b and a b; same shapes.
Var add(const Var& a, const Var& b);
Var multiply(const Var& a, const Var& b);
// factor x.
Var scale(const Var& x, double factor);
// max(x, 0); the gradient at 0 is 0.
Var relu(const Var& x);
// min(max(x, 0), 6); the gradient at 0 and at 6 is 0.
Var relu6(const Var& x);

// x times the probability that a standard normal value is below x (Hendrycks and Gimpel, 2016): with erf, as
// in BERT; the paper's approximation with tanh, as in GPT-2; and x sigmoid(1.702 x), as in CLIP.
Var gelu(const Var& x);
Var gelu_tanh(const Var& x);
Var quick_gelu(const Var& x);
// x sigmoid(x), also called swish.
Var silu(const Var& x);
// 1 / (1 + exp(-x)).
Var sigmoid(const Var& x);
Var tanh(const Var& x);
Var exp(const Var& x);

// x [..., I], weight [O, I], bias [O] or undefined -> [..., O]: x weight^T + bias.
Var linear(const Var& x, const Var& weight, const Var& bias = {});
// act(x weight^T + bias + residual) in one pass; residual is like the result, or undefined.
Var linear_act(const Var& x, const Var& weight, const Var& bias, Activation act, const Var& residual = {});
// a [..., M, K], b [..., K, N] -> [..., M, N]: a b, one product for each index of the leading axes, which are
// the same in a and b.
Var matmul(const Var& a, const Var& b);
// a [..., M, K], b [..., N, K] -> [..., M, N]: a b^T.
Var matmul_nt(const Var& a, const Var& b);

struct Conv2d {
  int64_t stride = 1;
  int64_t padding = 0;
  // Group g sees input channels [g I, (g+1) I) and makes outputs [g O/groups, (g+1) O/groups).
  int64_t groups = 1;
  friend bool operator==(const Conv2d&, const Conv2d&) = default;
};
// x [N, H, W, C], weight [O, KH, KW, C / groups], bias [O] or undefined -> [N, OH, OW, O],
// OH = (H + 2 padding - KH) / stride + 1. Cross-correlation, as in PyTorch's conv2d.
Var conv2d(const Var& x, const Var& weight, const Var& bias, Conv2d how);
// act(scale * conv2d(x, weight) + shift + residual) in one pass: scale and shift [O], undefined for 1 and 0;
// residual like the result or undefined. For trunks that nothing trains: throws where an input needs a
// gradient.
Var conv2d_affine(const Var& x, const Var& weight, Conv2d how, const Tensor& scale, const Tensor& shift,
                  const Var& residual, Activation act);

// Batch normalisation over all axes but the last (Ioffe and Szegedy, 2015). weight, bias, running_mean,
// running_var: [C]. With batch statistics: normalises by the batch's mean and biased variance and, where
// update is true, moves the running statistics by `momentum` towards the batch's mean and unbiased variance.
// Needs more than one value per channel.
struct BatchNorm {
  double eps = 1e-5;
  double momentum = 0.1;
  // What follows in the same pass: act(batch norm + residual); residual like x or undefined. The bits are
  // those of batch_norm, add and relu one after the other, but what lies between is not kept.
  Activation act = Activation::none;
  Var residual = {};
};
Var batch_norm_train(const Var& x, const Var& weight, const Var& bias, const Tensor& running_mean,
                     const Tensor& running_var, const BatchNorm& how);
// With the running statistics, which stay as they are.
Var batch_norm_frozen(const Var& x, const Var& weight, const Var& bias, const Tensor& running_mean,
                      const Tensor& running_var, const BatchNorm& how);

// x [..., C], weight and bias [C] (of bf16 in f32) -> (x - mean) / sqrt(variance + eps) * weight + bias, with
// the mean and the biased variance of each row of C values (Ba, Kiros and Hinton, 2016; PyTorch's
// layer_norm).
Var layer_norm(const Var& x, const Var& weight, const Var& bias, double eps = 1e-5);
// x [..., C], weight [C] (of bf16 in f32) -> x / sqrt(mean(x^2) + eps) * weight: T5's layer norm (Zhang and
// Sennrich, 2019; Raffel et al., 2020).
Var rms_norm(const Var& x, const Var& weight, double eps = 1e-6);

// x [..., C] -> x / |x|, the Euclidean length of each row of C values; a row of zeros stays one. (1e-24 is
// added to the squared length, PyTorch's normalize has at least 1e-12 for the length: nothing that f32 shows
// for any row longer than 1e-8.)
Var normalize_rows(const Var& x);

// table [R, C], indices i64 [...] -> [..., C]: the rows that the indices name. The row `padding_index` gets
// no gradient; none where it is negative. Throws DataError, naming index and position, for an index out of
// range.
Var embedding(const Var& table, const Tensor& indices, int64_t padding_index = -1);

struct Pool2d {
  int64_t size = 2;
  int64_t stride = 2;
  int64_t padding = 0;     // max pooling pads with -inf
  bool ceil_mode = false;  // a last window that starts inside the picture (or its left padding) counts
};
// x [N, H, W, C]; the gradient goes to the first maximum of each window.
Var max_pool2d(const Var& x, Pool2d how);
// x [N, H, W, C] -> [N, C]: the mean over H and W.
Var global_avg_pool(const Var& x);
// x [N, H, W, C] -> [N, rows, cols, C]: the mean over each cell of a grid laid over the picture; cells
// overlap where they do not divide it (PyTorch's adaptive_avg_pool2d).
Var adaptive_avg_pool2d(const Var& x, int64_t rows, int64_t cols);
// x [N, H, W, C], s [N, C]: every channel of a picture times its factor (squeeze-and-excitation, Hu et al.,
// 2018).
Var scale_channels(const Var& x, const Var& s);
// The shortcut without parameters of the CIFAR ResNets (He et al., 2016, option A):
// x [N, H, W, C] -> [N, ceil(H / stride), ceil(W / stride), channels]: every stride-th pixel, with
// (channels - C) / 2 zero channels before and the rest behind.
Var shortcut_a(const Var& x, int64_t stride, int64_t channels);
// [N, H, W, C1] and [N, H, W, C2] -> [N, H, W, C1 + C2]; any rank, same leading axes.
Var concat_last(const std::vector<Var>& parts);
// The same along any axis (a negative one counts from the end); all the others are equal.
Var concat(const std::vector<Var>& parts, int axis);
// The elements [begin, end) of one axis.
Var slice(const Var& x, int axis, int64_t begin, int64_t end);
// The axes in another order: axis i of the result is axis axes[i] of x. A copy.
Var permute(const Var& x, const std::vector<int>& axes);
// The same values in another float type, rounded to nearest; the gradient goes back in x's own type.
Var cast(const Var& x, DType dtype);
// The same elements under another shape.
Var reshape(const Var& x, const Shape& shape);
// Each element is zero with probability p, else divided by 1 - p. Which ones is a function of (seed, index)
// alone.
Var dropout(const Var& x, double p, uint64_t seed);
// The same, with a seed that changes from step to step of a recorded step (core/step_graph.h).
Var dropout(const Var& x, double p, std::shared_ptr<const uint64_t> seed);
// Softmax over the last axis.
Var softmax(const Var& x);

struct Attention {
  double scale = 1;  // of q . k: 1 / sqrt(D) in most models, 1 in T5
  // Query i sees key j only where j <= i + Tk - Tq: the last query sees every key, as when new tokens follow
  // those whose keys are kept.
  bool causal = false;
  // i64 [B], 0 to Tk: the batch entry's keys from its length on are padding. Undefined: all are keys.
  Tensor lengths = {};
};
// softmax(scale q k^T + bias) v, for each batch entry and head (Vaswani et al., 2017). q [B, Tq, H, D], k and
// v [B, Tk, H, D]: a linear layer's [B, T, H D] under another shape; bias [H or 1, Tq, Tk] or undefined, the
// same for the whole batch, as T5's bias for relative positions -> [B, Tq, H, D]. A query that sees no key
// gives 0. Neither direction makes a [Tq, Tk] matrix but the bias's own gradient: what backward keeps is the
// inputs, the result and one number per row (Rabe and Staats, 2021; Dao et al., 2022; Dao, 2023). Throws
// DataError for a length out of range.
Var attention(const Var& q, const Var& k, const Var& v, const Var& bias, const Attention& how);

struct CrossEntropy {
  double label_smoothing = 0;  // the target is (1 - s) one-hot + s / classes
  // [classes], the type of the logits; the mean is weighted by the labels' weights.
  Tensor class_weights = {};
  int64_t ignore_index = -100;
};
// logits [N, classes], labels i64 [N] -> scalar: the mean over the labels that are not ignored, as PyTorch's
// cross_entropy. NaN where all are ignored. Throws DataError for a label out of range.
Var cross_entropy(const Var& logits, const Tensor& labels, const CrossEntropy& how = {});

// Sum and mean of all elements -> scalar.
Var sum(const Var& x);
Var mean(const Var& x);

}  // namespace graft
