#include "kernels/cross_entropy.h"

#include <cmath>

#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"

namespace graft::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

// What all rows share; in the device's memory, for only the device knows the labels.
struct Totals {
  double class_weights;  // sum of the weights of all classes
  double label_weights;  // sum of the weights of the labels that count
};

struct Rows {
  const int64_t* labels;
  int64_t rows;
  int64_t classes;
  int64_t ignore_index;

  __device__ bool counts(int64_t row) const { return labels[row] != ignore_index && is_class(row); }
  __device__ bool is_class(int64_t row) const { return labels[row] >= 0 && labels[row] < classes; }
};

template <class T>
__device__ float weight_of(const T* weights, int64_t k) {
  return weights ? to_float(weights[k]) : 1.0f;
}

void raise_bad_label(const int64_t (&v)[4]) {
  fail<DataError>("cross_entropy: label ", v[1], " at index ", v[0], " is not a class; with ", v[2],
                  " classes labels are 0 to ", v[2] - 1, ", or ", v[3], " to be ignored");
}

// One block: the totals. Of labels that are no class the first is reported.
template <class T>
__global__ void cross_entropy_totals(Rows r, const T* weights, Totals* totals, Fault* fault,
                                     Fault::Raise raise) {
  double classes = 0, labels = 0;
  int64_t bad = r.rows;
  for (int64_t k = threadIdx.x; k < r.classes; k += kThreads)
    classes += static_cast<double>(weight_of(weights, k));
  for (int64_t i = threadIdx.x; i < r.rows; i += kThreads) {
    if (r.counts(i)) {
      labels += static_cast<double>(weight_of(weights, r.labels[i]));
    } else if (r.labels[i] != r.ignore_index) {
      bad = min(bad, i);
    }
  }
  classes = block_reduce(classes, Sum());
  labels = block_reduce(labels, Sum());
  bad = -block_reduce(-bad, Max());
  if (threadIdx.x != 0) return;
  *totals = {classes, labels};
  if (bad < r.rows) report(fault, raise, bad, r.labels[bad], r.classes, r.ignore_index);
}

// One team per row: losses[row], not yet divided, and the row's gradient where dlogits is not null.
template <class T, class Team>
__global__ void cross_entropy_rows(Rows r, const T* logits, const T* weights, float smoothing,
                                   const Totals* totals, double* losses, T* dlogits) {
  int64_t row = Team::row();
  if (row >= r.rows) return;
  logits += row * r.classes;
  if (dlogits) dlogits += row * r.classes;
  if (!r.counts(row)) {
    for (int64_t k = Team::rank(); dlogits && k < r.classes; k += Team::kSize) dlogits[k] = from_float<T>(0);
    if (Team::rank() == 0) losses[row] = 0;
    return;
  }
  float highest = -INFINITY;
  for (int64_t k = Team::rank(); k < r.classes; k += Team::kSize)
    highest = fmaxf(highest, to_float(logits[k]));
  highest = Team::reduce(highest, Max());
  float sum = 0;
  for (int64_t k = Team::rank(); k < r.classes; k += Team::kSize) sum += expf(to_float(logits[k]) - highest);
  sum = Team::reduce(sum, Sum());

  int64_t label = r.labels[row];
  float on_label = (1 - smoothing) * weight_of(weights, label);
  float on_all = smoothing / static_cast<float>(r.classes);
  double log_sum = log(static_cast<double>(sum)) + static_cast<double>(highest);
  double loss = static_cast<double>(on_label) * (log_sum - static_cast<double>(to_float(logits[label])));
  if (on_all != 0) {  // else an impossible class (logit -inf) would make 0 * inf
    float smooth = 0, shift = static_cast<float>(log_sum);
    for (int64_t k = Team::rank(); k < r.classes; k += Team::kSize) {
      smooth += weight_of(weights, k) * (shift - to_float(logits[k]));
    }
    loss += static_cast<double>(on_all) * static_cast<double>(Team::reduce(smooth, Sum()));
  }
  if (Team::rank() == 0) losses[row] = loss;
  if (!dlogits) return;

  float scale = static_cast<float>(1 / totals->label_weights);
  float mass = (on_label + on_all * static_cast<float>(totals->class_weights)) * scale / sum;
  for (int64_t k = Team::rank(); k < r.classes; k += Team::kSize) {
    float grad = mass * expf(to_float(logits[k]) - highest) - on_all * scale * weight_of(weights, k);
    dlogits[k] = from_float<T>(k == label ? grad - on_label * scale : grad);
  }
}

// One block: the sum of the rows' losses over the labels' weights.
template <class T>
__global__ void cross_entropy_mean(const double* losses, int64_t rows, const Totals* totals, T* loss) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < rows; i += kThreads) sum += losses[i];
  sum = block_reduce(sum, Sum());
  if (threadIdx.x == 0) *loss = from_float<T>(static_cast<float>(sum / totals->label_weights));
}

template <class T>
void cross_entropy_of(const CrossEntropyArguments& a) {
  Rows rows{data<int64_t>(a.labels), a.logits.dim(0), a.logits.dim(1), a.ignore_index};
  Tensor scratch = Tensor::empty({2 + rows.rows}, DType::f64, a.logits.device());
  static_assert(sizeof(Totals) == 2 * sizeof(double));
  auto* totals = static_cast<Totals*>(scratch.raw());
  double* losses = data<double>(scratch) + 2;
  const T* weights = data<T>(a.class_weights);
  launch("cross_entropy_totals", cross_entropy_totals<T>, one_block_per(1, kThreads), rows, weights, totals,
         fault_slot(), raise_bad_label);
  with_team(rows.classes, [&](auto team) {
    using Team = decltype(team);
    launch("cross_entropy_rows", cross_entropy_rows<T, Team>, Team::work(rows.rows), rows, data<T>(a.logits),
           weights, static_cast<float>(a.label_smoothing), totals, losses, data<T>(a.dlogits));
  });
  launch("cross_entropy_mean", cross_entropy_mean<T>, one_block_per(1, kThreads), losses, rows.rows, totals,
         data<T>(a.loss));
}

}  // namespace

void cross_entropy(const CrossEntropyArguments& a) {
  with_storage(a.logits.dtype(), "cross_entropy", [&](auto zero) { cross_entropy_of<decltype(zero)>(a); });
}

}  // namespace graft::kernels::cuda
