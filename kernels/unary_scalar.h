// The formulas of the unary family, for one element. T is float or double.
#pragma once

#include "core/hd.h"

namespace graft::kernels::scalar {

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

template <class T>
struct Scale {
  T factor;
  GRAFT_HD T operator()(T x) const { return x * factor; }
};

}  // namespace graft::kernels::scalar
