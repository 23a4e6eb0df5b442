// Attention, forward and backward, as BERT-base and GPT-2 ask for it, and with long rows. No library is
// beside it in this run; bench/train_vs_pytorch.py measures PyTorch's best.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

#include "bench/cuda/session.h"

namespace graft::bench {
namespace {

struct AttentionCase {
  const char* row;
  int64_t batch, tokens, heads, size;
  bool causal;

  // Two products of [tokens, size] and [tokens, tokens] a head, half of that where a query sees only keys
  // before it; five backward.
  double flops(bool backward) const {
    double products = 2.0 * static_cast<double>(batch * heads * tokens) * static_cast<double>(tokens * size);
    return products * (backward ? 5 : 2) * (causal ? 0.5 : 1);
  }
  std::string name(bool backward) const {
    return str("attention ", batch, " x ", tokens, " x ", heads, " x ", size, causal ? " causal" : "",
               backward ? ", gradients" : "");
  }
};

kernels::AttentionGradArguments arguments(const AttentionCase& c, DType dtype) {
  Shape shape{c.batch, c.tokens, c.heads, c.size};
  kernels::AttentionGradArguments a;
  a.of.q = normal(shape, dtype, 1);
  a.of.k = normal(shape, dtype, 2);
  a.of.v = normal(shape, dtype, 3);
  a.of.scale = 1 / std::sqrt(static_cast<double>(c.size));
  a.of.causal = c.causal;
  a.of.y = poisoned(shape, dtype);
  a.of.lse = poisoned({c.batch, c.heads, c.tokens}, DType::f32);
  a.dy = normal(shape, dtype, 4);
  a.dq = poisoned(shape, dtype);
  a.dk = poisoned(shape, dtype);
  a.dv = poisoned(shape, dtype);
  return a;
}

// The first entry of the batch on the CPU: entries do not depend on each other.
kernels::AttentionGradArguments first_on_cpu(const kernels::AttentionGradArguments& a) {
  kernels::AttentionGradArguments t = a;
  for (Tensor* each : {&t.of.q, &t.of.k, &t.of.v, &t.of.y, &t.of.lse, &t.dy, &t.dq, &t.dk, &t.dv})
    *each = on_cpu(each->slice(0, 0, 1).contiguous());
  return t;
}

// The farthest of the results from the CPU's; NaN where any entry has a hole.
double difference(const std::vector<std::pair<Tensor, Tensor>>& results) {
  double most = 0;
  for (const auto& [whole, expected] : results) {
    double holes = relative_difference(whole, whole);
    double d = holes + relative_difference(whole.slice(0, 0, 1).contiguous(), expected.to(kDevice));
    most = d <= most ? most : d;  // keeps a NaN
  }
  return most;
}

Prepared forward(const AttentionCase& c, DType dtype) {
  kernels::AttentionGradArguments a = arguments(c, dtype);
  Prepared p{.graft = {"graft", [a] { kernels::attention(a.of); }}};
  p.allowed = allowed_difference(dtype);
  p.difference = [a] {
    kernels::AttentionGradArguments t = first_on_cpu(a);
    kernels::attention(a.of);
    kernels::attention(t.of);
    return difference({{a.of.y, t.of.y}});
  };
  return p;
}

Prepared backward(const AttentionCase& c, DType dtype) {
  kernels::AttentionGradArguments a = arguments(c, dtype);
  kernels::attention(a.of);
  Prepared p{.graft = {"graft", [a] { kernels::attention_grad(a); }}};
  // y is rounded before backward reads it, and dy . y is a difference of large numbers.
  p.allowed = 2 * allowed_difference(dtype);
  p.difference = [a] {
    kernels::AttentionGradArguments t = first_on_cpu(a);
    kernels::attention_grad(a);
    kernels::attention_grad(t);
    return difference({{a.dq, t.dq}, {a.dk, t.dk}, {a.dv, t.dv}});
  };
  return p;
}

}  // namespace

void attention_cases(Session& session) {
  for (DType dtype : {DType::bf16, DType::f32}) {
    for (AttentionCase c : {AttentionCase{"A1", 128, 128, 12, 64, false},
                            {"A1", 32, 384, 12, 64, false},
                            {"A1", 32, 512, 12, 64, false},
                            {"A1", 16, 1024, 12, 64, true},
                            {"A3", 4, 4096, 16, 128, false}}) {
      if (dtype == DType::f32 && c.tokens > 1024) continue;  // long rows are bf16's
      CaseName name{c.row, "attention", c.name(false), dtype, c.flops(false)};
      CaseName gradients{"A4", "attention", c.name(true), dtype, c.flops(true)};
      if (session.dry()) c = {c.row, 2, c.tokens / 64 + 15, 2, c.size, c.causal};
      session.run(name, [&] { return forward(c, dtype); });
      session.run(gradients, [&] { return backward(c, dtype); });
    }
  }
}

}  // namespace graft::bench
