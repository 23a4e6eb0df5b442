// The optimizers: one step of all parameters of a network. Their bound is a copy; the time that the CPU needs
// to start a step stands beside it.
#include <algorithm>
#include <cmath>

#include "bench/cuda/session.h"
#include "core/error.h"
#include "kernels/clip.h"
#include "kernels/lamb.h"
#include "kernels/optimizer.h"

namespace graft::bench {
namespace {

// The parameters of BERT-base (Devlin et al., 2019), without a head: 109.5 million in 199 tensors.
std::vector<Shape> bert_base() {
  const int64_t width = 768, inner = 3072;
  std::vector<Shape> all = {{30522, width}, {512, width}, {2, width}, {width}, {width}};
  for (int layer = 0; layer < 12; ++layer) {
    for (int i = 0; i < 4; ++i) all.insert(all.end(), {{width, width}, {width}});
    all.insert(all.end(),
               {{width}, {width}, {inner, width}, {inner}, {width, inner}, {width}, {width}, {width}});
  }
  all.insert(all.end(), {{width, width}, {width}});
  return all;
}
std::vector<Shape> few() {
  return {{33, 17}, {1}, {129}, {64, 65}};
}

int64_t count(const std::vector<Shape>& shapes) {
  int64_t n = 0;
  for (const Shape& s : shapes) n += s.numel();
  return n;
}

// Of bf16 parameters the f32 masters are stepped.
std::vector<kernels::AdamParameter> adam_parameters(const std::vector<Shape>& shapes, DType dtype) {
  std::vector<kernels::AdamParameter> all;
  for (const Shape& s : shapes) {
    kernels::AdamParameter p;
    p.value = normal(s, dtype, 1);
    p.grad = normal(s, dtype, 2);
    p.mean = Tensor::zeros(s, DType::f32, kDevice);
    p.square = Tensor::zeros(s, DType::f32, kDevice);
    if (dtype == DType::bf16) p.master = p.value.to(DType::f32);
    all.push_back(p);
  }
  return all;
}

// After a first step, that of the last few tensors on the CPU: they are of all kinds.
double adam_difference(const kernels::AdamStep& s) {
  kernels::AdamStep twin = s;
  size_t from = s.parameters.size() - std::min<size_t>(s.parameters.size(), 8);
  twin.parameters.clear();
  for (size_t i = from; i < s.parameters.size(); ++i) {
    const kernels::AdamParameter& p = s.parameters[i];
    twin.parameters.push_back({on_cpu(p.value), on_cpu(p.grad), on_cpu(p.mean), on_cpu(p.square), p.t});
  }
  kernels::adam_step(s);
  kernels::adam_step(twin);
  double most = 0;
  for (size_t i = from; i < s.parameters.size(); ++i) {
    double d = relative_difference(s.parameters[i].value, twin.parameters[i - from].value.to(kDevice));
    most = d <= most ? most : d;  // keeps a NaN
  }
  return most;
}

void adamw(Session& session, DType dtype) {
  // Read: value, gradient, mean, square; written: value, mean, square. In bf16 value and gradient are half as
  // long, and the master is read and written: 28 bytes an element in both.
  double bytes = static_cast<double>(count(bert_base())) * 28;
  session.run({"O1", "steps", "AdamW, BERT-base, 109.5M parameters", dtype, 0, bytes}, [&] {
    kernels::AdamStep s;
    s.parameters = adam_parameters(session.dry() ? few() : bert_base(), dtype);
    s.lr = 1e-3;
    s.weight_decay = 0.01;
    s.decoupled = true;
    Tensor same = Tensor::empty({count(session.dry() ? few() : bert_base())}, DType::f32, kDevice);
    Prepared p{.graft = {"graft", [s] { kernels::adam_step(s); }}, .references = {copy_of(same)}};
    p.allowed = allowed_difference(dtype);
    p.difference = [s] { return adam_difference(s); };
    return p;
  });
}

void lamb(Session& session) {
  // Two traversals: the second reads value, mean and square again.
  double bytes = static_cast<double>(count(bert_base())) * 36;
  session.run({"O1", "steps", "LAMB, BERT-base, 109.5M parameters", DType::f32, 0, bytes}, [&] {
    kernels::LambStep s;
    s.parameters = adam_parameters(session.dry() ? few() : bert_base(), DType::f32);
    s.lr = 1e-3;
    Tensor same = Tensor::empty({count(session.dry() ? few() : bert_base())}, DType::f32, kDevice);
    Prepared p{.graft = {"graft", [s] { kernels::lamb_step(s); }}, .references = {copy_of(same)}};
    p.allowed = allowed_difference(DType::f32);
    p.difference = [s] {
      kernels::LambStep twin = s;
      const kernels::AdamParameter& last = s.parameters.back();
      twin.parameters = {{on_cpu(last.value), on_cpu(last.grad), on_cpu(last.mean), on_cpu(last.square), 1}};
      kernels::lamb_step(s);
      kernels::lamb_step(twin);
      return relative_difference(last.value, twin.parameters[0].value.to(kDevice));
    };
    return p;
  });
}

void gradient_norm(Session& session) {
  double bytes = static_cast<double>(count(bert_base())) * 4;
  session.run({"O1", "steps", "norm of all gradients, BERT-base", DType::f32, 0, bytes}, [&] {
    kernels::TensorList list, twin;
    for (const Shape& s : session.dry() ? few() : bert_base()) {
      list.of.push_back(normal(s, DType::f32, 5));
      twin.of.push_back(on_cpu(list.of.back()));
    }
    Tensor sum = Tensor::full({1}, 0, DType::f64, kDevice);
    Tensor same = Tensor::empty({count(session.dry() ? few() : bert_base())}, DType::f32, kDevice);
    Prepared p{.graft = {"graft", [=] { kernels::sum_squares_of_all(list, sum); }},
               .references = {copy_of(same)}};
    p.allowed = allowed_difference(DType::f32);
    p.difference = [=] {
      Tensor expected = Tensor::zeros({1}, DType::f64);
      kernels::sum_squares_of_all(list, sum);
      kernels::sum_squares_of_all(twin, expected);
      return std::abs(sum.to(kCpu).item() / expected.item() - 1);
    };
    return p;
  });
}

}  // namespace

void step_cases(Session& session) {
  for (DType dtype : {DType::f32, DType::bf16}) adamw(session, dtype);
  lamb(session);
  gradient_norm(session);
}

}  // namespace graft::bench
