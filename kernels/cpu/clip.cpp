#include "kernels/clip.h"

#include "kernels/reduce.h"
#include "kernels/unary.h"
#include "kernels/cpu/level_begin.h"

void sum_squares_of_all(const TensorList& x, const Tensor& y) {
  double sum = 0;
  Tensor one = Tensor::empty({}, DType::f64);
  for (const Tensor& t : x.of) {
    sum_squares(t, one);
    sum += *one.data<double>();
  }
  *y.data<double>() = sum;
}

void scale_all(const TensorList& x, double factor, const TensorList& y) {
  for (size_t i = 0; i < x.of.size(); ++i) scale(x.of[i], factor, y.of[i]);
}

#include "kernels/cpu/level_end.h"
