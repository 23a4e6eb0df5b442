#include "autograd/var.h"

#include <atomic>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "core/place.h"
#include "kernels/binary.h"

namespace graft {
namespace detail {

// How a value was computed. It holds neither that value nor those it was computed from: what an op needs of
// them on the way back its closure keeps, and the rest is freed with the last Var that holds it.
struct Step {
  const char* op;
  Shape shape;                // of the value
  const void* who = nullptr;  // computed it (core/place.h)
  uint64_t order = 0;         // newer steps have higher numbers: a topological order without a search
  BackwardFn backward;

  // One of the pointers is set where the input needs a gradient, none elsewhere.
  struct Input {
    std::shared_ptr<Step> step;
    std::shared_ptr<Node> leaf;
  };
  std::vector<Input> inputs;
  std::shared_ptr<Step> next_to_free;

  ~Step();
};

struct Node {
  Tensor value;
  Tensor grad;  // leaves only
  bool needs_grad = false;
  const char* op = "leaf";
  std::shared_ptr<Step> step;  // null: a leaf
};

// A chain of a million steps must not be freed by recursion: those that nobody else holds wait in a list, to
// be taken apart one by one. The list runs through the steps, for there may be no memory for another.
Step::~Step() {
  std::shared_ptr<Step> list;
  auto queue_inputs = [&list](Step& of) {
    for (Input& input : of.inputs) {
      std::shared_ptr<Step> step = std::move(input.step);
      if (!step || step.use_count() != 1) continue;
      step->next_to_free = std::move(list);
      list = std::move(step);
    }
    of.inputs.clear();
  };
  queue_inputs(*this);
  while (list) {
    std::shared_ptr<Step> step = std::move(list);
    list = std::move(step->next_to_free);
    queue_inputs(*step);
  }
}

}  // namespace detail

namespace {

using detail::Node;
using detail::Step;

thread_local int no_grad_depth = 0;
std::atomic<uint64_t> next_order{1};

// a += b, but never into a tensor that somebody else may hold.
Tensor sum(const Tensor& a, const Tensor& b) {
  Tensor out = a.empty_like();
  kernels::add(a, b, out);
  return out;
}

// How many gradients each leaf will get when the tape is walked back from `last`.
std::unordered_map<Node*, int64_t> count_gradients_of_leaves(Step* last) {
  std::unordered_map<Node*, int64_t> counts;
  std::unordered_set<Step*> seen{last};
  std::vector<Step*> to_visit{last};
  while (!to_visit.empty()) {
    Step* step = to_visit.back();
    to_visit.pop_back();
    for (const Step::Input& input : step->inputs) {
      if (input.leaf && input.leaf->needs_grad) ++counts[input.leaf.get()];
      if (input.step && seen.insert(input.step.get()).second) to_visit.push_back(input.step.get());
    }
  }
  return counts;
}

}  // namespace

Var::Var(Tensor value, bool requires_grad) : node_(std::make_shared<Node>()) {
  GRAFT_CHECK(value.defined(), "Var: undefined tensor");
  GRAFT_CHECK(!requires_grad || is_float(value.dtype()), "Var: ", value.dtype(), " has no gradient");
  node_->value = std::move(value);
  node_->needs_grad = requires_grad;
}

const Tensor& Var::value() const {
  GRAFT_CHECK(defined(), "Var: undefined");
  return node_->value;
}

bool Var::needs_grad() const {
  return defined() && node_->needs_grad;
}

void Var::set_requires_grad(bool requires_grad) const {
  GRAFT_CHECK(defined() && !node_->step, "set_requires_grad: only on a leaf");
  node_->needs_grad = requires_grad;
  if (!requires_grad) node_->grad = {};
}

void Var::set_value(Tensor value) const {
  GRAFT_CHECK(defined() && !node_->step, "set_value: only on a leaf");
  node_->value = std::move(value);
}

Tensor Var::grad() const {
  return defined() ? node_->grad : Tensor();
}

void Var::set_grad(Tensor grad) const {
  GRAFT_CHECK(defined(), "Var: undefined");
  node_->grad = std::move(grad);
}

Var Var::detach() const {
  return Var(value());
}
const char* Var::op() const {
  return defined() ? node_->op : "undefined";
}

Var record(const char* op, Tensor out, std::vector<Var> inputs, BackwardFn backward) {
  Var result(std::move(out));
  result.node_->op = op;
  bool needed = false;
  for (const Var& input : inputs) needed = needed || input.needs_grad();
  if (!needed || NoGrad::active()) return result;
  auto step = std::make_shared<Step>();
  step->op = op;
  step->shape = result.shape();
  step->who = Place::now();
  step->order = next_order.fetch_add(1, std::memory_order_relaxed);
  step->backward = std::move(backward);
  for (const Var& input : inputs) {
    const std::shared_ptr<Node>& node = input.node_;
    bool is_leaf = node && !node->step;
    step->inputs.push_back(!input.needs_grad() ? Step::Input{}
                           : is_leaf           ? Step::Input{nullptr, node}
                                               : Step::Input{node->step, nullptr});
  }
  result.node_->needs_grad = true;
  result.node_->step = std::move(step);
  return result;
}

Var record_no_grad(const char* op, Tensor out, const std::vector<Var>& inputs) {
  if (!NoGrad::active()) {
    for (const Var& input : inputs) {
      GRAFT_CHECK(!input.needs_grad(), op, ": has no derivative, and an input needs a gradient");
    }
  }
  return record(op, std::move(out), {}, {});
}

void backward(const Var& loss, const Tensor& dy, const LeafDone& leaf_done) {
  GRAFT_CHECK(loss.needs_grad(), "backward: nothing that requires a gradient leads to this value");
  GRAFT_CHECK(dy.defined() || loss.value().numel() == 1, "backward: ", loss.shape(),
              " is not a scalar; give the gradient to start from");
  Tensor seed =
      dy.defined() ? dy : Tensor::full(loss.shape(), 1, loss.value().dtype(), loss.value().device());
  GRAFT_CHECK(seed.shape() == loss.shape() && seed.dtype() == loss.value().dtype(), "backward: gradient ",
              seed, " for a value of ", loss.value());

  auto older = [](const auto& a, const auto& b) { return a->order < b->order; };
  std::priority_queue<std::shared_ptr<Step>, std::vector<std::shared_ptr<Step>>, decltype(older)> ready(
      older);
  std::unordered_map<Step*, Tensor> pending;  // gradients of values whose steps are not yet reached
  std::unordered_map<Node*, int64_t> to_come;

  auto deliver_to_leaf = [&](const std::shared_ptr<Node>& node, const Tensor& grad) {
    node->grad = node->grad.defined() ? sum(node->grad, grad) : grad;
    if (leaf_done && --to_come[node.get()] == 0) {
      Var leaf;
      leaf.node_ = node;
      leaf_done(leaf);
    }
  };
  auto deliver = [&](const std::shared_ptr<Step>& step, const Tensor& grad) {
    auto [at, first] = pending.try_emplace(step.get(), grad);
    if (first) {
      ready.push(step);
    } else {
      at->second = sum(at->second, grad);
    }
  };

  if (const std::shared_ptr<Node>& end = loss.node_; end->step) {
    if (leaf_done) to_come = count_gradients_of_leaves(end->step.get());
    deliver(end->step, seed.contiguous());
  } else {
    to_come[end.get()] = 1;
    deliver_to_leaf(end, seed.contiguous());
  }
  while (!ready.empty()) {
    std::shared_ptr<Step> step = ready.top();
    ready.pop();
    Place here(step->who, true);
    auto entry = pending.extract(step.get());
    Grads grads = step->backward(entry.mapped());
    GRAFT_CHECK(grads.size() == step->inputs.size(), step->op, ": backward gave ", grads.size(),
                " gradients for ", step->inputs.size(), " inputs");
    for (size_t i = 0; i < grads.size(); ++i) {
      const Step::Input& input = step->inputs[i];
      if (!input.step && !(input.leaf && input.leaf->needs_grad)) continue;
      GRAFT_CHECK(grads[i].defined(), step->op, ": backward gave no gradient for input ", i,
                  ", which needs one");
      const Shape& shape = input.leaf ? input.leaf->value.shape() : input.step->shape;
      GRAFT_CHECK(grads[i].shape() == shape, step->op, ": gradient ", grads[i].shape(), " of input ", i,
                  " with shape ", shape);
      input.leaf ? deliver_to_leaf(input.leaf, grads[i]) : deliver(input.step, grads[i]);
    }
    // Frees what the op kept. The step stays one, so a second backward through it is an error, not a silence.
    step->backward = [op = step->op](const Tensor&) -> Grads {
      fail(op, ": backward a second time through a tape that is already freed");
    };
    step->inputs.clear();
  }
}

NoGrad::NoGrad() {
  ++no_grad_depth;
}
NoGrad::~NoGrad() {
  --no_grad_depth;
}
bool NoGrad::active() {
  return no_grad_depth > 0;
}

}  // namespace graft
