#include "tests/sim/workloads.h"

#include "autograd/ops.h"
#include "kernels/batch_norm.h"
#include "kernels/matmul.h"
#include "kernels/reduce.h"
#include "kernels/unary.h"
#include "nn/optim/clip.h"
#include "nn/optim/optimizer.h"
#include "tests/support.h"

namespace graft::test {
namespace {

constexpr Device kCuda{Device::Type::cuda, 0};
using Tensors = std::vector<Tensor>;

Tensor there(const Shape& shape, uint64_t seed, DType dtype = DType::f32) {
  return random_tensor(shape, seed, dtype).to(kCuda);
}

Tensor indices(int64_t n, int64_t rows) {
  Tensor out = Tensor::empty({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) out.data<int64_t>()[i] = i * i % rows;
  return out.to(kCuda);
}

Tensors home(const Tensors& tensors) {
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(t.to(kCpu));
  return out;
}

// 1 where f refuses the data that it is given.
Tensors refused(const std::function<void()>& f) {
  double thrown = 0;
  try {
    f();
    kernels::scale(there({1}, 1), 1, there({1}, 1));
    there({1}, 1).to(kCpu);  // waits for the device
  } catch (const DataError&) {
    thrown = 1;
  }
  return {Tensor::full({}, thrown)};
}

// The value of f(inputs) and the gradients of all inputs.
Tensors with_gradients(const Tensors& inputs, const std::function<Var(const std::vector<Var>&)>& f) {
  std::vector<Var> vars;
  for (const Tensor& t : inputs) vars.emplace_back(t, true);
  Var y = f(vars);
  backward(y, there(y.value().shape(), 99, y.value().dtype()));
  Tensors out = {y.value()};
  for (const Var& v : vars) out.push_back(v.grad());
  return home(out);
}

class List {
 public:
  std::vector<Workload> all;

  void add(const std::string& name, std::function<Tensors()> run, const char* capability = "") {
    all.push_back({name, capability, std::move(run)});
  }
  // For inputs of these shapes.
  void add_gradients(const std::string& name, const std::vector<Shape>& shapes, DType dtype,
                     std::function<Var(const std::vector<Var>&)> f, const char* capability = "") {
    add(
        name + ", " + std::string(to_text(dtype)),
        [=] {
          Tensors inputs;
          for (size_t i = 0; i < shapes.size(); ++i) inputs.push_back(there(shapes[i], i + 1, dtype));
          return with_gradients(inputs, f);
        },
        capability);
  }
};

constexpr DType kBoth[] = {DType::f32, DType::bf16};

void add_rows(List& list) {
  for (DType dtype : kBoth) {
    for (Shape shape : {Shape{9, 37}, Shape{9, 64}, Shape{2, 1501}}) {
      const std::string name = str(" of ", shape[1]);
      list.add_gradients("softmax" + name, {shape}, dtype, [](const auto& v) { return softmax(v[0]); });
    }
    for (Shape shape : {Shape{9, 37}, Shape{9, 64}, Shape{2, 1100}, Shape{2, 8200}}) {
      const std::string name = str(" of ", shape[1], ", ", to_text(dtype));
      auto parameters = [=](uint64_t seed) { return there({shape[1]}, seed, DType::f32); };
      list.add("layer norm" + name, [=] {
        return with_gradients({there(shape, 1, dtype), parameters(2), parameters(3)},
                              [](const auto& v) { return layer_norm(v[0], v[1], v[2]); });
      });
      list.add("RMS norm" + name, [=] {
        return with_gradients({there(shape, 1, dtype), parameters(2)},
                              [](const auto& v) { return rms_norm(v[0], v[1]); });
      });
    }
  }
  // Rows enough for several pieces of a column's sum.
  list.add_gradients("layer norm of many rows", {{1030, 3}, {3}, {3}}, DType::f32,
                     [](const auto& v) { return layer_norm(v[0], v[1], v[2]); });
}

void add_losses(List& list) {
  for (int64_t classes : {11, 1500}) {
    for (DType dtype : kBoth) {
      list.add(str("cross entropy of ", classes, " classes, ", to_text(dtype)), [=] {
        Tensor labels = indices(270 * 11 / classes + 9, 11), weights = Tensor::full({classes}, 0.75, dtype);
        return with_gradients({there({labels.dim(0), classes}, 1, dtype)}, [&](const auto& v) {
          return cross_entropy(v[0], labels, {0.1, weights.to(kCuda), 3});
        });
      });
    }
  }
  list.add("cross entropy of a label beyond the classes", [] {
    return refused([] { cross_entropy(Var(there({300, 9}, 1)), indices(300, 11)); });
  });
}

void add_embedding(List& list) {
  for (DType dtype : kBoth) {
    for (int64_t cols : {19, 32}) {
      list.add(str("embedding of ", cols, ", ", to_text(dtype)), [=] {
        return with_gradients({there({23, cols}, 1, dtype)},
                              [](const auto& v) { return embedding(v[0], indices(1101, 23), 4); });
      });
    }
  }
  list.add("embedding, no pieces", [] {
    return with_gradients({there({90, 200}, 1)},
                          [](const auto& v) { return embedding(v[0], indices(300, 90)); });
  });
  list.add("embedding of an index beyond the table", [] {
    return refused([] { embedding(Var(there({9, 3}, 1)), indices(300, 11)); });
  });
}

void add_elements(List& list) {
  for (DType dtype : kBoth) {
    for (int64_t n : {1100, 2403}) {
      auto each = [&](const char* name, auto f) {
        list.add_gradients(str(name, " of ", n), {{n}}, dtype, [=](const auto& v) { return f(v[0]); });
      };
      each("relu", relu), each("relu6", relu6), each("gelu", gelu), each("gelu_tanh", gelu_tanh);
      each("quick_gelu", quick_gelu), each("silu", silu), each("sigmoid", sigmoid), each("tanh", tanh);
      each("exp", exp);
      each("dropout", [](const Var& x) { return dropout(x, 0.3, uint64_t{5}); });
      each("cast", [](const Var& x) { return cast(x, DType::f32); });
      each("mean", mean);
      list.add_gradients(str("add of ", n), {{n}, {n}}, dtype, [](const auto& v) { return add(v[0], v[1]); });
    }
  }
  list.add("sums of 50001", [] {
    Tensor many = there({50001}, 3), squares = Tensor::empty({}, DType::f64, kCuda);
    kernels::sum_squares(many, squares);
    return home({squares, sum(Var(many)).value()});
  });
  list.add("copies", [] {
    Tensor x = there({30, 7, 5}, 1), y = Tensor::full({17, 19}, 2, DType::bf16, kCuda);
    Tensor strided = x.empty_like();
    x.slice(0, 0, 29).fill(3);
    return home({x.transpose(0, 2).contiguous(), y, x});
  });
}

void add_pictures(List& list) {
  for (DType dtype : kBoth) {
    const Shape picture = {2, 9, 9, 40};
    list.add_gradients("max_pool2d", {picture}, dtype, [](const auto& v) {
      return max_pool2d(v[0], {3, 2, 1, true});
    });
    list.add_gradients("global_avg_pool", {picture}, dtype,
                       [](const auto& v) { return global_avg_pool(v[0]); });
    list.add_gradients("adaptive_avg_pool2d", {picture}, dtype,
                       [](const auto& v) { return adaptive_avg_pool2d(v[0], 7, 5); });
    list.add_gradients("scale_channels", {picture, {2, 40}}, dtype,
                       [](const auto& v) { return scale_channels(v[0], v[1]); });
    list.add_gradients("shortcut_a", {picture}, dtype, [](const auto& v) { return shortcut_a(v[0], 2, 50); });
    list.add_gradients("concat_last", {picture, {2, 9, 9, 3}}, dtype, [](const auto& v) {
      return concat_last({v[0], v[1]});
    });
    for (bool train : {true, false}) {
      list.add(str("batch norm, ", train ? "train, " : "frozen, ", to_text(dtype)), [=] {
        Tensor mean = there({40}, 4), variance = Tensor::full({40}, 1.5, DType::f32, kCuda);
        Tensors out = with_gradients(
            {there(picture, 1, dtype), there({40}, 2), there({40}, 3), there(picture, 5, dtype)},
            [&](const auto& v) {
              auto norm = train ? batch_norm_train : batch_norm_frozen;
              return norm(v[0], v[1], v[2], mean, variance, {1e-5, 0.1, Activation::relu, v[3]});
            });
        for (const Tensor& t : home({mean, variance})) out.push_back(t);
        return out;
      });
    }
  }
  list.add("batch norm as a scale and a shift", [] {
    Tensor mean = there({300}, 1), inverse = there({300}, 2), weight = there({300}, 3),
           bias = there({300}, 4);
    Tensor scale = mean.empty_like(), shift = mean.empty_like();
    kernels::batch_norm_affine(mean, inverse, weight, bias, scale, shift);
    return home({scale, shift});
  });
}

void add_products(List& list) {
  for (DType dtype : kBoth) {
    // Odd sizes have no runs of 16 bytes: plain multiplications, whatever the type.
    list.add_gradients("linear", {{130, 33}, {67, 33}, {67}}, dtype,
                       [](const auto& v) { return linear(v[0], v[1], v[2]); });
    list.add_gradients("linear, narrow", {{150, 9}, {5, 9}, {5}}, dtype,
                       [](const auto& v) { return linear(v[0], v[1], v[2]); });
    for (Activation act : {Activation::relu, Activation::gelu, Activation::gelu_tanh}) {
      list.add_gradients(str("linear, residual and activation ", static_cast<int>(act)),
                         {{70, 17}, {35, 17}, {35}, {70, 35}}, dtype,
                         [=](const auto& v) { return linear_act(v[0], v[1], v[2], act, v[3]); });
    }
    list.add_gradients("matmul in batches", {{2, 35, 18}, {2, 18, 37}}, dtype,
                       [](const auto& v) { return matmul(v[0], v[1]); });
    list.add_gradients("matmul in batches, depth in parts", {{2, 300, 9}, {2, 9, 10}}, dtype,
                       [](const auto& v) { return matmul(v[0], v[1]); });
    list.add_gradients("matmul_nt, depth in parts", {{35, 37}, {300, 37}}, dtype,
                       [](const auto& v) { return matmul_nt(v[0], v[1]); });
  }
  // On tensor cores, by warps and by warpgroups.
  for (const char* capability : {"80", "90"}) {
    list.add_gradients(
        str("linear, capability ", capability), {{136, 328}, {72, 328}, {72}}, DType::bf16,
        [](const auto& v) { return linear(v[0], v[1], v[2]); }, capability);
    list.add_gradients(
        str("linear, residual and GELU, capability ", capability), {{72, 136}, {136, 136}, {136}, {72, 136}},
        DType::bf16, [](const auto& v) { return linear_act(v[0], v[1], v[2], Activation::gelu, v[3]); },
        capability);
    list.add_gradients(
        str("matmul in batches, capability ", capability), {{2, 72, 88}, {2, 88, 136}}, DType::bf16,
        [](const auto& v) { return matmul(v[0], v[1]); }, capability);
  }
  // More steps than the ring has stages.
  list.add("matmul_nt, deep", [] {
    Tensor c = Tensor::empty({136, 72}, DType::bf16, kCuda);
    kernels::matmul_nt(there({136, 648}, 1, DType::bf16), there({72, 648}, 2, DType::bf16), {}, c);
    return home({c});
  });
}

void add_convolutions(List& list) {
  auto add = [&](const std::string& name, const Shape& x, const Shape& weight, Conv2d how, DType dtype) {
    list.add_gradients("conv2d " + name, {x, weight, {weight[0]}}, dtype,
                       [=](const auto& v) { return conv2d(v[0], v[1], v[2], how); });
  };
  for (DType dtype : kBoth) {
    add("3x3", {2, 9, 7, 5}, {6, 3, 3, 5}, {1, 1, 1}, dtype);
    add("3x3 with stride 2", {2, 9, 8, 8}, {70, 3, 3, 8}, {2, 1, 1}, dtype);
    add("1x1", {2, 9, 7, 5}, {7, 1, 1, 5}, {}, dtype);
    add("grouped", {1, 8, 7, 12}, {9, 3, 3, 4}, {1, 1, 3}, dtype);
    // More taps than are in shared memory at once.
    add("depthwise 7x7", {1, 9, 7, 40}, {40, 7, 7, 1}, {1, 3, 40}, dtype);
    add("depthwise with stride 2", {2, 26, 22, 33}, {33, 3, 3, 1}, {2, 1, 33}, dtype);
    list.add("conv2d with its epilogue, " + std::string(to_text(dtype)), [=] {
      NoGrad inference;
      return home(
          {conv2d_affine(Var(there({2, 9, 7, 5}, 1, dtype)), Var(there({6, 3, 3, 5}, 2, dtype)), {1, 1, 1},
                         there({6}, 3), there({6}, 4), Var(there({2, 9, 7, 6}, 5, dtype)), Activation::relu6)
               .value()});
    });
  }
  add("with runs of channels", {2, 9, 7, 16}, {72, 3, 3, 16}, {1, 1, 1}, DType::bf16);
}

void add_attention(List& list) {
  auto add = [&](DType dtype, int64_t queries, int64_t keys, int64_t size, bool causal) {
    list.add(str("attention of ", queries, " x ", keys, ", heads of ", size, causal ? ", causal, " : ", ",
                 to_text(dtype)),
             [=] {
               Attention how{0.25, causal, Tensor::from(std::vector<int64_t>{keys, keys - 1}, {2}).to(kCuda)};
               return with_gradients(
                   {there({2, queries, 2, size}, 1, dtype), there({2, keys, 2, size}, 2, dtype),
                    there({2, keys, 2, size}, 3, dtype), there({1, queries, keys}, 4, dtype)},
                   [&](const auto& v) { return attention(v[0], v[1], v[2], v[3], how); });
             });
  };
  // Two tiles of queries and two of keys, with tensor cores and without.
  add(DType::f32, 33, 35, 100, true);
  add(DType::f32, 33, 35, 20, false);
  add(DType::bf16, 65, 67, 16, true);
  add(DType::bf16, 65, 67, 32, false);
  list.add("attention to more keys than there are", [] {
    return refused([] {
      Var q(there({1, 3, 1, 8}, 1));
      attention(q, q, q, {}, {1, false, Tensor::from(std::vector<int64_t>{4}, {1}).to(kCuda)});
    });
  });
}

void add_optimizers(List& list) {
  for (DType dtype : kBoth) {
    auto add = [&](const char* name, auto step) {
      list.add(str(name, ", ", to_text(dtype)), [=] {
        Var p(there({3, 701}, 1, dtype), true), q(there({5}, 2, dtype), true);
        p.set_grad(there({3, 701}, 3, dtype));
        q.set_grad(there({5}, 4, dtype));
        step(std::vector<Var>{p, q});
        return home({p.value(), q.value(), p.grad(), q.grad()});
      });
    };
    auto group = [](const std::vector<Var>& v) {
      return std::vector<nn::ParameterGroup>{{"all", v, 1, 0.05, {}}};
    };
    add("SGD", [=](const auto& v) { nn::Sgd(group(v), {0.9, true}).step(0.01); });
    add("AdamW", [=](const auto& v) { nn::AdamW(group(v)).step(0.01); });
    add("LAMB", [=](const auto& v) { nn::Lamb(group(v)).step(0.01); });
    add("clipping", [=](const auto& v) { nn::clip_gradients(v, 1); });
  }
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = [] {
    List list;
    add_rows(list);
    add_losses(list);
    add_embedding(list);
    add_elements(list);
    add_pictures(list);
    add_products(list);
    add_convolutions(list);
    add_attention(list);
    add_optimizers(list);
    return list.all;
  }();
  return all;
}

}  // namespace graft::test
