#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

// What all rows share.
template <class T>
struct Context {
  int64_t classes;
  const T* weights;     // null: all 1
  double smoothing;     // s
  double weight_total;  // sum of the weights of all classes
  double scale;         // 1 / sum of the labels' weights

  double weight(int64_t k) const { return weights ? static_cast<double>(weights[k]) : 1.0; }
};

// Loss of one row, not yet divided; the gradient, where wanted, is.
template <class T>
double row_loss(const Context<T>& context, const T* logits, int64_t label, T* dlogits) {
  int64_t classes = context.classes;
  T highest = logits[0];
  for (int64_t k = 1; k < classes; ++k) highest = std::max(highest, logits[k]);
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) {
    T e = std::exp(logits[k] - highest);
    if (dlogits) dlogits[k] = e;
    sum += static_cast<double>(e);
  }
  double log_sum = std::log(sum) + static_cast<double>(highest);
  double on_label = (1 - context.smoothing) * context.weight(label);
  double on_all = context.smoothing / static_cast<double>(classes);
  double loss = on_label * (log_sum - static_cast<double>(logits[label]));
  if (on_all != 0) {  // else an impossible class (logit -inf) would make 0 * inf
    double smooth = 0;
    for (int64_t k = 0; k < classes; ++k)
      smooth += context.weight(k) * (log_sum - static_cast<double>(logits[k]));
    loss += on_all * smooth;
  }
  if (dlogits) {
    double mass = (on_label + on_all * context.weight_total) * context.scale / sum;
    double spread = on_all * context.scale;
    for (int64_t k = 0; k < classes; ++k) {
      dlogits[k] = static_cast<T>(mass * static_cast<double>(dlogits[k]) - spread * context.weight(k));
    }
    dlogits[label] -= static_cast<T>(on_label * context.scale);
  }
  return loss;
}

template <class T>
void cross_entropy(const CrossEntropyArguments& a) {
  int64_t rows = a.logits.dim(0), classes = a.logits.dim(1);
  const int64_t* labels = a.labels.data<int64_t>();
  Context<T> context{classes, a.class_weights.defined() ? a.class_weights.data<T>() : nullptr,
                     a.label_smoothing, 0, 0};
  for (int64_t k = 0; k < classes; ++k) context.weight_total += context.weight(k);
  double divisor = 0;
  for (int64_t i = 0; i < rows; ++i) {
    if (labels[i] == a.ignore_index) continue;
    GRAFT_CHECK_AS(DataError, labels[i] >= 0 && labels[i] < classes, "cross_entropy: label ", labels[i],
                   " at index ", i, " is not a class; with ", classes, " classes labels are 0 to ",
                   classes - 1, ", or ", a.ignore_index, " to be ignored");
    divisor += context.weight(labels[i]);
  }
  context.scale = 1 / divisor;

  const T* logits = a.logits.data<T>();
  T* dlogits = a.dlogits.defined() ? a.dlogits.data<T>() : nullptr;
  std::vector<double> losses(static_cast<size_t>(rows));
  parallel_for(
      rows, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, classes)), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          T* grad = dlogits ? dlogits + i * classes : nullptr;
          if (labels[i] != a.ignore_index) {
            losses[static_cast<size_t>(i)] = row_loss(context, logits + i * classes, labels[i], grad);
          } else if (grad) {
            std::fill(grad, grad + classes, T(0));
          }
        }
      });
  double sum = 0;
  for (double loss : losses) sum += loss;
  *a.loss.data<T>() = static_cast<T>(sum / divisor);
}

}  // namespace

void cross_entropy(const CrossEntropyArguments& arguments) {
  with_real(arguments.logits.dtype(), "cross_entropy",
            [&](auto zero) { cross_entropy<decltype(zero)>(arguments); });
}

#include "kernels/cpu/level_end.h"
