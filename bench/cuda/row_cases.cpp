// What moves memory and computes little: layer norm, softmax, cross entropy, batch norm. Their bound is a
// copy of the same size on the same device. `bytes` counts each tensor as often as it must be read or written
// when nothing of it stays in the cache: once, but for batch norm's statistics, which need all of x before
// the first y.
#include <algorithm>

#include "autograd/ops.h"
#include "bench/cuda/session.h"
#include "kernels/cross_entropy.h"
#include "kernels/layer_norm.h"
#include "kernels/softmax.h"

namespace graft::bench {
namespace {

constexpr double kEps = 1e-5;

struct Rows {
  int64_t rows, cols;
  std::string text() const { return str(rows, " x ", cols); }
  double bytes(DType dtype, int passes) const {
    return static_cast<double>(rows) * static_cast<double>(cols * size_of(dtype) * passes);
  }
  Rows small(bool dry) const { return dry ? Rows{rows % 7 + 5, cols % 100 + 33} : *this; }
};

struct LayerNorm {
  Tensor x, dy, weight, bias, y, dx, mean, inverse, dweight, dbias;

  LayerNorm(Rows size, DType dtype)
      : x(normal({size.rows, size.cols}, dtype, 1)),
        dy(normal(x.shape(), dtype, 2)),
        weight(normal({size.cols}, DType::f32, 3)),
        bias(normal({size.cols}, DType::f32, 4)),
        y(poisoned(x.shape(), dtype)),
        dx(poisoned(x.shape(), dtype)),
        mean(poisoned({size.rows}, DType::f32)),
        inverse(mean.empty_like()),
        dweight(weight.empty_like()),
        dbias(weight.empty_like()) {}

  void forward() const { kernels::layer_norm(x, weight, bias, kEps, y, mean, inverse); }
  void backward() const {
    kernels::layer_norm_grad_input(x, dy, weight, mean, inverse, dx);
    kernels::layer_norm_grad_parameters(x, dy, mean, inverse, dweight, dbias);
  }
  LayerNorm twin() const {
    LayerNorm t = *this;
    for (Tensor* each :
         {&t.x, &t.dy, &t.weight, &t.bias, &t.y, &t.dx, &t.mean, &t.inverse, &t.dweight, &t.dbias})
      *each = on_cpu(*each);
    return t;
  }
};

void layer_norm(Session& session, Rows size, DType dtype) {
  session.run({"M1", "rows", "layer norm " + size.text(), dtype, 0, size.bytes(dtype, 2)}, [&] {
    LayerNorm n(size.small(session.dry()), dtype);
    return Prepared{.graft = {"graft", [n] { n.forward(); }},
                    .result = n.y,
                    .allowed = allowed_difference(dtype),
                    .references = {copy_of(n.x)},
                    .on_cpu = [n] {
                      LayerNorm t = n.twin();
                      t.forward();
                      return t.y;
                    }};
  });
  session.run({"M2", "rows", "layer norm gradients " + size.text(), dtype, 0, size.bytes(dtype, 3)}, [&] {
    LayerNorm n(size.small(session.dry()), dtype);
    n.forward();
    return Prepared{.graft = {"graft", [n] { n.backward(); }},
                    .result = n.dx,
                    .allowed = allowed_difference(dtype),
                    .references = {copy_of(n.x)},
                    .on_cpu = [n] {
                      LayerNorm t = n.twin();
                      t.backward();
                      return t.dx;
                    }};
  });
}

void softmax(Session& session, Rows size, DType dtype) {
  session.run({"M1", "rows", "softmax " + size.text(), dtype, 0, size.bytes(dtype, 2)}, [&] {
    Rows s = size.small(session.dry());
    Tensor x = normal({s.rows, s.cols}, dtype, 1), y = poisoned(x.shape(), dtype);
    return Prepared{.graft = {"graft", [=] { kernels::softmax(x, y); }},
                    .result = y,
                    .allowed = allowed_difference(dtype),
                    .references = {copy_of(x)},
                    .on_cpu = [=] {
                      Tensor in = on_cpu(x), out = in.empty_like();
                      kernels::softmax(in, out);
                      return out;
                    }};
  });
  session.run({"M1", "rows", "softmax gradient " + size.text(), dtype, 0, size.bytes(dtype, 3)}, [&] {
    Rows s = size.small(session.dry());
    Tensor x = normal({s.rows, s.cols}, dtype, 1), y = x.empty_like(), dx = poisoned(x.shape(), dtype);
    Tensor dy = normal(x.shape(), dtype, 2);
    kernels::softmax(x, y);
    return Prepared{.graft = {"graft", [=] { kernels::softmax_grad(y, dy, dx); }},
                    .result = dx,
                    .allowed = allowed_difference(dtype),
                    .references = {copy_of(x)},
                    .on_cpu = [=] {
                      Tensor out = on_cpu(y);
                      kernels::softmax_grad(on_cpu(y), on_cpu(dy), out);
                      return out;
                    }};
  });
}

// The loss and its gradient in one.
void cross_entropy(Session& session, Rows size) {
  session.run(
      {"M1", "rows", "cross entropy and gradient " + size.text(), DType::f32, 0, size.bytes(DType::f32, 2)},
      [&] {
        Rows s = size.small(session.dry());
        kernels::CrossEntropyArguments a;
        a.logits = normal({s.rows, s.cols}, DType::f32, 1);
        Tensor labels = Tensor::empty({s.rows}, DType::i64);
        for (int64_t i = 0; i < s.rows; ++i) labels.data<int64_t>()[i] = i * 7919 % s.cols;
        a.labels = labels.to(kDevice);
        a.loss = poisoned({1}, DType::f32);
        a.dlogits = poisoned(a.logits.shape(), DType::f32);
        return Prepared{.graft = {"graft", [a] { kernels::cross_entropy(a); }},
                        .result = a.dlogits,
                        .allowed = allowed_difference(DType::f32),
                        .references = {copy_of(a.logits)},
                        .on_cpu = [a, labels] {
                          kernels::CrossEntropyArguments t = a;
                          t.logits = on_cpu(a.logits);
                          t.labels = labels;
                          t.loss = Tensor::empty({1});
                          t.dlogits = t.logits.empty_like();
                          kernels::cross_entropy(t);
                          return t.dlogits;
                        }};
      });
}

// A training step's batch norm, running statistics included, through the tape as a network calls it.
struct BatchNormStep {
  Var x, weight, bias, residual;  // residual: undefined, or what is added before a ReLU
  Tensor dy, running_mean, running_var;

