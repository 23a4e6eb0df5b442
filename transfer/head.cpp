#include "transfer/head.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "core/sha256.h"
#include "transfer/class_weights.h"
#include "transfer/lbfgs.h"
#include "transfer/score.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {
namespace {

// Mean and standard deviation of each feature. A feature that never changes gets 1: it is 0 once its mean is
// taken off.
struct Standard {
  std::vector<double> mean, deviation;

  explicit Standard(const std::vector<Tensor>& views)
      : mean(static_cast<size_t>(views.at(0).dim(1))), deviation(mean.size()) {
    double rows = static_cast<double>(views[0].dim(0)) * static_cast<double>(views.size());
    parallel_for(static_cast<int64_t>(mean.size()), 64, [&](int64_t begin, int64_t end) {
      for (int64_t f = begin; f < end; ++f) {
        double sum = 0, squares = 0;
        for_each_value(views, f, [&](double v) { sum += v; });
        double m = sum / rows;
        for_each_value(views, f, [&](double v) { squares += (v - m) * (v - m); });
        double sd = std::sqrt(squares / rows);
        mean[static_cast<size_t>(f)] = m;
        deviation[static_cast<size_t>(f)] = sd > 1e-6 * (1 + std::abs(m)) ? sd : 1;
      }
    });
  }

  // (x - mean) / deviation, in `dtype`.
  Tensor apply(const Tensor& features, DType dtype) const {
    Tensor out = features.to(DType::f64).clone();
    int64_t width = features.dim(1);
    parallel_for(features.dim(0), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * width; i < end * width; ++i) {
        auto f = static_cast<size_t>(i % width);
        out.data<double>()[i] = (out.data<double>()[i] - mean[f]) / deviation[f];
      }
    });
    return out.to(dtype);
  }

 private:
  template <class F>
  static void for_each_value(const std::vector<Tensor>& views, int64_t feature, F&& f) {
    for (const Tensor& view : views) {
      const float* values = view.data<float>();
      for (int64_t i = 0; i < view.dim(0); ++i) f(values[i * view.dim(1) + feature]);
    }
  }
};

nn::NamedTensor find_parameter(nn::Module& network, const std::string& name) {
  for (nn::NamedTensor& t : nn::named_parameters(network)) {
    if (t.name == name) return t;
  }
  fail("head: the network has no tensor ", name);
}

// Writes the linear map on standardised features into the network's head, as a map on the features
// themselves.
void fold(const nn::Linear& linear, const Standard& standard, nn::Headed& network) {
  nn::NamedTensor weight = find_parameter(network, network.head_name() + ".weight");
  nn::NamedTensor bias = find_parameter(network, network.head_name() + ".bias");
  Tensor w = linear.weight.var.value().to(kCpu).to(DType::f64).contiguous().clone();
  Tensor b = linear.bias.var.value().to(kCpu).to(DType::f64).contiguous().clone();
  int64_t classes = w.dim(0), width = w.dim(1);
  double common = 0;
  for (double v : bias.value().to(kCpu).to(DType::f64).contiguous().span<double>())
    common += v / static_cast<double>(classes);
  for (int64_t c = 0; c < classes; ++c) {
    double* row = w.data<double>() + c * width;
    for (int64_t f = 0; f < width; ++f) {
      row[f] /= standard.deviation[static_cast<size_t>(f)];
      b.data<double>()[c] -= row[f] * standard.mean[static_cast<size_t>(f)];
    }
    b.data<double>()[c] += common;
  }
  // A linear layer's [classes, F] and a 1x1 convolution's [classes, 1, 1, F] hold the same elements in the
  // same order.
  Tensor shaped = w.to(weight.value().dtype()).reshape(weight.value().shape());
  weight.value().copy_from(shaped.to(weight.value().device()));
  bias.value().copy_from(b.to(bias.value().dtype()).to(bias.value().device()));
}

// The standardised features, in the linear layer's type.
struct Standardised {
  std::vector<Tensor> train;  // views
  Tensor test, validation;
};

