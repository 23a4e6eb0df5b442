#include "kernels/batch_norm.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

// Distances from the piece's first row, so that a mean far from zero costs no digits, and their squares.
template <class T>
struct Deviations {
  const T* x;
  int64_t cols;
  __device__ float center(int64_t row, int column) const { return to_float(x[row * cols + column]); }
  __device__ float2 operator()(int64_t row, int column, float center) const {
    float d = to_float(x[row * cols + column]) - center;
    return make_float2(d, d * d);
  }
};

// One thread per channel: the pieces' means and squared deviations, combined as in Chan, Golub and LeVeque,
// "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
template <class T>
__global__ void combine_statistics(const double2* sums, const T* x, ColumnPieces pieces, float* mean,
                                   float* variance) {
  int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= pieces.cols) return;
  double count = 0, center = 0, squares = 0;
  for (int p = 0; p < pieces.count; ++p) {
    double n = static_cast<double>(pieces.size_of_piece(p));
    double2 sum = sums[p * int64_t{pieces.cols} + column];
    double shift = sum.x / n, origin = to_float(x[p * pieces.rows_each * pieces.cols + column]);
    double distance = origin + shift - center;
    squares += fmax(0.0, sum.y - sum.x * shift) + distance * distance * count * n / (count + n);
    center += distance * n / (count + n);
    count += n;
  }
  mean[column] = static_cast<float>(center);
  variance[column] = static_cast<float>(squares / count);
}

// What of the gradient passed the activation.
template <class T, class Back>
struct Gradient {
  const T *dy, *y;  // y is null where there is no activation
  T* passed;        // may be null
  Back back;
  __device__ float operator()(int64_t i) const {
    if constexpr (std::is_same_v<Back, scalar::SameGrad>) {
      return to_float(dy[i]);
    } else {
      return back(to_float(y[i]), to_float(dy[i]));
    }
  }
  // Where there is no activation, what passed is dy, and nobody asks for a copy.
  __device__ float write(int64_t i) const {
    float d = (*this)(i);
    if constexpr (!std::is_same_v<Back, scalar::SameGrad>) {
      if (passed) passed[i] = from_float<T>(d);
    }
    return d;
  }
};

// With the gradient d: d, and d * (x - mean).
template <class T, class Back>
struct ParameterTerms {
  const T* x;
  Gradient<T, Back> gradient;
  const float* mean;
  int64_t cols;
  __device__ float center(int64_t, int column) const { return mean[column]; }
  __device__ float2 operator()(int64_t row, int column, float center) const {
    float d = gradient.write(row * cols + column);
    return make_float2(d, d * (to_float(x[row * cols + column]) - center));
  }
};

// One thread per channel.
__global__ void combine_parameter_grads(const double2* sums, ColumnPieces pieces, const float* inverse,
                                        float* dweight, float* dbias) {
  int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= pieces.cols) return;
  double sum_dy = 0, sum_dy_x = 0;
  for (int p = 0; p < pieces.count; ++p) {
    double2 sum = sums[p * int64_t{pieces.cols} + column];
    sum_dy += sum.x;
    sum_dy_x += sum.y;
  }
  dbias[column] = static_cast<float>(sum_dy);
  dweight[column] = static_cast<float>(sum_dy_x * inverse[column]);
}

// One thread per channel: running += momentum * (correction * batch - running).
__global__ void move_running(const float* batch, double momentum, double correction, int n, float* running) {
  int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c < n) running[c] = static_cast<float>((1 - momentum) * running[c] + momentum * correction * batch[c]);
}

// One thread per channel.
__global__ void invert_deviation(const float* variance, double eps, int n, float* inverse) {
  int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c < n) inverse[c] = static_cast<float>(1 / sqrt(variance[c] + eps));
}

// One thread per channel.
__global__ void fold_affine(const float* mean, const float* inverse, const float* weight, const float* bias,
                            int n, float* scale, float* shift) {
  int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= n) return;
  float s = weight[c] * inverse[c];
  scale[c] = s;
  shift[c] = bias[c] - mean[c] * s;
}

template <class T, class Act>
struct Normalize {
  const T* x;
  const float *mean, *inverse, *weight, *bias;
  const T* residual;  // may be null
  Act act;
  T* y;
  int64_t cols;
  struct Constants {
    float center, slope, level;
  };
  __device__ Constants constants(int c) const { return {mean[c], weight[c] * inverse[c], bias[c]}; }
  __device__ void operator()(int64_t row, int column, const Constants& k) const {
    int64_t i = row * cols + column;
    float v = (to_float(x[i]) - k.center) * k.slope + k.level;
    if (residual) v += to_float(residual[i]);
    y[i] = from_float<T>(act(v));
  }
};

// dx = slope * gradient + (x - mean) * pull + level
template <class T, class Back>
struct NormalizeGrad {
  const T* x;
  Gradient<T, Back> gradient;
  const float *mean, *inverse, *weight, *dweight, *dbias;
  float share;  // 1 / rows
  T* dx;
  int64_t cols;
  struct Constants {
    float center, slope, pull, level;
  };
  __device__ Constants constants(int c) const {
    float slope = weight[c] * inverse[c];
    return {mean[c], slope, -slope * inverse[c] * dweight[c] * share, -slope * dbias[c] * share};
  }
  __device__ void operator()(int64_t row, int column, const Constants& k) const {
    int64_t i = row * cols + column;
    dx[i] = from_float<T>(k.slope * gradient(i) + ((to_float(x[i]) - k.center) * k.pull + k.level));
  }
};

