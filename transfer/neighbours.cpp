#include "transfer/neighbours.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "transfer/score.h"

namespace graft::transfer {
namespace {

constexpr std::array<int64_t, 10> kCandidates = {1, 3, 5, 7, 9, 11, 15, 21, 31, 51};
constexpr int64_t kChunk = 256;  // rows whose cosines are in memory at a time

struct Neighbour {
  float cosine;
  int64_t index;
};
using Nearest = std::vector<std::vector<Neighbour>>;  // of each row, the nearest first

Tensor at_length_one(const Tensor& rows) {
  NoGrad no_grad;
  return normalize_rows(Var(rows)).value();
}

// The `count` nearest of `to` for each row of `from`, all of length 1. `leave_out`: from is to, and a row is
// not its own neighbour.
Nearest nearest_rows(const Tensor& from, const Tensor& to, int64_t count, bool leave_out) {
  NoGrad no_grad;
  int64_t rows = from.dim(0), known = to.dim(0);
  Nearest out(static_cast<size_t>(rows));
  for (int64_t first = 0; first < rows; first += kChunk) {
    int64_t last = std::min(rows, first + kChunk);
    Tensor cosines = matmul_nt(Var(from.slice(0, first, last).contiguous()), Var(to)).value();
    parallel_for(last - first, 4, [&](int64_t begin, int64_t end) {
      std::vector<Neighbour> all;
      for (int64_t i = begin; i < end; ++i) {
        all.clear();
        for (int64_t j = 0; j < known; ++j) {
          if (!leave_out || j != first + i) all.push_back({cosines.data<float>()[i * known + j], j});
        }
        auto take = std::min(count, static_cast<int64_t>(all.size()));
        std::partial_sort(all.begin(), all.begin() + take, all.end(), [](auto& a, auto& b) {
          return a.cosine != b.cosine ? a.cosine > b.cosine : a.index < b.index;
        });
        out[static_cast<size_t>(first + i)].assign(all.begin(), all.begin() + take);
      }
    });
  }
  return out;
}

// f64 [rows, classes]: votes, and below one vote the sum of the voters' cosines.
Tensor votes_of(const Nearest& nearest, int64_t k, const Labelled& examples) {
  auto classes = static_cast<int64_t>(examples.classes.size());
  Tensor votes = Tensor::zeros({static_cast<int64_t>(nearest.size()), classes}, DType::f64);
  for (size_t i = 0; i < nearest.size(); ++i) {
    double* row = votes.data<double>() + static_cast<int64_t>(i) * classes;
    size_t asked = std::min(nearest[i].size(), static_cast<size_t>(k));
    for (size_t n = 0; n < asked; ++n) {
      const Neighbour& neighbour = nearest[i][n];
      // The sums are in [-k, k]: two differ by less than a vote once they are divided by 2 k + 1.
      row[examples.labels[static_cast<size_t>(neighbour.index)]] +=
          1 + static_cast<double>(neighbour.cosine) / static_cast<double>(2 * k + 1);
    }
  }
  return votes;
}

int64_t smallest_class(const Labelled& set) {
  std::vector<int64_t> counts(set.classes.size(), 0);
  for (int64_t label : set.labels) ++counts[static_cast<size_t>(label)];
  return *std::min_element(counts.begin(), counts.end());
}

}  // namespace

Neighbours nearest_neighbours(const Tensor& features, const Labelled& examples, const Tensor& test_features,
                              const Labelled& test) {
  GRAFT_CHECK_AS(UsageError, examples.size() > 0 && !examples.classes.empty(), "knn: no examples");
  Tensor known = at_length_one(features);
  int64_t smallest = std::max<int64_t>(1, smallest_class(examples));
  Nearest among = nearest_rows(known, known, std::min(smallest, kCandidates.back()), true);
  Neighbours out;
  out.left_one_out = -1;
  for (int64_t k : kCandidates) {
    if (k > smallest) break;
    double accuracy = evaluation_of(votes_of(among, k, examples), examples).accuracy;
    if (accuracy > out.left_one_out) out.left_one_out = accuracy, out.k = k;
  }
  Nearest asked = nearest_rows(at_length_one(test_features), known, out.k, false);
  out.evaluation = evaluation_of(votes_of(asked, out.k, examples), test);
  return out;
}

}  // namespace graft::transfer
