#include "kernels/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

// How [rows, C] is cut. Few channels would make short inner loops, so `repeat` rows are read as one row of
// width = repeat * C, with the numbers of the channels repeated as often; the last such row may be shorter.
struct Cut {
  explicit Cut(const Tensor& x)
      : channels(x.dim(-1)),
        rows(x.numel() / channels),
        repeat(std::max<int64_t>(1, 256 / channels)),
        width(repeat * channels),
        rows_per_piece(repeat * std::max<int64_t>(kRowsAtOnce, 65536 / width)) {}

  // Rows that are added in the tensor's type before they go into a double sum.
  static constexpr int kRowsAtOnce = 8;

  int64_t pieces() const { return (rows + rows_per_piece - 1) / rows_per_piece; }

  const int64_t channels, rows, repeat, width, rows_per_piece;
};

// f(c) for each channel, as often as the cut repeats them.
template <class T, class F>
std::vector<T> repeated(const Cut& cut, F f) {
  std::vector<T> out;
  out.reserve(static_cast<size_t>(cut.width));
  for (int64_t c = 0; c < cut.channels; ++c) out.push_back(f(c));
  for (int64_t j = cut.channels; j < cut.width; ++j)
    out.push_back(out[static_cast<size_t>(j - cut.channels)]);
  return out;
}

template <class T>
std::vector<T> repeated(const Cut& cut, const T* values) {
  return repeated<T>(cut, [values](int64_t c) { return values[c]; });
}

// f(begin, count) for each row of the cut, `count` elements from `begin`.
template <class F>
void for_each_row(const Cut& cut, F f) {
  parallel_for(cut.rows, cut.rows_per_piece, [&](int64_t begin, int64_t end) {
    int64_t last = end * cut.channels;
    for (int64_t i = begin * cut.channels; i < last; i += cut.width) f(i, std::min(cut.width, last - i));
  });
}

// Two sums over rows at once. f(i, j, a, b) gives the two terms of element i, which stands in column j of the
// cut.
template <class T, class F>
void add_rows(const Cut& cut, int64_t begin, int64_t end, double* sum_a, double* sum_b, F f) {
  constexpr int kRowsAtOnce = Cut::kRowsAtOnce;
  int64_t width = cut.width, i = begin * cut.channels, last = end * cut.channels;
  for (; i + kRowsAtOnce * width <= last; i += kRowsAtOnce * width) {
    for (int64_t j = 0; j < width; ++j) {
      T total_a = 0, total_b = 0;
#pragma GCC unroll 8
      for (int r = 0; r < kRowsAtOnce; ++r) {
        T a, b;
        f(i + r * width + j, j, a, b);
        total_a += a;
        total_b += b;
      }
      sum_a[j] += static_cast<double>(total_a);
      sum_b[j] += static_cast<double>(total_b);
    }
  }
  for (; i < last; i += width) {
    int64_t count = std::min(width, last - i);
    for (int64_t j = 0; j < count; ++j) {
      T a, b;
      f(i + j, j, a, b);
      sum_a[j] += static_cast<double>(a);
      sum_b[j] += static_cast<double>(b);
    }
  }
}

// The two sums of each channel over one piece of rows; `out` is [2, C].
template <class T, class F>
void piece_sums(const Cut& cut, int64_t begin, int64_t end, double* out, F f) {
  std::vector<double> sums(static_cast<size_t>(2 * cut.width));
  double *sum_a = sums.data(), *sum_b = sum_a + cut.width;
  add_rows<T>(cut, begin, end, sum_a, sum_b, f);
  std::fill(out, out + 2 * cut.channels, 0.0);
  for (int64_t r = 0; r < cut.repeat; ++r) {
    for (int64_t c = 0; c < cut.channels; ++c) {
      out[c] += sum_a[r * cut.channels + c];
      out[cut.channels + c] += sum_b[r * cut.channels + c];
    }
  }
}

// f(c) for each channel, on all threads where there are many.
template <class F>
void for_each_channel(int64_t channels, F f) {
  parallel_for(channels, 256, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) f(c);
  });
}

// Each piece sums distances from its own first row, so a mean far from zero costs no digits; the pieces'
// means and squared deviations are then combined as in Chan, Golub and LeVeque, "Updating formulae and a
// pairwise algorithm for computing sample variances" (1979).
template <class T>
void channel_statistics(const Cut& cut, const T* x, T* mean, T* variance) {
  int64_t channels = cut.channels;
  std::vector<double> sums(static_cast<size_t>(cut.pieces() * 2 * channels));
  parallel_for(cut.rows, cut.rows_per_piece, [&](int64_t begin, int64_t end) {
    std::vector<T> first = repeated(cut, x + begin * channels);
    const T* origin = first.data();
    piece_sums<T>(cut, begin, end, sums.data() + begin / cut.rows_per_piece * 2 * channels,
                  [x, origin](int64_t i, int64_t j, T& a, T& b) {
                    a = x[i] - origin[j];
                    b = a * a;
                  });
  });
  for_each_channel(channels, [&](int64_t c) {
    double count = 0, center = 0, squares = 0;
    for (int64_t p = 0; p < cut.pieces(); ++p) {
      int64_t begin = p * cut.rows_per_piece;
      double n = static_cast<double>(std::min(cut.rows_per_piece, cut.rows - begin));
      const double* sum = sums.data() + p * 2 * channels;
      double shift = sum[c] / n, distance = static_cast<double>(x[begin * channels + c]) + shift - center;
      squares +=
          std::max(0.0, sum[channels + c] - sum[c] * shift) + distance * distance * count * n / (count + n);
      center += distance * n / (count + n);
      count += n;
    }
    mean[c] = static_cast<T>(center);
    variance[c] = static_cast<T>(squares / count);
  });
}

