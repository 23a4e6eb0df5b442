#include "autograd/var.h"

#include <atomic>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "kernels/binary.h"

namespace graft {
namespace detail {

struct Node {
  Tensor value;
  Tensor grad;  // leaves only
  bool needs_grad = false;
  const char* op = "leaf";
  uint64_t order = 0;  // newer nodes have higher numbers: a topological order without a search
  std::vector<std::shared_ptr<Node>> inputs;
  BackwardFn backward;
  std::shared_ptr<Node> next_to_free;

  // A chain of a million nodes must not be freed by recursion: those that nobody else holds wait in a list,
  // to be taken apart one by one. The list runs through the nodes, for there may be no memory for another.
  ~Node() {
    std::shared_ptr<Node> list;
    auto queue_inputs = [&list](Node& of) {
      for (std::shared_ptr<Node>& input : of.inputs) {
        std::shared_ptr<Node> node = std::move(input);
        if (node.use_count() != 1) continue;
        node->next_to_free = std::move(list);
        list = std::move(node);
      }
      of.inputs.clear();
    };
    queue_inputs(*this);
    while (list) {
      std::shared_ptr<Node> node = std::move(list);
      list = std::move(node->next_to_free);
      queue_inputs(*node);
    }
  }
};

}  // namespace detail

namespace {

using detail::Node;

thread_local int no_grad_depth = 0;
std::atomic<uint64_t> next_order{1};

// a += b, but never into a tensor that somebody else may hold.
Tensor sum(const Tensor& a, const Tensor& b) {
  Tensor out = a.empty_like();
  kernels::add(a, b, out);
  return out;
}

// How many gradients each leaf will get when the tape is walked back from `last`.
std::unordered_map<Node*, int64_t> count_gradients_of_leaves(Node* last) {
  std::unordered_map<Node*, int64_t> counts;
  std::unordered_set<Node*> seen{last};
  std::vector<Node*> to_visit{last};
  if (!last->backward) ++counts[last];
  while (!to_visit.empty()) {
    Node* node = to_visit.back();
    to_visit.pop_back();
    for (const std::shared_ptr<Node>& input : node->inputs) {
      if (!input || !input->needs_grad) continue;
      if (!input->backward) {
        ++counts[input.get()];
      } else if (seen.insert(input.get()).second) {
        to_visit.push_back(input.get());
      }
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
  GRAFT_CHECK(defined() && !node_->backward, "set_requires_grad: only on a leaf");
  node_->needs_grad = requires_grad;
  if (!requires_grad) node_->grad = {};
}

void Var::set_value(Tensor value) const {
  GRAFT_CHECK(defined() && !node_->backward, "set_value: only on a leaf");
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
  result.node_->needs_grad = true;
  result.node_->order = next_order.fetch_add(1, std::memory_order_relaxed);
  result.node_->backward = std::move(backward);
  for (Var& input : inputs) result.node_->inputs.push_back(std::move(input.node_));
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
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, decltype(older)> ready(
      older);
  std::unordered_map<Node*, Tensor> pending;  // gradients of nodes not yet reached
  std::unordered_map<Node*, int64_t> to_come;
  if (leaf_done) to_come = count_gradients_of_leaves(loss.node_.get());

  auto deliver = [&](const std::shared_ptr<Node>& node, const Tensor& grad) {
    if (!node->backward) {
      node->grad = node->grad.defined() ? sum(node->grad, grad) : grad;
      if (leaf_done && --to_come[node.get()] == 0) {
        Var leaf;
        leaf.node_ = node;
        leaf_done(leaf);
      }
      return;
    }
    auto [at, first] = pending.try_emplace(node.get(), grad);
    if (first) {
      ready.push(node);
    } else {
      at->second = sum(at->second, grad);
    }
  };

  deliver(loss.node_, seed.contiguous());
  while (!ready.empty()) {
    std::shared_ptr<Node> node = ready.top();
    ready.pop();
    auto entry = pending.extract(node.get());
    Grads grads = node->backward(entry.mapped());
    GRAFT_CHECK(grads.size() == node->inputs.size(), node->op, ": backward gave ", grads.size(),
                " gradients for ", node->inputs.size(), " inputs");
    for (size_t i = 0; i < grads.size(); ++i) {
      const auto& input = node->inputs[i];
      if (!input || !input->needs_grad) continue;
      GRAFT_CHECK(grads[i].defined(), node->op, ": backward gave no gradient for input ", i,
                  ", which needs one");
      GRAFT_CHECK(grads[i].shape() == input->value.shape(), node->op, ": gradient ", grads[i].shape(),
                  " of input ", i, " with shape ", input->value.shape());
      deliver(input, grads[i]);
    }
    // Frees what the op kept. The node stays a non-leaf, so a second backward through it is an error, not a
    // silence.
    node->backward = [op = node->op](const Tensor&) -> Grads {
      fail(op, ": backward a second time through a tape that is already freed");
    };
    node->inputs.clear();
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
