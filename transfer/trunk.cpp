#include "transfer/trunk.h"

#include <numeric>

#include "transfer/score.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {

Tensor Trunk::activations(const Examples& set, std::span<const int64_t> which, int view) const {
  NoGrad no_grad;
  EvaluationMode mode(network_);
  Tensor inputs = view == 0 ? set.inputs(which) : set.augmented(which, seed_, static_cast<uint64_t>(view));
  return network_.forward_to(stages_, network_.taken(inputs)).value().to(kCpu).contiguous();
}

std::vector<Tensor> Trunk::keep(const Examples& set, int views, const OnProgress& on_progress) const {
  Stopwatch watch;
  std::vector<Tensor> out(static_cast<size_t>(views));
  for (int view = 0; view < views; ++view) {
    Tensor& kept = out[static_cast<size_t>(view)];
    for (int64_t begin = 0; begin < set.size(); begin += kScoreBatch) {
      std::vector<int64_t> which;
      for (int64_t i = begin; i < std::min(set.size(), begin + kScoreBatch); ++i) which.push_back(i);
      Tensor rows = activations(set, which, view);
      if (!kept.defined()) {
        Shape shape = rows.shape();
        shape[0] = set.size();
        kept = Tensor::empty(shape, rows.dtype());
      }
      scatter_rows(rows, which, kept);
      if (on_progress) {
        int64_t done = view * set.size() + which.back() + 1;
        on_progress({.phase = "features",
                     .done = done,
                     .total = views * set.size(),
                     .items_per_second = static_cast<double>(done) / watch.seconds()});
      }
    }
  }
  return out;
}

Tensor Trunk::score(const Examples& set, const Tensor& plain, int64_t begin, int64_t end) const {
  NoGrad no_grad;
  EvaluationMode mode(network_);
  std::vector<int64_t> which(static_cast<size_t>(end - begin));
  std::iota(which.begin(), which.end(), begin);
  Tensor rows = plain.defined() ? plain.slice(0, begin, end).contiguous() : activations(set, which, 0);
  return rest(network_.taken(rows)).value().to(kCpu);
}

Evaluation Trunk::evaluate(const Examples& set, const Tensor& plain, const OnProgress& on_progress) const {
  Tensor logits = Tensor::empty({set.size(), network_.classes()}, network_.dtype());
  for (int64_t begin = 0; begin < set.size(); begin += kScoreBatch) {
    int64_t end = std::min(set.size(), begin + kScoreBatch);
    logits.slice(0, begin, end).copy_from(score(set, plain, begin, end).to(logits.dtype()));
    if (on_progress) on_progress({.phase = "evaluate", .done = end, .total = set.size()});
  }
  Evaluation out = evaluation_of(logits, set.labelled());
  out.samples = set.samples();
  return out;
}

AboveTrunk::AboveTrunk(Trunk trunk, const Examples& train, const Examples& test, const Examples* validation,
                       bool kept, const OnProgress& on_progress)
    : trunk_(trunk), train_(train), test_(test), validation_(validation), on_progress_(on_progress) {
  if (!kept) return;
  train_kept_ = trunk_.keep_all(train, on_progress);
  test_kept_ = trunk_.keep(test, 1, on_progress);
  if (validation) validation_kept_ = trunk_.keep(*validation, 1, on_progress);
}

Evaluation AboveTrunk::score(const Examples& set, const std::vector<Tensor>& kept) const {
  return trunk_.evaluate(set, kept.empty() ? Tensor() : kept[0], on_progress_);
}

void AboveTrunk::score_some(int64_t n) const {
  trunk_.score(test_, test_kept_.empty() ? Tensor() : test_kept_[0], 0, n);
}

void AboveTrunk::take_over(Task& task, const std::function<void(const Evaluation&)>& on_test) const {
  task.inputs = [this](std::span<const int64_t> which, int epoch) {
    int view = trunk_.view_of(epoch);
    return train_kept_.empty() ? trunk_.activations(train_, which, view)
                               : gather_rows(train_kept_[static_cast<size_t>(view)], which);
  };
  task.logits = [this](const Var& activations) { return trunk_.rest(activations); };
  task.evaluate = [this, on_test] {
    Evaluation out = score(test_, test_kept_);
    on_test(out);
    return out;
  };
  task.validate = [this] { return score(*validation_, validation_kept_).accuracy; };
}

}  // namespace graft::transfer