Evaluation evaluate_linear(const nn::Linear& linear, const Tensor& features, const Labelled& set) {
  NoGrad no_grad;
  return evaluation_of(linear.forward(Var(features.to(linear.weight.var.value().device()))).value(), set);
}

Trained by_steps(nn::Linear& linear, const Standardised& x, const HeadData& data, const Recipe& recipe,
                 uint64_t seed, const Hooks& hooks, const OnProgress& on_progress) {
  Task task;
  task.count = data.train.samples.size();
  task.device = linear.weight.var.value().device();
  task.class_weights = class_weights_of(recipe, data.train.samples, DType::f32, task.device);
  task.inputs = [&](std::span<const int64_t> which, int epoch) {
    return gather_rows(x.train[static_cast<size_t>(epoch - 1) % x.train.size()], which);
  };
  task.logits = [&](const Var& features) { return linear.forward(features); };
  task.labels = [&](std::span<const int64_t> which) { return labels(data.train.samples, which); };
  task.evaluate = [&] { return evaluate_linear(linear, x.test, data.test.samples); };
  task.validate = [&] { return evaluate_linear(linear, x.validation, data.validation.samples).accuracy; };
  return train(task, plan(linear, {{"*", Freeze::trainable}}), recipe, seed, hooks, on_progress);
}

// Gives f64 parameters their values from one flat vector, weight then bias.
void unpack(const nn::Linear& linear, std::span<const double> flat) {
  auto w = linear.weight.var.value().span<double>(), b = linear.bias.var.value().span<double>();
  std::copy_n(flat.begin(), w.size(), w.begin());
  std::copy_n(flat.begin() + static_cast<std::ptrdiff_t>(w.size()), b.size(), b.begin());
}

// Mean cross-entropy over all pictures and views + weight_decay / 2 ||W||^2, and its gradient.
double penalised_loss(const nn::Linear& linear, const Var& x, const Tensor& truth,
                      const Tensor& class_weights, const Recipe& recipe, std::span<const double> flat,
                      std::span<double> gradient) {
  unpack(linear, flat);
  linear.weight.var.clear_grad();
  linear.bias.var.clear_grad();
  Var loss = cross_entropy(linear.forward(x), truth, {recipe.label_smoothing, class_weights});
  backward(loss);
  auto w = linear.weight.var.value().span<double>();
  Tensor dw = linear.weight.var.grad().contiguous(), db = linear.bias.var.grad().contiguous();
  double penalty = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    penalty += w[i] * w[i];
    gradient[i] = dw.data<double>()[i] + recipe.weight_decay * w[i];
  }
  std::copy_n(db.data<double>(), db.numel(), gradient.begin() + static_cast<std::ptrdiff_t>(w.size()));
  return loss.value().item() + 0.5 * recipe.weight_decay * penalty;
}

// All views of all pictures as one set, view by view.
struct Stacked {
  Tensor features, truth;
};
Stacked stacked(const std::vector<Tensor>& views, const Labelled& set) {
  int64_t n = set.size();
  auto count = static_cast<int64_t>(views.size());
  Tensor x = Tensor::empty({n * count, views[0].dim(1)}, views[0].dtype());
  Tensor truth = Tensor::empty({n * count}, DType::i64);
  for (int64_t v = 0; v < count; ++v) {
    x.slice(0, v * n, (v + 1) * n).copy_from(views[static_cast<size_t>(v)]);
    std::copy(set.labels.begin(), set.labels.end(), truth.data<int64_t>() + v * n);
  }
  return {x, truth};
}

