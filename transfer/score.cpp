#include "transfer/score.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "autograd/ops.h"
#include "transfer/stopwatch.h"

namespace graft::transfer {

Tensor probabilities_of(const Tensor& logits) {
  NoGrad no_grad;
  return softmax(Var(logits.to(DType::f32))).value().to(kCpu);
}

Evaluation evaluation_of(const Tensor& logits, const PictureSet& set) {
  int64_t n = logits.dim(0), classes = logits.dim(1);
  GRAFT_CHECK(n == set.size(), "evaluation: ", n, " rows of logits for ", set.size(), " pictures");
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

Tensor logits_of(nn::Classifier& network, const PictureSet& set, const data::Preprocess& preprocess,
                 const OnProgress& on_progress, const std::string& phase) {
  NoGrad no_grad;
  EvaluationMode mode(network);
  Stopwatch watch;
  Tensor out = Tensor::empty({set.size(), network.classes()}, network.dtype());
  std::vector<int64_t> which(static_cast<size_t>(set.size()));
  std::iota(which.begin(), which.end(), 0);
  for (int64_t begin = 0; begin < set.size(); begin += kScoreBatch) {
    int64_t end = std::min(set.size(), begin + kScoreBatch);
    std::span<const int64_t> batch(which.data() + begin, static_cast<size_t>(end - begin));
    Tensor logits = network.forward(network.taken(inputs(set, batch, preprocess))).value();
    out.slice(0, begin, end).copy_from(logits.to(kCpu).to(out.dtype()));
    if (on_progress) {
      on_progress({.phase = phase,
                   .done = end,
                   .total = set.size(),
                   .items_per_second = static_cast<double>(end) / watch.seconds()});
    }
  }
  return out;
}

}  // namespace graft::transfer