  BatchNormStep(Rows size, DType dtype, bool fused)
      : x(normal({size.rows, size.cols}, dtype, 1), true),
        weight(normal({size.cols}, DType::f32, 2), true),
        bias(normal({size.cols}, DType::f32, 3), true),
        residual(fused ? Var(normal({size.rows, size.cols}, dtype, 5), true) : Var()),
        dy(normal({size.rows, size.cols}, dtype, 4)),
        running_mean(Tensor::zeros({size.cols}, DType::f32, kDevice)),
        running_var(Tensor::full({size.cols}, 1, DType::f32, kDevice)) {}

  BatchNormStep twin() const {
    BatchNormStep t = *this;
    for (Var* v : {&t.x, &t.weight, &t.bias}) *v = Var(on_cpu(v->value()), true);
    if (residual) t.residual = Var(on_cpu(residual.value()), true);
    for (Tensor* each : {&t.dy, &t.running_mean, &t.running_var}) *each = on_cpu(*each);
    return t;
  }
  Var forward() const {
    BatchNorm how;
    if (residual) {
      how.act = Activation::relu;
      how.residual = residual;
    }
    return batch_norm_train(x, weight, bias, running_mean, running_var, how);
  }
  Tensor step() const {
    for (const Var* v : {&x, &weight, &bias, &residual}) {
      if (*v) v->clear_grad();
    }
    backward(forward(), dy);
    return x.grad();
  }
};

// Forward needs x twice and writes y; backward needs x and dy twice and writes dx. With a residual and ReLU
// after it in the same pass the residual is read too; backward reads y once and writes what passed, which it
// then reads in dy's place.
void batch_norm(Session& session, Rows size, DType dtype, bool fused) {
  std::string what = fused ? "batch norm + residual + ReLU" : "batch norm";
  session.run({"M3", "rows", what + ", forward " + size.text(), dtype, 0, size.bytes(dtype, fused ? 4 : 3)},
              [&] {
                BatchNormStep b(size.small(session.dry()), dtype, fused);
                Prepared p{.graft = {"graft", [b] { b.forward(); }}, .references = {copy_of(b.dy)}};
                p.allowed = allowed_difference(dtype);
                p.difference = [b] {
                  return relative_difference(b.forward().value(), b.twin().forward().value().to(kDevice));
                };
                return p;
              });
  session.run({"M3", "rows", what + ", both " + size.text(), dtype, 0, size.bytes(dtype, fused ? 11 : 8)},
              [&] {
                BatchNormStep b(size.small(session.dry()), dtype, fused);
                Prepared p{.graft = {"graft", [b] { b.step(); }}, .references = {copy_of(b.dy)}};
                // A value next to 0 may pass a ReLU on one device and not on the other: of 25 million a few
                // do.
                p.allowed = std::max(allowed_difference(dtype), fused ? 1e-3 : 0);
                p.difference = [b] { return relative_difference(b.step(), b.twin().step().to(kDevice)); };
                return p;
              });
}

}  // namespace

void row_cases(Session& session) {
  for (DType dtype : {DType::bf16, DType::f32}) {
    for (Rows size : {Rows{16384, 768}, Rows{16384, 1024}, Rows{32768, 4096}})
      layer_norm(session, size, dtype);
    for (Rows size : {Rows{16384, 1000}, Rows{49152, 512}, Rows{32768, 4096}}) softmax(session, size, dtype);
    // ResNet-50 at batch 128: after its stem, and in its first and third stage.
    for (Rows size : {Rows{128 * 112 * 112, 64}, Rows{128 * 56 * 56, 256}, Rows{128 * 14 * 14, 1024}})
      for (bool fused : {false, true}) batch_norm(session, size, dtype, fused);
  }
  for (Rows size : {Rows{16384, 1000}, Rows{4096, 50257}}) cross_entropy(session, size);
}

}  // namespace graft::bench