Trained by_lbfgs(nn::Linear& linear, const Standardised& x, const HeadData& data, const Recipe& recipe,
                 const Hooks& hooks, const OnProgress& on_progress) {
  Stacked all = stacked(x.train, data.train.samples);
  Tensor class_weights = class_weights_of(recipe, data.train.samples);
  Var inputs(all.features);
  std::vector<double> flat(
      static_cast<size_t>(linear.weight.var.value().numel() + linear.bias.var.value().numel()), 0);
  std::vector<double> best_flat;
  double best = -1;
  Trained out;
  Stopwatch watch;
  auto after_step = [&](int step, double) {
    unpack(linear, flat);
    Evaluation train = evaluate_linear(linear, x.train[0], data.train.samples);
    Evaluation test = evaluate_linear(linear, x.test, data.test.samples);
    out.epochs.push_back({step, 1, train.loss, train.accuracy, test.loss, test.accuracy, watch.seconds()});
    if (recipe.keep_best) {
      double accuracy = evaluate_linear(linear, x.validation, data.validation.samples).accuracy;
      if (accuracy > best) best = accuracy, best_flat = flat, out.best_epoch = step;
    }
    if (hooks.after_step) hooks.after_step(step);
    if (on_progress) {
      on_progress({.phase = "train",
                   .done = step,
                   .total = recipe.epochs,
                   .epoch = step,
                   .epochs = recipe.epochs,
                   .loss = train.loss,
                   .accuracy = train.accuracy,
                   .items_per_second = static_cast<double>(step * all.features.dim(0)) / watch.seconds()});
    }
  };
  minimise(
      {.steps = recipe.epochs},
      [&](std::span<const double> at, std::span<double> gradient) {
        return penalised_loss(linear, inputs, all.truth, class_weights, recipe, at, gradient);
      },
      flat, after_step);
  unpack(linear, recipe.keep_best && best >= 0 ? best_flat : flat);
  out.order_sha256 = sha256("all samples at once");
  return out;
}

}  // namespace

Trained train_head(nn::Headed& network, const HeadData& data, const Recipe& recipe, uint64_t seed,
                   const Hooks& hooks, const OnProgress& on_progress) {
  const std::vector<Tensor>& views = data.train.features.views;
  DType dtype = recipe.optimizer == Optimizer::lbfgs ? DType::f64 : DType::f32;
  Standard standard(views);
  Standardised x;
  for (const Tensor& view : views) x.train.push_back(standard.apply(view, dtype));
  x.test = standard.apply(data.test.features.views[0], dtype);
  if (recipe.keep_best) x.validation = standard.apply(data.validation.features.views[0], dtype);

  nn::Linear linear(views[0].dim(1), network.classes(), dtype);  // zeros
  if (recipe.optimizer != Optimizer::lbfgs) nn::move_to(linear, network.device());
  Trained out = recipe.optimizer == Optimizer::lbfgs
                    ? by_lbfgs(linear, x, data, recipe, hooks, on_progress)
                    : by_steps(linear, x, data, recipe, seed, hooks, on_progress);
  fold(linear, standard, network);
  return out;
}

Trained train_deep_head(nn::Headed& network, const Plan& plan, const HeadData& data, const Recipe& recipe,
                        uint64_t seed, const Hooks& hooks, const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, recipe.optimizer != Optimizer::lbfgs,
                 "optimizer lbfgs solves heads that are one linear layer with a bias; this network's is not: "
                 "use adamw");
  auto score = [&](const Featured& set) {
    NoGrad no_grad;
    EvaluationMode mode(network);
    return evaluation_of(network.head(network.taken(set.features.views[0])).value(), set.samples);
  };
  const std::vector<Tensor>& views = data.train.features.views;
  Task task;
  task.count = data.train.samples.size();
  task.device = network.device();
  task.class_weights = class_weights_of(recipe, data.train.samples, network.dtype(), task.device);
  task.inputs = [&](std::span<const int64_t> which, int epoch) {
    return network.taken_on_cpu(gather_rows(views[static_cast<size_t>(epoch - 1) % views.size()], which));
  };
  task.logits = [&](const Var& features) { return network.head(features); };
  task.labels = [&](std::span<const int64_t> which) { return labels(data.train.samples, which); };
  task.evaluate = [&] { return score(data.test); };
  task.validate = [&] { return score(data.validation).accuracy; };
  network.train();
  Trained out = train(task, plan, recipe, seed, hooks, on_progress);
  network.eval();
  return out;
}

}  // namespace graft::transfer
