// Matrix products: squares, and those of ResNet-50's head, BERT-base and GPT-2: forward (x w^T + b), the
// gradient of the input (dy w) and of the weight (dy^T x).
#include "bench/cuda/cublaslt.h"
#include "core/error.h"
#include "kernels/matmul.h"

namespace graft::bench {
namespace {

enum class Pass { forward, grad_input, grad_weight };

// A linear layer from `in` to `out` features on `rows` samples or tokens.
struct LinearCase {
  const char* name;
  int64_t rows, out, in;
  bool bias = true;

  double flops() const { return 2.0 * static_cast<double>(rows) * static_cast<double>(out * in); }
};

// As long as a token's or picture's share of a batch that trains well.
const std::vector<LinearCase>& layers() {
  static const std::vector<LinearCase> all = {
      {"ResNet-50 fc, batch 32", 32, 1000, 2048},
      {"ResNet-50 fc, batch 128", 128, 1000, 2048},
      {"BERT-base qkv or out", 8192, 768, 768},
      {"BERT-base up", 8192, 3072, 768},
      {"BERT-base down", 8192, 768, 3072},
      {"GPT-2 qkv", 8192, 2304, 768},
      {"GPT-2 up", 16384, 3072, 768},
      {"GPT-2 down", 16384, 768, 3072},
      {"GPT-2 logits", 4096, 50257, 768, false},
      {"BERT-base up, 128 tokens", 128, 3072, 768},
  };
  return all;
}

Product product_of(const LinearCase& l, Pass pass, DType dtype) {
  Tensor x = normal({l.rows, l.in}, dtype, 1), weight = normal({l.out, l.in}, dtype, 2),
         dy = normal({l.rows, l.out}, dtype, 3);
  switch (pass) {
    case Pass::forward: {
      Tensor bias = l.bias ? normal({l.out}, dtype, 4) : Tensor();
      return {x, weight, bias, poisoned({l.rows, l.out}, dtype), false, true};
    }
    case Pass::grad_input: return {dy, weight, {}, poisoned({l.rows, l.in}, dtype), false, false};
    case Pass::grad_weight: return {dy, x, {}, poisoned({l.out, l.in}, dtype), true, false};
  }
  fail("no such pass");
}

void multiply(const Product& p) {
  if (p.a_transposed) {
    kernels::matmul_tn(p.a, p.b, p.c);
  } else if (p.b_transposed) {
    kernels::matmul_nt(p.a, p.b, p.bias, p.c);
  } else {
    kernels::matmul_nn(p.a, p.b, p.c);
  }
}

Prepared prepare(const LinearCase& layer, Pass pass, DType dtype) {
  Product p = product_of(layer, pass, dtype);
  Prepared out{.graft = {"graft", [p] { multiply(p); }}, .result = p.c, .allowed = allowed_difference(dtype)};
  out.on_cpu = [p] {
    Tensor bias = p.bias.defined() ? on_cpu(p.bias) : Tensor();
    Product twin{on_cpu(p.a), on_cpu(p.b), bias, on_cpu(p.c), p.a_transposed, p.b_transposed};
    multiply(twin);
    return twin.c;
  };
  std::string problem;
  if (CublasLt* lt = CublasLt::find(problem)) {
    Product theirs = p;
    theirs.c = p.c.empty_like();
    try {
      out.references.push_back({lt->best(theirs, out.notes), theirs.c});
    } catch (const Error& e) {
      problem = e.what();
    }
  }
  if (!problem.empty()) out.notes["cuBLASLt"] = problem;
  return out;
}

void add(Session& session, const std::string& row, LinearCase layer, Pass pass, DType dtype) {
  const char* names[] = {"forward", "grad input", "grad weight"};
  CaseName name{row, "matmul", str(layer.name, ", ", names[static_cast<int>(pass)]), dtype, layer.flops()};
  if (session.dry()) {  // a part of the shape that still has a ragged edge
    layer.rows = layer.rows % 96 + 17;
    layer.out = layer.out % 96 + 9;
    layer.in = layer.in % 96 + 32;
  }
  session.run(name, [&] { return prepare(layer, pass, dtype); });
}

}  // namespace

void matmul_cases(Session& session) {
  LinearCase square{"4096 x 4096 x 4096", 4096, 4096, 4096, false},
      large{"8192 x 8192 x 8192", 8192, 8192, 8192, false};
  constexpr Pass kPasses[] = {Pass::forward, Pass::grad_input, Pass::grad_weight};
  add(session, "G1", square, Pass::forward, DType::bf16);
  add(session, "G2", large, Pass::forward, DType::bf16);
  add(session, "G5", square, Pass::forward, DType::f32);
  for (Pass pass : {Pass::grad_input, Pass::grad_weight}) {
    add(session, "G1", square, pass, DType::bf16);
    add(session, "G5", square, pass, DType::f32);
  }
  for (DType dtype : {DType::bf16, DType::f32}) {
    for (const LinearCase& layer : layers()) {
      for (Pass pass : kPasses) add(session, dtype == DType::bf16 ? "G3" : "G5", layer, pass, dtype);
    }
  }
  add(session, "G5", large, Pass::forward, DType::f32);
}

}  // namespace graft::bench
