#include "app/kernel_examples.h"

#include <memory>

#include "autograd/ops.h"
#include "core/rng.h"
#include "nn/optim/optimizer.h"

namespace graft::app {
namespace {

Tensor numbers(const Shape& shape, DType dtype, Device device, uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.span<float>()) v = static_cast<float>(rng.normal());
  return t.to(dtype).to(device);
}

// Indices 0, 1, ..., below `bound`, again and again.
Tensor counting(int64_t count, int64_t bound, Device device) {
  Tensor t = Tensor::empty({count}, DType::i64);
  for (int64_t i = 0; i < count; ++i) t.data<int64_t>()[i] = i % bound;
  return t.to(device);
}

using Op = std::function<Var(const std::vector<Var>&)>;

// `op` on inputs of these shapes, and the gradients of them all.
KernelExample forward_and_backward(std::string name, std::string sizes, DType dtype,
                                   const std::vector<Shape>& shapes, const Op& op) {
  return {std::move(name), std::move(sizes), [=](Device device) -> std::function<void()> {
            std::vector<Var> inputs;
            for (size_t i = 0; i < shapes.size(); ++i) {
              inputs.emplace_back(numbers(shapes[i], dtype, device, i + 1), true);
            }
            Var y = op(inputs);  // makes what is made once
            Tensor dy = numbers(y.value().shape(), y.value().dtype(), device, 99);
            return [=] { backward(op(inputs), dy); };
          }};
}

template <class Optimizer>
KernelExample optimizer(std::string name) {
  return {std::move(name), "five tensors of 10,000, f32", [](Device device) -> std::function<void()> {
            nn::ParameterGroup group{.name = "all", .parameters = {}};
            for (uint64_t i = 0; i < 5; ++i) {
              group.parameters.emplace_back(numbers({10000}, DType::f32, device, i), true);
              backward(sum(group.parameters.back()));
            }
            auto made = std::make_shared<Optimizer>(std::vector{group});
            made->step(1e-3);  // makes the state
            return [=] { made->step(1e-3); };
          }};
}

void add_products(std::vector<KernelExample>& all) {
  for (DType t : {DType::f32, DType::bf16}) {
    std::string of = str(", ", t);
    all.push_back(forward_and_backward(str("linear_", t), "64 x 128 to 64 x 128" + of, t,
                                       {{64, 128}, {128, 128}, {128}},
                                       [](const auto& x) { return linear(x[0], x[1], x[2]); }));
    all.push_back(forward_and_backward(
        str("conv2d_", t), "3 x 3, 32 to 64 channels, 1 x 16 x 16" + of, t, {{1, 16, 16, 32}, {64, 3, 3, 32}},
        [](const auto& x) { return conv2d(x[0], x[1], {}, {.stride = 1, .padding = 1}); }));
  }
  for (DType t : {DType::f32, DType::bf16}) {
    const Shape heads = {1, 64, 2, 64};
    all.push_back(forward_and_backward(
        str("attention_", t), str("64 queries and keys, 2 heads of 64, causal, ", t), t,
        {heads, heads, heads},
        [](const auto& x) { return attention(x[0], x[1], x[2], {}, {.causal = true}); }));
  }
  all.push_back(forward_and_backward(
      "conv2d_depthwise", "3 x 3, 64 channels, 1 x 16 x 16, f32", DType::f32,
      {{1, 16, 16, 64}, {64, 3, 3, 1}},
      [](const auto& x) { return conv2d(x[0], x[1], {}, {.stride = 1, .padding = 1, .groups = 64}); }));
}

void add_rows(std::vector<KernelExample>& all) {
  const DType f32 = DType::f32;
  all.push_back(forward_and_backward("softmax", "16 rows of 1,000, f32", f32, {{16, 1000}},
                                     [](const auto& x) { return softmax(x[0]); }));
  all.push_back(forward_and_backward("layer_norm", "16 rows of 768, f32", f32, {{16, 768}, {768}, {768}},
                                     [](const auto& x) { return layer_norm(x[0], x[1], x[2]); }));
  all.push_back(forward_and_backward("rms_norm", "16 rows of 768, f32", f32, {{16, 768}, {768}},
                                     [](const auto& x) { return rms_norm(x[0], x[1]); }));
  all.push_back(forward_and_backward(
      "cross_entropy", "16 rows of 1,000, f32", f32, {{16, 1000}},
      [](const auto& x) { return cross_entropy(x[0], counting(16, 1000, x[0].value().device())); }));
  all.push_back(forward_and_backward(
      "embedding", "64 of 100 rows of 128, f32", f32, {{100, 128}},
      [](const auto& x) { return embedding(x[0], counting(64, 40, x[0].value().device())); }));
}

void add_pictures(std::vector<KernelExample>& all) {
  const DType f32 = DType::f32;
  const Shape picture = {2, 16, 16, 64};
  const std::string sizes = "2 x 16 x 16, 64 channels, f32";
  all.push_back(forward_and_backward("batch_norm", sizes, f32, {picture, {64}, {64}}, [](const auto& x) {
    Device device = x[0].value().device();
    return batch_norm_train(x[0], x[1], x[2], Tensor::zeros({64}, DType::f32, device),
                            Tensor::full({64}, 1, DType::f32, device), {});
  }));
  all.push_back(forward_and_backward("max_pool2d", sizes, f32, {picture}, [](const auto& x) {
    return max_pool2d(x[0], {.size = 3, .stride = 2, .padding = 1});
  }));
  all.push_back(forward_and_backward("global_avg_pool", sizes, f32, {picture},
                                     [](const auto& x) { return global_avg_pool(x[0]); }));
  all.push_back(forward_and_backward("concat_last", sizes, f32, {picture, picture}, [](const auto& x) {
    return concat_last({x[0], x[1]});
  }));
  all.push_back(forward_and_backward("shortcut_a", sizes, f32, {picture},
                                     [](const auto& x) { return shortcut_a(x[0], 2, 128); }));
}

void add_elements(std::vector<KernelExample>& all) {
  const DType f32 = DType::f32;
  const std::string sizes = "10,000, f32";
  all.push_back(
      forward_and_backward("relu", sizes, f32, {{10000}}, [](const auto& x) { return relu(x[0]); }));
  all.push_back(
      forward_and_backward("gelu", sizes, f32, {{10000}}, [](const auto& x) { return gelu(x[0]); }));
  all.push_back(forward_and_backward("add", sizes, f32, {{10000}, {10000}},
                                     [](const auto& x) { return add(x[0], x[1]); }));
  all.push_back(forward_and_backward("dropout", sizes, f32, {{10000}},
                                     [](const auto& x) { return dropout(x[0], 0.5, 1); }));
  all.push_back(forward_and_backward("cast", "10,000, f32 to bf16", f32, {{10000}},
                                     [](const auto& x) { return cast(x[0], DType::bf16); }));
  all.push_back({"transpose", "100 x 90, f32", [](Device device) -> std::function<void()> {
                   Tensor t = numbers({100, 90}, DType::f32, device, 1);
                   return [=] { t.permute({1, 0}).contiguous(); };
                 }});
}

}  // namespace

std::vector<KernelExample> kernel_examples() {
  std::vector<KernelExample> all;
  add_products(all);
  add_rows(all);
  add_pictures(all);
  add_elements(all);
  all.push_back(optimizer<nn::Sgd>("sgd"));
  all.push_back(optimizer<nn::AdamW>("adamw"));
  all.push_back(optimizer<nn::Lamb>("lamb"));
  return all;
}

}  // namespace graft::app
