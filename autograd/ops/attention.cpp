#include "kernels/attention.h"

#include "autograd/ops.h"

namespace graft {

namespace {

void check_inputs(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias,
                  const Attention& how) {
  GRAFT_CHECK(
      q.rank() == 4 && k.rank() == 4 && q.dim(0) == k.dim(0) && q.dim(2) == k.dim(2) && q.dim(3) == k.dim(3),
      "attention: q ", q, " and k ", k, " are not [B, Tq, H, D] and [B, Tk, H, D]");
  GRAFT_CHECK(v.shape() == k.shape(), "attention: v ", v, " has not the shape of k ", k);
  GRAFT_CHECK(q.dim(3) >= 1, "attention: a head of size 0 in q ", q);
  GRAFT_CHECK(!q.device().is_cuda() || q.dim(3) <= kernels::kMostHeadSize, "attention: heads of size ",
              q.dim(3), " in q ", q, "; a CUDA device takes up to ", kernels::kMostHeadSize);
  GRAFT_CHECK(k.dtype() == q.dtype() && v.dtype() == q.dtype(), "attention: q ", q, ", k ", k, " and v ", v,
              " differ in type");
  int64_t queries = q.dim(1), keys = k.dim(1), heads = q.dim(2);
  GRAFT_CHECK(!bias.defined() ||
                  ((bias.shape() == Shape{heads, queries, keys} || bias.shape() == Shape{1, queries, keys}) &&
                   bias.dtype() == q.dtype()),
              "attention: bias ", bias, " is not ", q.dtype(), Shape{heads, queries, keys},
              ", nor with 1 for the heads");
  GRAFT_CHECK(
      !how.lengths.defined() || (how.lengths.shape() == Shape{q.dim(0)} && how.lengths.dtype() == DType::i64),
      "attention: lengths ", how.lengths, " are not ", DType::i64, Shape{q.dim(0)});
}

}  // namespace

Var attention(const Var& q, const Var& k, const Var& v, const Var& bias, const Attention& how) {
  check_inputs(q.value(), k.value(), v.value(), bias ? bias.value() : Tensor(), how);
  kernels::AttentionArguments a;
  a.q = q.value().contiguous();
  a.k = k.value().contiguous();
  a.v = v.value().contiguous();
  if (bias) a.bias = bias.value().contiguous();
  if (how.lengths.defined()) a.lengths = how.lengths.contiguous();
  a.scale = how.scale;
  a.causal = how.causal;
  a.y = a.q.empty_like();
  DType wide = a.q.dtype() == DType::bf16 ? DType::f32 : a.q.dtype();
  a.lse = Tensor::empty({q.dim(0), q.dim(2), q.dim(1)}, wide, a.q.device());
  kernels::attention(a);

  std::vector<Var> parents = {q, k, v};
  if (bias) parents.push_back(bias);
  bool wants_q = q.needs_grad(), wants_k = k.needs_grad(), wants_v = v.needs_grad();
  bool wants_bias = bias && bias.needs_grad();
  return record("attention", a.y, parents, [=, count = parents.size()](const Tensor& dy) {
    kernels::AttentionGradArguments g;
    g.of = a;
    g.dy = dy;
    if (wants_q) g.dq = a.q.empty_like();
    if (wants_k || wants_v) {
      g.dk = a.k.empty_like();
      g.dv = a.v.empty_like();
    }
    if (wants_bias) g.dbias = a.bias.empty_like();
    kernels::attention_grad(g);
    Grads grads(count);
    grads[0] = g.dq;
    if (wants_k) grads[1] = g.dk;
    if (wants_v) grads[2] = g.dv;
    if (wants_bias) grads[3] = g.dbias;
    return grads;
  });
}

}  // namespace graft
