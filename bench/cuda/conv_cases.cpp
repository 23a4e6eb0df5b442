// The convolutions of ResNet-50, forward and both gradients: in bf16 at batch 128, in f32 at batch 32.
#include "bench/conv_cases.h"

#include "bench/cuda/cudnn.h"
#include "core/error.h"
#include "kernels/conv2d.h"

namespace graft::bench {
namespace {

void convolve(const Convolution& c) {
  switch (c.pass) {
    case ConvPass::forward: kernels::conv2d(c.x, c.weight, c.window, {}, c.y); break;
    case ConvPass::grad_input: kernels::conv2d_grad_input(c.y, c.weight, c.window, c.x); break;
    case ConvPass::grad_weight: kernels::conv2d_grad_weight(c.x, c.y, c.window, c.weight); break;
  }
}

// The same with another tensor for the result.
Convolution with_result(Convolution c, Tensor result) {
  (c.pass == ConvPass::forward ? c.y : c.pass == ConvPass::grad_input ? c.x : c.weight) = std::move(result);
  return c;
}

Prepared prepare(const ConvCase& layer, int64_t batch, ConvPass pass, DType dtype) {
  Convolution c{normal({batch, layer.size, layer.size, layer.channels}, dtype, 1),
                normal({layer.outputs, layer.kernel, layer.kernel, layer.channels / layer.groups}, dtype, 2),
                normal({batch, layer.out_size(), layer.out_size(), layer.outputs}, dtype, 3),
                {layer.stride, layer.padding, layer.groups},
                pass};
  Prepared out{
      .graft = {"graft", [c] { convolve(c); }}, .result = c.result(), .allowed = allowed_difference(dtype)};
  out.on_cpu = [c] {
    Convolution twin{on_cpu(c.x), on_cpu(c.weight), on_cpu(c.y), c.window, c.pass};
    convolve(twin);
    return twin.result();
  };
  std::string problem;
  if (Cudnn* cudnn = Cudnn::find(problem)) {
    Convolution theirs = with_result(c, c.result().empty_like());
    try {
      out.references.push_back({cudnn->best(theirs, out.notes), theirs.result()});
    } catch (const Error& e) {
      problem = e.what();
    }
  }
  if (!problem.empty()) out.notes["cuDNN"] = problem;
  return out;
}

void add(Session& session, const std::string& row, ConvCase layer, int64_t batch, ConvPass pass,
         DType dtype) {
  const char* names[] = {"forward", "grad input", "grad weight"};
  CaseName name{row, "conv", str(layer.name(), ", ", names[static_cast<int>(pass)]), dtype,
                layer.flops(batch)};
  if (session.dry()) {
    batch = 2;
    layer.size = layer.size / 56 + layer.kernel + 2;
    layer.channels = layer.channels % 32 + 3;
    layer.outputs = layer.outputs % 48 + 5;
  }
  session.run(name, [&] { return prepare(layer, batch, pass, dtype); });
}

}  // namespace

void conv_cases(Session& session) {
  for (auto [dtype, batch] : {std::pair(DType::bf16, int64_t{128}), {DType::f32, int64_t{32}}}) {
    for (ConvPass pass : {ConvPass::forward, ConvPass::grad_input, ConvPass::grad_weight}) {
      std::string row = pass == ConvPass::forward ? "C1" : "C2";
      for (const ConvCase& layer : resnet50_cases()) {
        if (layer.channels == 3 && pass == ConvPass::grad_input) continue;  // pictures need no gradient
        add(session, layer.channels == 3 && pass == ConvPass::forward ? "C4" : row, layer, batch, pass,
            dtype);
      }
    }
  }
}

}  // namespace graft::bench
