// Scaled dot-product attention (Vaswani et al., "Attention is all you need", 2017), forward and backward, in
// tiles: neither direction holds a [queries, keys] matrix. Softmax goes along with a running maximum and sum
// (Rabe and Staats, "Self-attention does not need O(n^2) memory", 2021), and backward makes the
// probabilities again from one number per row, its logsumexp (Dao et al., "FlashAttention", 2022; the order
// of loops is that of Dao, "FlashAttention-2", 2023).
//
// For each batch entry b and head h, with query i and key j:
//   s_ij = scale q_i . k_j + bias_ij    where key j is visible: j < lengths[b] and, if causal,
//                                       j <= i + Tk - Tq, so that the last query sees every key
//   y_i = sum over visible j of exp(s_ij - lse_i) v_j,    lse_i = log(sum over visible j of exp(s_ij))
// A row that sees no key gives y = 0 and takes no part in any gradient; its lse is +inf, which makes every
// exp(s - lse) the 0 that it should be.
//
// q, k, v, y and their gradients are [B, T, H, D] contiguous: what a linear layer makes of [B, T, C], without
// a transpose before or after; a head's row is D neighbours in memory. Sums are in the tensors' type, of bf16
// in float, in an order that is a function of the sizes alone. The caller allocates.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// The largest D that a CUDA device takes.
inline constexpr int64_t kMostHeadSize = 256;

struct AttentionArguments {
  Tensor q;        // [B, Tq, H, D]
  Tensor k, v;     // [B, Tk, H, D]
  Tensor bias;     // [H or 1, Tq, Tk], the type of q, shared over the batch; undefined: 0
  Tensor lengths;  // i64 [B], from 0 to Tk; undefined: Tk
  double scale = 1;
  bool causal = false;
  Tensor y;    // as q
  Tensor lse;  // [B, H, Tq]; f32 where q is bf16, else the type of q

  const Tensor& lead() const { return q; }
  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor* t : {&q, &k, &v, &bias, &lengths, &y, &lse}) f(*t);
  }
};

// Throws DataError, naming entry and value, for a length out of range; on a CUDA device, where nobody waits
// for the kernel, the next copy to the CPU or synchronize() throws.
GRAFT_KERNEL(attention, (const AttentionArguments& arguments), (arguments))

struct AttentionGradArguments {
  AttentionArguments of;  // of the forward, with what it wrote to y and lse
  Tensor dy;              // as y
  Tensor dq, dk, dv;      // as q, k, v; undefined where not wanted, dk and dv both or neither
  Tensor dbias;           // as bias; undefined where not wanted

  const Tensor& lead() const { return of.q; }
  template <class F>
  void for_each_tensor(F f) const {
    of.for_each_tensor(f);
    for (const Tensor* t : {&dy, &dq, &dk, &dv, &dbias}) f(*t);
  }
};

// With p_ij = exp(s_ij - lse_i) and ds_ij = p_ij (dy_i . v_j - dy_i . y_i):
//   dq_i = scale sum_j ds_ij k_j,  dk_j = scale sum_i ds_ij q_i,  dv_j = sum_i p_ij dy_i,
//   dbias_ij = the sum of ds_ij over the batch, and over the heads where they share the bias.
GRAFT_KERNEL(attention_grad, (const AttentionGradArguments& arguments), (arguments))

}  // namespace graft::kernels
