// The formulas of the unary family, for one element. T is float or double.
#pragma once

#include <cmath>

#include "core/hd.h"

namespace graft::kernels::scalar {

struct Same {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return x;
  }
};

struct SameGrad {
  template <class T>
  GRAFT_HD T operator()(T, T dy) const {
    return dy;
  }
};

// The comparisons are written so that a NaN fails them and passes through.
struct Relu {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return x <= 0 ? T(0) : x;
  }
};

struct ReluGrad {
  template <class T>
  GRAFT_HD T operator()(T y, T dy) const {
    return y <= 0 ? T(0) : dy;
  }
};

struct Relu6 {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    T low = x <= 0 ? T(0) : x;
    return low >= 6 ? T(6) : low;
  }
};

struct Relu6Grad {
  template <class T>
  GRAFT_HD T operator()(T y, T dy) const {
    // Without a branch, or the CPU's loop would not become vector code.
    return static_cast<int>(y <= 0) | static_cast<int>(y >= 6) ? T(0) : dy;
  }
};

struct Sigmoid {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return 1 / (1 + std::exp(-x));
  }
};

struct SigmoidGrad {
  template <class T>
  GRAFT_HD T operator()(T y, T dy) const {
    return dy * y * (1 - y);
  }
};

struct Tanh {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return std::tanh(x);
  }
};

struct TanhGrad {
  template <class T>
  GRAFT_HD T operator()(T y, T dy) const {
    return dy * (1 - y) * (1 + y);
  }
};

struct Exp {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return std::exp(x);
  }
};

struct ExpGrad {
  template <class T>
  GRAFT_HD T operator()(T y, T dy) const {
    return dy * y;
  }
};

// x times the normal distribution's probability of less than x (Hendrycks and Gimpel, "Gaussian error linear
// units", 2016).
struct Gelu {
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return x * below(x);
  }
  template <class T>
  GRAFT_HD static T below(T x) {
    return T(0.5) * std::erfc(x * T(-0.7071067811865476));  // sqrt(1/2)
  }
};

struct GeluGrad {
  template <class T>
  GRAFT_HD T operator()(T x, T dy) const {
    T density = T(0.3989422804014327) * std::exp(T(-0.5) * x * x);  // 1 / sqrt(2 pi)
    return dy * (Gelu::below(x) + x * density);
  }
};

// The same paper's approximation: x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr double kScale = 0.7978845608028654, kCubic = 0.044715;
  template <class T>
  GRAFT_HD T operator()(T x) const {
    return T(0.5) * x * (1 + tanh_of(x));
  }
  template <class T>
  GRAFT_HD static T tanh_of(T x) {
    return std::tanh(T(kScale) * (x + T(kCubic) * x * x * x));
  }
};

struct GeluTanhGrad {
  template <class T>
  GRAFT_HD T operator()(T x, T dy) const {
    T t = GeluTanh::tanh_of(x), slope = T(GeluTanh::kScale) * (1 + T(3 * GeluTanh::kCubic) * x * x);
    return dy * T(0.5) * (1 + t) * (1 + x * (1 - t) * slope);
  }
};

// x sigmoid(b x). b = 1: SiLU or swish (Elfwing, Uchibe and Doya, 2018); b = 1.702: the quicker approximation
// of GELU in Hendrycks and Gimpel, which CLIP uses.
template <class T>
struct Swish {
  T b;
  GRAFT_HD T operator()(T x) const { return x * Sigmoid()(b * x); }
};

template <class T>
struct SwishGrad {
  T b;
  GRAFT_HD T operator()(T x, T dy) const {
    T s = Sigmoid()(b * x);
    return dy * s * (1 + b * x * (1 - s));
  }
};
inline constexpr double kQuickGelu = 1.702;

template <class T>
struct Scale {
  T factor;
  GRAFT_HD T operator()(T x) const { return x * factor; }
};

}  // namespace graft::kernels::scalar