// f(grad): grad(i) is what of the gradient passed at element i.
template <class T, class F>
void with_gradient(const BatchNormGradient& g, F f) {
  const T* dy = g.dy.data<T>();
  const T* y = g.y.defined() ? g.y.data<T>() : dy;
  with_activation(g.act, [&](auto, auto back) { f([y, dy, back](int64_t i) { return back(y[i], dy[i]); }); });
}

// Elements [begin, end) of g.passed, which is defined.
template <class T>
void write_passed(const BatchNormGradient& g, int64_t begin, int64_t end) {
  T* __restrict passed = g.passed.data<T>();
  with_gradient<T>(g, [=](auto grad) {
    for (int64_t i = begin; i < end; ++i) passed[i] = grad(i);
  });
}

template <class T>
void grad_parameters(const Cut& cut, const T* x, const BatchNormGradient& g, const T* mean, const T* inverse,
                     T* dweight, T* dbias) {
  int64_t channels = cut.channels;
  std::vector<double> sums(static_cast<size_t>(cut.pieces() * 2 * channels));
  std::vector<T> means = repeated(cut, mean);
  parallel_for(cut.rows, cut.rows_per_piece, [&](int64_t begin, int64_t end) {
    BatchNormGradient here = g;
    if (g.passed.defined()) {
      write_passed<T>(g, begin * channels, end * channels);
      here = {g.passed};  // still in the cache
    }
    with_gradient<T>(here, [&](auto grad) {
      piece_sums<T>(cut, begin, end, sums.data() + begin / cut.rows_per_piece * 2 * channels,
                    [x, grad, center = means.data()](int64_t i, int64_t j, T& a, T& b) {
                      a = grad(i);
                      b = grad(i) * (x[i] - center[j]);
                    });
    });
  });
  for_each_channel(channels, [&](int64_t c) {
    double sum_dy = 0, sum_dy_x = 0;
    for (int64_t p = 0; p < cut.pieces(); ++p) {
      sum_dy += sums[static_cast<size_t>(p * 2 * channels + c)];
      sum_dy_x += sums[static_cast<size_t>((p * 2 + 1) * channels + c)];
    }
    dbias[c] = static_cast<T>(sum_dy);
    dweight[c] = static_cast<T>(sum_dy_x * static_cast<double>(inverse[c]));
  });
}

// weight * inverse of each column of the cut.
template <class T>
std::vector<T> slopes(const Cut& cut, const T* weight, const T* inverse) {
  return repeated<T>(cut, [=](int64_t c) { return weight[c] * inverse[c]; });
}

template <class T>
void grad_input(const Cut& cut, const T* x, const BatchNormGradient& g, const T* mean, const T* inverse,
                const T* weight, const T* dweight, const T* dbias, T* dx) {
  // dx = slope * dy + (x - mean) * pull + level, with the three numbers of each channel computed once.
  T share = static_cast<T>(1.0 / static_cast<double>(cut.rows));
  std::vector<T> slope = slopes(cut, weight, inverse), center = repeated(cut, mean);
  std::vector<T> pull =
      repeated<T>(cut, [=](int64_t c) { return -weight[c] * inverse[c] * inverse[c] * dweight[c] * share; });
  std::vector<T> level =
      repeated<T>(cut, [=](int64_t c) { return -weight[c] * inverse[c] * dbias[c] * share; });
  with_gradient<T>(g, [&](auto grad) {
    for_each_row(cut, [x, grad, dx, s = slope.data(), m = center.data(), p = pull.data(), l = level.data()](
                          int64_t begin, int64_t count) {
      const T* xs = x + begin;
      T* __restrict out = dx + begin;
      for (int64_t j = 0; j < count; ++j) out[j] = s[j] * grad(begin + j) + ((xs[j] - m[j]) * p[j] + l[j]);
    });
  });
}

}  // namespace

void channel_statistics(const Tensor& x, const Tensor& mean, const Tensor& variance) {
  if (x.numel() == 0) return;
  with_real(x.dtype(), "channel_statistics", [&](auto zero) {
    using T = decltype(zero);
    channel_statistics(Cut(x), x.data<T>(), mean.data<T>(), variance.data<T>());
  });
}

