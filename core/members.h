// Processes that compute together, as far as an op has to know of them.
#pragma once

namespace graft {

class Tensor;

// Every member calls the same functions in the same order, with as much data.
class Members {
 public:
  virtual ~Members() = default;
  virtual int rank() const = 0;  // from 0
  virtual int size() const = 0;
  // Replaces each element by its sum over all members, to the same bits everywhere; a contiguous CPU tensor
  // in f32 or f64.
  virtual void sum(const Tensor& values) = 0;
};

}  // namespace graft
