// Matrix products by cuBLASLt, at its best: its heuristics propose algorithms, and the fastest of them on
// this device is taken.
#pragma once

#include <memory>
#include <string>

#include "bench/cuda/session.h"

namespace graft::bench {

// c = a b + bias, matrices row by row in memory; a or b may be stored transposed. bias may be undefined.
struct Product {
  Tensor a, b, bias, c;
  bool a_transposed = false, b_transposed = false;
};

class CublasLt {
 public:
  // Null where the machine lacks it; `problem` then says why.
  static CublasLt* find(std::string& problem);
  virtual ~CublasLt() = default;
  virtual std::string version() const = 0;
  // A contender that writes p.c. Throws Error where cuBLASLt has no algorithm; `notes` gets what was chosen.
  virtual Contender best(const Product& p, nlohmann::json& notes) = 0;
};

}  // namespace graft::bench