void update_running_statistics(const Tensor& mean, const Tensor& variance, int64_t rows, double momentum,
                               const Tensor& running_mean, const Tensor& running_variance) {
  with_real(mean.dtype(), "update_running_statistics", [&](auto zero) {
    using T = decltype(zero);
    double unbiased = static_cast<double>(rows) / static_cast<double>(rows - 1);
    auto move = [&](const Tensor& running, const Tensor& batch, double correction) {
      T* to = running.data<T>();
      const T* from = batch.data<T>();
      for (int64_t c = 0; c < batch.numel(); ++c) {
        to[c] = static_cast<T>((1 - momentum) * to[c] + momentum * correction * from[c]);
      }
    };
    move(running_mean, mean, 1);
    move(running_variance, variance, unbiased);
  });
}

void inverse_deviation(const Tensor& variance, double eps, const Tensor& inverse) {
  with_real(variance.dtype(), "inverse_deviation", [&](auto zero) {
    using T = decltype(zero);
    const T* v = variance.data<T>();
    T* out = inverse.data<T>();
    for (int64_t c = 0; c < variance.numel(); ++c) {
      out[c] = static_cast<T>(1 / std::sqrt(static_cast<double>(v[c]) + eps));
    }
  });
}

void batch_norm_affine(const Tensor& mean, const Tensor& inverse, const Tensor& weight, const Tensor& bias,
                       const Tensor& scale, const Tensor& shift) {
  with_real(mean.dtype(), "batch_norm_affine", [&](auto zero) {
    using T = decltype(zero);
    const T *m = mean.data<T>(), *v = inverse.data<T>(), *w = weight.data<T>(), *b = bias.data<T>();
    T *to_scale = scale.data<T>(), *to_shift = shift.data<T>();
    for (int64_t c = 0; c < mean.numel(); ++c) {
      to_scale[c] = w[c] * v[c];
      to_shift[c] = b[c] - m[c] * to_scale[c];
    }
  });
}

void batch_norm(const Tensor& x, const Tensor& mean, const Tensor& inverse, const Tensor& weight,
                const Tensor& bias, const BatchNormAfter& after, const Tensor& y) {
  if (x.numel() == 0) return;
  with_real(x.dtype(), "batch_norm", [&](auto zero) {
    using T = decltype(zero);
    Cut cut(x);
    std::vector<T> slope = slopes(cut, weight.data<T>(), inverse.data<T>());
    std::vector<T> center = repeated(cut, mean.data<T>()), level = repeated(cut, bias.data<T>());
    const T *s = slope.data(), *m = center.data(), *l = level.data(), *p = x.data<T>();
    T* q = y.data<T>();
    with_activation(after.act, [&](auto act, auto) {
      auto rows = [&](auto add) {
        for_each_row(cut, [=](int64_t begin, int64_t count) {
          const T* in = p + begin;
          T* __restrict out = q + begin;
          for (int64_t j = 0; j < count; ++j) out[j] = act(add((in[j] - m[j]) * s[j] + l[j], begin + j));
        });
      };
      if (after.residual.defined()) {
        rows([r = after.residual.data<T>()](T v, int64_t i) { return v + r[i]; });
      } else {
        rows([](T v, int64_t) { return v; });
      }
    });
  });
}

void batch_norm_grad_parameters(const Tensor& x, const BatchNormGradient& g, const Tensor& mean,
                                const Tensor& inverse, const Tensor& dweight, const Tensor& dbias) {
  with_real(x.dtype(), "batch_norm_grad_parameters", [&](auto zero) {
    using T = decltype(zero);
    if (x.numel() == 0) {
      std::fill_n(dweight.data<T>(), dweight.numel(), T(0));
      std::fill_n(dbias.data<T>(), dbias.numel(), T(0));
      return;
    }
    grad_parameters(Cut(x), x.data<T>(), g, mean.data<T>(), inverse.data<T>(), dweight.data<T>(),
                    dbias.data<T>());
  });
}

void batch_norm_grad_input(const Tensor& x, const BatchNormGradient& g, const Tensor& mean,
                           const Tensor& inverse, const Tensor& weight, const Tensor& dweight,
                           const Tensor& dbias, const Tensor& dx) {
  if (x.numel() == 0) return;
  with_real(x.dtype(), "batch_norm_grad_input", [&](auto zero) {
    using T = decltype(zero);
    grad_input(Cut(x), x.data<T>(), g, mean.data<T>(), inverse.data<T>(), weight.data<T>(), dweight.data<T>(),
               dbias.data<T>(), dx.data<T>());
  });
}

void batch_norm_grad_input_frozen(const BatchNormGradient& g, const Tensor& inverse, const Tensor& weight,
                                  const Tensor& dx) {
  if (g.dy.numel() == 0) return;
  with_real(g.dy.dtype(), "batch_norm_grad_input_frozen", [&](auto zero) {
    using T = decltype(zero);
    Cut cut(g.dy);
    std::vector<T> slope = slopes(cut, weight.data<T>(), inverse.data<T>());
    for_each_row(cut, [&, q = dx.data<T>(), s = slope.data()](int64_t begin, int64_t count) {
      if (g.passed.defined()) write_passed<T>(g, begin, begin + count);
      T* __restrict out = q + begin;
      with_gradient<T>(g, [=](auto grad) {
        for (int64_t j = 0; j < count; ++j) out[j] = grad(begin + j) * s[j];
      });
    });
  });
}

#include "kernels/cpu/level_end.h"
