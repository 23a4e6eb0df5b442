#include "transfer/score.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {

Tensor probabilities_of(const Tensor& logits) {
  NoGrad no_grad;
  return softmax(Var(logits.to(DType::f32))).value().to(kCpu);
}

Tensor gather_rows(const Tensor& all, std::span<const int64_t> which) {
  Shape shape = all.shape();
  shape[0] = static_cast<int64_t>(which.size());
  Tensor out = Tensor::empty(shape, all.dtype());
  for (size_t i = 0; i < which.size(); ++i) {
    auto row = static_cast<int64_t>(i);
    out.slice(0, row, row + 1).copy_from(all.slice(0, which[i], which[i] + 1));
  }
  return out;
}

void scatter_rows(const Tensor& rows, std::span<const int64_t> which, const Tensor& out) {
  for (size_t i = 0; i < which.size(); ++i) {
    auto row = static_cast<int64_t>(i);
    out.slice(0, which[i], which[i] + 1).copy_from(rows.slice(0, row, row + 1));
  }
}

Evaluation evaluation_of(const Tensor& logits, const Labelled& set) {
  int64_t n = logits.dim(0), classes = logits.dim(1);
  GRAFT_CHECK(n == set.size(), "evaluation: ", n, " rows of logits for ", set.size(), " samples");
  Tensor values = logits.to(kCpu).to(DType::f64).contiguous();
  Evaluation out;
  out.count = n;
  out.confusion.assign(static_cast<size_t>(classes), std::vector<int64_t>(static_cast<size_t>(classes), 0));
  int64_t right = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double* row = values.data<double>() + i * classes;
    int64_t truth = set.labels[static_cast<size_t>(i)];
    GRAFT_CHECK(truth >= 0 && truth < classes, "evaluation: label ", truth, " of ", classes, " classes");
    int64_t best = std::max_element(row, row + classes) - row;
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(row[c] - row[best]);
    out.loss += std::log(sum) - (row[truth] - row[best]);
    out.scored.push_back(
        {set.files[static_cast<size_t>(i)], truth, best, 1 / sum, std::exp(row[truth] - row[best]) / sum});
    ++out.confusion[static_cast<size_t>(truth)][static_cast<size_t>(best)];
    right += best == truth;
  }
  out.accuracy = n > 0 ? static_cast<double>(right) / static_cast<double>(n) : 0;
  out.loss = n > 0 ? out.loss / static_cast<double>(n) : 0;
  return out;
}

Tensor logits_of(nn::Headed& network, const Examples& set, const OnProgress& on_progress,
                 const std::string& phase, Team* team) {
  NoGrad no_grad;
  EvaluationMode mode(network);
  Stopwatch watch;
  Tensor out = Tensor::zeros({set.size(), network.classes()}, network.dtype());
  std::vector<int64_t> order = scoring_order(set);
  for (int64_t begin = 0; begin < set.size(); begin += kScoreBatch) {
    int64_t end = std::min(set.size(), begin + kScoreBatch);
    std::span<const int64_t> batch(order.data() + begin, static_cast<size_t>(end - begin));
    if (team && begin / kScoreBatch % team->size() != team->rank()) continue;
    Tensor logits = network.forward(network.taken(set.inputs(batch))).value();
    scatter_rows(logits.to(kCpu).to(out.dtype()), batch, out);
    if (on_progress) {
      on_progress({.phase = phase,
                   .done = end,
                   .total = set.size(),
                   .items_per_second = static_cast<double>(end) / watch.seconds()});
    }
  }
  if (team) team->sum(out);
  return out;
}

namespace {

struct RowScore {
  double loss = 0;  // -log of the target's probability
  bool right = false;
};

RowScore score_row(const float* row, int64_t classes, int64_t truth) {
  GRAFT_CHECK(truth >= 0 && truth < classes, "evaluation: target ", truth, " of ", classes);
  int64_t best = std::max_element(row, row + classes) - row;
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(row[c]) - row[best]);
  return {std::log(sum) - (static_cast<double>(row[truth]) - row[best]), best == truth};
}

Evaluation evaluate_targets(nn::Headed& network, const Examples& set, const OnProgress& on_progress,
                            const std::string& phase) {
  NoGrad no_grad;
  EvaluationMode mode(network);
  std::vector<int64_t> order = scoring_order(set);
  Evaluation out;
  int64_t right = 0;
  for (int64_t begin = 0; begin < set.size(); begin += kTokenBatch) {
    int64_t end = std::min(set.size(), begin + kTokenBatch);
    std::span<const int64_t> batch(order.data() + begin, static_cast<size_t>(end - begin));
    Tensor targets = set.targets(batch);
    Tensor logits = network.forward(network.taken(set.inputs(batch))).value();
    Tensor values = logits.to(kCpu).to(DType::f32).contiguous();
    std::vector<RowScore> rows(static_cast<size_t>(targets.numel()));
    parallel_for(targets.numel(), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        int64_t truth = targets.data<int64_t>()[i];
        if (truth != CrossEntropy{}.ignore_index)
          rows[static_cast<size_t>(i)] =
              score_row(values.data<float>() + i * values.dim(1), values.dim(1), truth);
      }
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      if (targets.data<int64_t>()[i] == CrossEntropy{}.ignore_index) continue;
      out.loss += rows[i].loss;
      right += rows[i].right;
      ++out.count;
    }
    if (on_progress) on_progress({.phase = phase, .done = end, .total = set.size()});
  }
  double count = static_cast<double>(std::max<int64_t>(1, out.count));
  out.loss /= count;
  out.accuracy = static_cast<double>(right) / count;
  return out;
}

}  // namespace

Evaluation evaluate(nn::Headed& network, const Examples& set, const OnProgress& on_progress,
                    const std::string& phase, Team* team) {
  Evaluation out = set.labelled().classes.empty()
                       ? evaluate_targets(network, set, on_progress, phase)
                       : evaluation_of(logits_of(network, set, on_progress, phase, team), set.labelled());
  out.samples = set.samples();
  return out;
}

}  // namespace graft::transfer
