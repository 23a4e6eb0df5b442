// Where in a checkpoint the state dict is.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "weights/torch_tree.h"

namespace graft::weights {
namespace {

using pickle::Kind;
using pickle::Value;

// Names under which trainers keep a network's tensors beside the optimizer's.
constexpr std::array<std::string_view, 8> kUsual = {"state_dict", "model_state_dict", "model",     "net",
                                                    "network",    "weights",          "model_ema", "params"};

struct Candidate {
  std::string path;  // "model.state_dict"; empty for the root
  const Value* dict;
  size_t tensors;
};

class Search {
 public:
  Search(const pickle::Tree& tree, const TensorReader& as_tensor) : tree_(tree), as_tensor_(as_tensor) {}

  std::vector<Candidate> run() {
    visit(tree_.top(), "", 0);
    return std::move(found_);
  }

 private:
  // Each dict once, so that shared and self-containing ones cost nothing.
  void visit(const Value& dict, const std::string& path, int depth) {
    if (dict.kind != Kind::dict || depth > 4 || !seen_.insert(&dict).second) return;
    size_t tensors = 0;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& value = tree_.item(dict, i + 1);
      if (value.kind != Kind::call && value.kind != Kind::persistent) continue;
      tensors += as_tensor_(value, std::string(tree_.item(dict, i).text)).has_value();
    }
    if (tensors > 0) found_.push_back({path, &dict, tensors});
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& key = tree_.item(dict, i);
      if (key.kind != Kind::text) continue;
      visit(tree_.item(dict, i + 1), path.empty() ? std::string(key.text) : str(path, ".", key.text),
            depth + 1);
    }
  }

  const pickle::Tree& tree_;
  const TensorReader& as_tensor_;
  std::vector<Candidate> found_;
  std::unordered_set<const Value*> seen_;
};

std::string list_candidates(const std::vector<Candidate>& candidates) {
  std::string out;
  for (size_t i = 0; i < candidates.size() && i < 20; ++i) {
    const Candidate& c = candidates[i];
    out += str(i ? ", " : "", c.path.empty() ? std::string("(the root)") : printable(c.path), " (", c.tensors,
               " tensors)");
  }
  return out;
}

[[noreturn]] void reject_root(const File& file, const pickle::Tree& tree) {
  const Value& root = tree.top();
  if (root.kind == Kind::call) {
    const Value& callee = tree.item(root, 0);
    std::string name = pickle::global_name(callee);
    if (name.starts_with("numpy"))
      file.reject("holds numpy arrays, not torch tensors; save them with torch.save(state_dict, path)");
    file.reject("holds a whole object of class ", name,
                ", not a state dict. In Python: torch.save(model.state_dict(), path), and load that file");
  }
  for (const Value& v : tree.values) {
    if (v.kind == Kind::global && v.text.starts_with("numpy")) {
      file.reject("holds ", describe(tree, root),
                  " with numpy arrays, not torch tensors; save them with torch.save(state_dict, path)");
    }
  }
  file.reject("holds ", describe(tree, root), " without a dict of tensors in it");
}

const Candidate& choose(const File& file, const std::vector<Candidate>& candidates, const std::string& key) {
  if (!key.empty()) {
    for (const Candidate& c : candidates) {
      if (c.path == key) return c;
    }
    file.reject("holds no dict of tensors under \"", printable(key),
                "\". There are: ", list_candidates(candidates));
  }
  const Candidate* usual = nullptr;
  for (const Candidate& c : candidates) {
    if (std::find(kUsual.begin(), kUsual.end(), c.path) == kUsual.end()) continue;
    if (usual) file.reject("holds several networks; name one with --key: ", list_candidates(candidates));
    usual = &c;
  }
  if (usual) return *usual;
  if (candidates.size() > 1 && !candidates[0].path.empty()) {
    file.reject("holds several dicts of tensors; name one with --key: ", list_candidates(candidates));
  }
  return candidates[0];
}

}  // namespace

std::vector<NamedTorchTensor> state_dict(const File& file, const pickle::Tree& tree, const std::string& key,
                                         const TensorReader& as_tensor, std::vector<std::string>& warnings) {
  std::vector<Candidate> candidates = Search(tree, as_tensor).run();
  if (candidates.empty()) reject_root(file, tree);
  const Candidate& chosen = choose(file, candidates, key);
  if (!chosen.path.empty()) warnings.push_back(str("took the tensors of \"", printable(chosen.path), "\""));
  if (chosen.tensors > kMaxTensors) file.reject("more than ", kMaxTensors, " tensors");

  std::vector<NamedTorchTensor> all;
  std::unordered_set<std::string_view> names;
  size_t others = 0;
  for (size_t i = 0; i + 1 < chosen.dict->items.size(); i += 2) {
    const Value& name = tree.item(*chosen.dict, i);
    if (name.kind != Kind::text)
      file.reject("the state dict has ", describe(tree, name), " as a key, expected text");
    if (auto problem = name_problem(name.text))
      file.reject("tensor name \"", printable(name.text), "\" ", *problem);
    if (!names.insert(name.text).second)
      file.reject("the state dict holds \"", printable(name.text), "\" twice");
    auto tensor = as_tensor(tree.item(*chosen.dict, i + 1), std::string(name.text));
    if (tensor) {
      all.push_back({std::string(name.text), std::move(*tensor)});
    } else {
      ++others;
    }
  }
  if (others > 0) warnings.push_back(str(others, " values that are no tensors were left aside"));
  return all;
}

}  // namespace graft::weights
