// Var: a tensor with a place on the tape. Reverse-mode automatic differentiation, eager, one small tape: each
// op computes its value at once and records how to turn the gradient of its output into the gradients of its
// inputs.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/tensor.h"

namespace graft {

// Gradients of an op's inputs, in their order. An undefined tensor where no gradient is wanted.
using Grads = std::vector<Tensor>;
// From the gradient of the output (contiguous, its shape and type) to those of the inputs. A closure holds
// Tensors, never Vars: what it captures is what the op keeps in memory until backward.
using BackwardFn = std::function<Grads(const Tensor& dy)>;

namespace detail {
struct Node;
}

class Var;
// Told of a leaf whose gradient nothing more will be added to.
using LeafDone = std::function<void(const Var& leaf)>;

class Var {
 public:
  Var() = default;
  // A leaf: an input or a parameter. Its gradient is collected by backward() where requires_grad.
  explicit Var(Tensor value, bool requires_grad = false);

  bool defined() const { return node_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Tensor& value() const;
  const Shape& shape() const { return value().shape(); }
  int64_t dim(int axis) const { return value().dim(axis); }

  // True where a gradient will flow: a leaf that requires one, or the result of an op on such a Var. Ops ask
  // this to decide what to keep; below the deepest trainable parameter it is false, and nothing is kept.
  bool needs_grad() const;
  // Leaves only.
  void set_requires_grad(bool requires_grad) const;
  void set_value(Tensor value) const;

  // The collected gradient; undefined before backward.
  Tensor grad() const;
  void set_grad(Tensor grad) const;
  void clear_grad() const { set_grad({}); }

  // The same value as a leaf without gradient: where the tape is cut.
  Var detach() const;
  // The name of the op that made this Var; "leaf" for a leaf.
  const char* op() const;

  friend bool operator==(const Var& a, const Var& b) { return a.node_ == b.node_; }  // identity, not value
  const void* id() const { return node_.get(); }  // the same for equal Vars alone, while they live

 private:
  friend Var record(const char*, Tensor, std::vector<Var>, BackwardFn);
  friend void backward(const Var&, const Tensor&, const LeafDone&);
  std::shared_ptr<detail::Node> node_;
};

// The result of an op. The backward is kept only where an input needs a gradient and no NoGrad is alive.
Var record(const char* op, Tensor out, std::vector<Var> inputs, BackwardFn backward);
// The result of an op without a derivative: throws, naming the op, where one would be needed.
Var record_no_grad(const char* op, Tensor out, const std::vector<Var>& inputs);

// Walks the tape from `loss` back to the leaves, newest node first, and adds to each leaf's gradient. Without
// dy the loss must be a scalar, and dy is 1. The tape below `loss` is freed on the way. leaf_done is called
// once for each leaf that gets a gradient, in the order in which they become final, while the walk goes on:
// who sends gradients elsewhere can send these already. It must change neither Vars nor tensors of the tape.
void backward(const Var& loss, const Tensor& dy = {}, const LeafDone& leaf_done = {});

// While one is alive on this thread, ops record nothing.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  static bool active();
};

}  // namespace graft
