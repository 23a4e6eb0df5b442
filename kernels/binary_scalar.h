// The formulas of the binary family, for one element. T is float or double.
#pragma once

#include "core/hd.h"

namespace graft::kernels::scalar {

struct Add {
  template <class T>
  GRAFT_HD T operator()(T a, T b) const {
    return a + b;
  }
};

struct Multiply {
  template <class T>
  GRAFT_HD T operator()(T a, T b) const {
    return a * b;
  }
};

}  // namespace graft::kernels::scalar