template <class T, class Back>
struct ScaleChannels {
  Gradient<T, Back> gradient;
  const float *inverse, *weight;
  T* dx;
  int64_t cols;
  __device__ float constants(int c) const { return weight[c] * inverse[c]; }
  __device__ void operator()(int64_t row, int column, float slope) const {
    int64_t i = row * cols + column;
    dx[i] = from_float<T>(gradient.write(i) * slope);
  }
};

// f(Gradient) for the type of its tensors.
template <class F>
void with_gradient(const char* op, const BatchNormGradient& g, F f) {
  with_storage(g.dy.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    with_activation(g.act, [&](auto, auto back) {
      f(zero, Gradient<T, decltype(back)>{data<T>(g.dy), data<T>(g.y), data<T>(g.passed), back});
    });
  });
}

const double2* pairs(const Tensor& sums) {
  return static_cast<const double2*>(sums.raw());
}

}  // namespace

void channel_statistics(const Tensor& x, const Tensor& mean, const Tensor& variance) {
  if (x.numel() == 0) return;
  with_storage(x.dtype(), "channel_statistics", [&](auto zero) {
    using T = decltype(zero);
    ColumnPieces pieces(row_count(x), x.dim(-1));
    Tensor sums = column_sums("channel_statistics", Deviations<T>{data<T>(x), x.dim(-1)}, pieces, x.device());
    launch("combine_statistics", combine_statistics<T>, one_thread_per(pieces.cols), pairs(sums), data<T>(x),
           pieces, data<float>(mean), data<float>(variance));
  });
}

void update_running_statistics(const Tensor& mean, const Tensor& variance, int64_t rows, double momentum,
                               const Tensor& running_mean, const Tensor& running_variance) {
  double unbiased = static_cast<double>(rows) / static_cast<double>(rows - 1);
  int n = to_int(mean.numel());
  launch("move_running", move_running, one_thread_per(n), data<float>(mean), momentum, 1.0, n,
         data<float>(running_mean));
  launch("move_running", move_running, one_thread_per(n), data<float>(variance), momentum, unbiased, n,
         data<float>(running_variance));
}

void inverse_deviation(const Tensor& variance, double eps, const Tensor& inverse) {
  int n = to_int(variance.numel());
  launch("invert_deviation", invert_deviation, one_thread_per(n), data<float>(variance), eps, n,
         data<float>(inverse));
}

void batch_norm_affine(const Tensor& mean, const Tensor& inverse, const Tensor& weight, const Tensor& bias,
                       const Tensor& scale, const Tensor& shift) {
  int n = to_int(mean.numel());
  launch("fold_affine", fold_affine, one_thread_per(n), data<float>(mean), data<float>(inverse),
         data<float>(weight), data<float>(bias), n, data<float>(scale), data<float>(shift));
}

void batch_norm(const Tensor& x, const Tensor& mean, const Tensor& inverse, const Tensor& weight,
                const Tensor& bias, const BatchNormAfter& after, const Tensor& y) {
  with_storage(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    with_activation(after.act, [&](auto act, auto) {
      Normalize<T, decltype(act)> f{data<T>(x),
                                    data<float>(mean),
                                    data<float>(inverse),
                                    data<float>(weight),
                                    data<float>(bias),
                                    data<T>(after.residual),
                                    act,
                                    data<T>(y),
                                    x.dim(-1)};
      map_columns("batch_norm", f, row_count(x), x.dim(-1));
    });
  });
}

void batch_norm_grad_parameters(const Tensor& x, const BatchNormGradient& g, const Tensor& mean,
                                const Tensor& inverse, const Tensor& dweight, const Tensor& dbias) {
  with_gradient("batch_norm_grad_parameters", g, [&](auto zero, auto gradient) {
    using T = decltype(zero);
    ColumnPieces pieces(row_count(x), x.dim(-1));
    ParameterTerms<T, decltype(gradient.back)> terms{data<T>(x), gradient, data<float>(mean), x.dim(-1)};
    Tensor sums = column_sums("batch_norm_grad_parameters", terms, pieces, x.device());
    launch("combine_parameter_grads", combine_parameter_grads, one_thread_per(pieces.cols), pairs(sums),
           pieces, data<float>(inverse), data<float>(dweight), data<float>(dbias));
  });
}

void batch_norm_grad_input(const Tensor& x, const BatchNormGradient& g, const Tensor& mean,
                           const Tensor& inverse, const Tensor& weight, const Tensor& dweight,
                           const Tensor& dbias, const Tensor& dx) {
  if (x.numel() == 0) return;
  with_gradient("batch_norm_grad_input", g, [&](auto zero, auto gradient) {
    using T = decltype(zero);
    float share = static_cast<float>(1.0 / static_cast<double>(row_count(x)));
    NormalizeGrad<T, decltype(gradient.back)> f{data<T>(x),          gradient,
                                                data<float>(mean),   data<float>(inverse),
                                                data<float>(weight), data<float>(dweight),
                                                data<float>(dbias),  share,
                                                data<T>(dx),         x.dim(-1)};
    map_columns("batch_norm_grad_input", f, row_count(x), x.dim(-1));
  });
}

void batch_norm_grad_input_frozen(const BatchNormGradient& g, const Tensor& inverse, const Tensor& weight,
                                  const Tensor& dx) {
  with_gradient("batch_norm_grad_input_frozen", g, [&](auto zero, auto gradient) {
    using T = decltype(zero);
    ScaleChannels<T, decltype(gradient.back)> f{gradient, data<float>(inverse), data<float>(weight),
                                                data<T>(dx), g.dy.dim(-1)};
    map_columns("batch_norm_grad_input_frozen", f, row_count(g.dy), g.dy.dim(-1));
  });
}

}  // namespace graft::kernels::cuda
