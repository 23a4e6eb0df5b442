// The row, reduction and optimizer kernels give the same bits under every schedule of the simulator and with
// any number of host threads: no result depends on which thread comes first.
#include "autograd/ops.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/reduce.h"
#include "nn/optim/clip.h"
#include "nn/optim/optimizer.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr Device kCuda{Device::Type::cuda, 0};

void check_same_under_any_schedule(const std::function<std::vector<Tensor>()>& f) {
  using Order = sim::Schedule::Order;
  sim::Schedule before = sim::schedule();
  std::vector<Tensor> first;
  for (sim::Schedule schedule : {sim::Schedule{Order::forward}, sim::Schedule{Order::reversed},
                                 sim::Schedule{Order::random, 1}, sim::Schedule{Order::random, 2}}) {
    INFO("schedule " << to_text(schedule));
    sim::set_schedule(schedule);
    check_same_for_any_threads([&] {
      std::vector<Tensor> now;
      for (const Tensor& t : f()) now.push_back(t.to(kCpu));
      if (first.empty()) first = now;
      REQUIRE(now.size() == first.size());
      for (size_t i = 0; i < now.size(); ++i) CHECK_MESSAGE(bit_equal(now[i], first[i]), "tensor " << i);
      return now;
    });
  }
  sim::set_schedule(before);
}

Tensor on_device(const Shape& shape, uint64_t seed, DType dtype) {
  return random_tensor(shape, seed, dtype).to(kCuda);
}

}  // namespace

TEST_CASE("schedules: softmax and its gradient, rows of a warp and of a block") {
  check_same_under_any_schedule([] {
    std::vector<Tensor> out;
    for (DType dtype : {DType::f32, DType::bf16}) {
      for (Shape shape : {Shape{9, 37}, Shape{2, 1501}}) {
        Var x(on_device(shape, 1, dtype), true), y = softmax(x);
        backward(y, on_device(shape, 2, dtype));
        out.insert(out.end(), {y.value(), x.grad()});
      }
    }
    return out;
  });
}

TEST_CASE("schedules: layer norm and RMS norm, rows of a warp and of a block") {
  check_same_under_any_schedule([] {
    std::vector<Tensor> out;
    for (DType dtype : {DType::f32, DType::bf16}) {
      for (Shape shape : {Shape{70, 37}, Shape{3, 1500}}) {
        Var x(on_device(shape, 1, dtype), true), weight(on_device({shape[1]}, 2, DType::f32), true);
        Var y = layer_norm(rms_norm(x, weight), weight, weight);
        backward(y, on_device(shape, 3, dtype));
        out.insert(out.end(), {y.value(), x.grad(), weight.grad()});
      }
    }
    return out;
  });
}

TEST_CASE("schedules: embedding") {
  check_same_under_any_schedule([] {
    std::vector<Tensor> out;
    Tensor indices = Tensor::empty({1100}, DType::i64);
    for (int64_t i = 0; i < 1100; ++i) indices.data<int64_t>()[i] = i * i % 23;
    for (DType dtype : {DType::f32, DType::bf16}) {
      Var table(on_device({23, 19}, 1, dtype), true), y = embedding(table, indices.to(kCuda));
      backward(y, on_device({1100, 19}, 3, dtype));
      out.insert(out.end(), {y.value(), table.grad()});
    }
    return out;
  });
}

TEST_CASE("schedules: cross entropy, sums, dropout") {
  check_same_under_any_schedule([] {
    Tensor labels = Tensor::empty({300}, DType::i64);
    for (int64_t i = 0; i < 300; ++i) labels.data<int64_t>()[i] = i % 11;
    Var x(on_device({300, 11}, 1, DType::f32), true);
    Var loss = cross_entropy(dropout(x, 0.3, 5), labels.to(kCuda), {0.1});
    backward(loss);
    Tensor many = on_device({50001}, 3, DType::f32), squares = Tensor::empty({}, DType::f64, kCuda);
    kernels::sum_squares(many, squares);
    return std::vector{loss.value(), x.grad(), sum(Var(many)).value(), squares};
  });
}

TEST_CASE("schedules: steps of the optimizers") {
  check_same_under_any_schedule([] {
    std::vector<Tensor> out;
    for (DType dtype : {DType::f32, DType::bf16}) {
      Var p(on_device({3, 701}, 1, dtype), true), q(on_device({5}, 2, dtype), true);
      nn::AdamW adamw({{"all", {p, q}, 1, 0.05}});
      nn::Sgd sgd({{"all", {p, q}, 1, 0.05}}, {0.9, true});
      nn::Lamb lamb({{"all", {p, q}, 1, 0.05}});
      for (uint64_t k = 0; k < 2; ++k) {
        p.set_grad(on_device({3, 701}, 10 + k, dtype));
        q.set_grad(on_device({5}, 20 + k, dtype));
        nn::clip_gradients({p, q}, 1);
        adamw.step(0.01);
        sgd.step(0.01);
        lamb.step(0.01);
      }
      out.insert(out.end(), {p.value().clone(), q.value().clone()});
    }
    return out;
  });
}
