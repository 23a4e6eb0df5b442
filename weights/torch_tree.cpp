#include "weights/torch_tree.h"

#include <algorithm>
#include <array>

namespace graft::weights {
namespace {

using pickle::Kind;
using pickle::Value;

constexpr std::array<TorchType, 18> kTypes = {{
    {"FloatStorage", "float32", 4, DType::f32},
    {"DoubleStorage", "float64", 8, DType::f64},
    {"HalfStorage", "float16", 2, DType::f16},
    {"BFloat16Storage", "bfloat16", 2, DType::bf16},
    {"LongStorage", "int64", 8, DType::i64},
    {"IntStorage", "int32", 4, DType::i32},
    {"ByteStorage", "uint8", 1, DType::u8},
    {"BoolStorage", "bool", 1, DType::b8},
    {"ShortStorage", "int16", 2, std::nullopt},
    {"CharStorage", "int8", 1, std::nullopt},
    {"ComplexFloatStorage", "complex64", 8, std::nullopt},
    {"ComplexDoubleStorage", "complex128", 16, std::nullopt},
    {"QInt8Storage", "qint8", 1, std::nullopt},
    {"QUInt8Storage", "quint8", 1, std::nullopt},
    {"QInt32Storage", "qint32", 4, std::nullopt},
    {"QUInt4x2Storage", "quint4x2", 1, std::nullopt},
    {"QUInt2x4Storage", "quint2x4", 1, std::nullopt},
    {"UntypedStorage", "bytes", 1, std::nullopt},
}};

const TorchType* torch_dtype(const Value& global) {
  for (const TorchType& t : kTypes) {
    if (pickle::is_global(global, "torch", t.dtype)) return &t;
  }
  return nullptr;
}

// Reads the arguments of rebuild calls; every rule that a broken or hostile file may break is checked here.
class Rebuild {
 public:
  Rebuild(const File& file, const pickle::Tree& tree, const std::string& name)
      : file_(file), tree_(tree), name_(name) {}

  std::optional<TorchTensor> read(const Value& value, int depth = 0) const {
    if (value.kind != Kind::call) return std::nullopt;
    const Value& callee = tree_.item(value, 0);
    const Value& arguments = tree_.item(value, 1);
    return call(callee, arguments, depth);
  }

 private:
  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    file_.reject("tensor ", printable(name_), ": ", parts...);
  }

  std::optional<TorchTensor> call(const Value& callee, const Value& arguments, int depth) const {
    if (callee.kind != Kind::global) return std::nullopt;
    std::string_view text = callee.text;
    size_t line = text.find('\n');
    std::string_view module = text.substr(0, line), function = text.substr(line + 1);
    if (depth > 8) reject("is wrapped deeper than 8 times");
    if (module == "torch._tensor" && function == "_rebuild_from_type_v2")
      return unwrap_type(arguments, depth);
    if (module != "torch._utils" || !function.starts_with("_rebuild")) return std::nullopt;
    if (function == "_rebuild_tensor") return dense(arguments, 4, 4, false);
    if (function == "_rebuild_tensor_v2") return dense(arguments, 6, 7, false);
    if (function == "_rebuild_tensor_v3") return dense(arguments, 7, 8, true);
    if (function == "_rebuild_parameter" || function == "_rebuild_parameter_with_state") {
      size_t expected = function == "_rebuild_parameter" ? 3 : 4;
      if (arguments.items.size() != expected) {
        reject(function, " with ", arguments.items.size(), " arguments, expected ", expected);
      }
      auto inner = read(tree_.item(arguments, 0), depth + 1);
      if (!inner) reject(function, " of ", describe(tree_, tree_.item(arguments, 0)), ", expected a tensor");
      return inner;
    }
    TorchTensor listed;
    listed.problem = str("tensors made by ", printable(function),
                         " (quantised, sparse, meta or a subclass) are not supported");
    return listed;
  }

  // A tensor with attributes of its own: (function, type, arguments, state). The attributes are left aside.
  std::optional<TorchTensor> unwrap_type(const Value& arguments, int depth) const {
    if (arguments.items.size() != 4)
      reject("_rebuild_from_type_v2 with ", arguments.items.size(), " arguments, expected 4");
    const Value& type = tree_.item(arguments, 1);
    const Value& inner = tree_.item(arguments, 2);
    if (inner.kind != Kind::tuple)
      reject("_rebuild_from_type_v2 of ", describe(tree_, inner), ", expected a tuple");
    bool plain = pickle::is_global(type, "torch", "Tensor") ||
                 pickle::is_global(type, "torch.nn.parameter", "Parameter") ||
                 pickle::is_global(type, "torch.nn.parameter", "Buffer");
    if (!plain) {
      TorchTensor listed;
      listed.problem = str("is of the tensor subclass ", describe(tree_, type), ", which is not supported");
      return listed;
    }
    return call(tree_.item(arguments, 0), inner, depth + 1);
  }

  // (storage, offset, sizes, strides[, requires_grad, hooks[, dtype][, metadata]])
  TorchTensor dense(const Value& arguments, size_t least, size_t most, bool typed) const {
    size_t n = arguments.items.size();
    if (n < least || n > most)
      reject("rebuilt from ", n, " arguments, expected ", least, least == most ? "" : str(" or ", most));
    TorchTensor t;
    t.storage = &tree_.item(arguments, 0);
    if (t.storage->kind != Kind::persistent) reject("its storage is ", describe(tree_, *t.storage));
    t.offset = integer(tree_.item(arguments, 1), "offset");
    t.sizes = integers(tree_.item(arguments, 2), "size");
    t.strides = integers(tree_.item(arguments, 3), "stride");
    if (t.sizes.size() != t.strides.size()) {
      reject("has ", t.sizes.size(), " sizes and ", t.strides.size(), " strides");
    }
    if (typed) {
      t.type = torch_dtype(tree_.item(arguments, 6));
      if (!t.type) reject("has the unknown type ", describe(tree_, tree_.item(arguments, 6)));
    }
    return t;
  }

  int64_t integer(const Value& value, const char* what) const {
    if (value.kind != Kind::integer || value.integer < 0) {
      reject("its ", what, " is ", describe(tree_, value), ", expected a non-negative integer");
    }
    return value.integer;
  }

  std::vector<int64_t> integers(const Value& value, const char* what) const {
    const Value* list = &value;
    // torch.Size([2, 3]) is pickled as a call with a tuple.
    if (value.kind == Kind::call && pickle::is_global(tree_.item(value, 0), "torch", "Size") &&
        tree_.item(value, 1).items.size() == 1) {
      list = &tree_.item(tree_.item(value, 1), 0);
    }
    if (list->kind != Kind::tuple) reject("its ", what, " is ", describe(tree_, *list), ", expected a tuple");
    if (list->items.size() > kMaxListedRank)
      reject("rank ", list->items.size(), " is above ", kMaxListedRank);
    std::vector<int64_t> out;
    for (pickle::Ref r : list->items) out.push_back(integer(tree_[r], what));
    return out;
  }

  const File& file_;
  const pickle::Tree& tree_;
  const std::string& name_;
};

}  // namespace

ReadPickle::ReadPickle(const File& file, int64_t begin, int64_t limit, const std::string& what) {
  std::string where = str(printable(file.path()), ": ", what, " at byte ", begin);
  int64_t left = limit - begin;
  for (int64_t window = 512;; window *= 2) {
    bytes = std::make_shared<const std::string>(file.read(begin, std::min(window, left)));
    try {
      tree = pickle::parse(*bytes, where);
      end = begin + static_cast<int64_t>(tree.end);
      return;
    } catch (const pickle::Truncated&) {
      if (window >= left) throw;
    }
  }
}

void check_system_info(const File& file, const pickle::Tree& tree) {
  const Value* little = pickle::lookup(tree, tree.top(), "little_endian");
  if (!little || little->kind != Kind::boolean)
    file.reject("sys_info is ", describe(tree, tree.top()), ", expected a dict with little_endian");
  if (!little->integer) file.reject("was written on a big-endian machine, which is not supported");
}

const TorchType* torch_storage_type(const Value& global) {
  for (const TorchType& t : kTypes) {
    for (std::string_view module : {"torch", "torch.cuda", "torch.storage"}) {
      if (pickle::is_global(global, module, t.storage)) return &t;
    }
  }
  return nullptr;
}

TorchStorage torch_storage(const File& file, const pickle::Tree& tree, const Value& persistent) {
  const Value& id = tree.item(persistent, 0);
  auto refuse = [&](const auto&... why) { file.reject("storage reference: ", why...); };
  if (id.kind != Kind::tuple) refuse("is ", describe(tree, id), ", expected a tuple");
  size_t n = id.items.size();
  if (n != 5 && n != 6) refuse("has ", n, " parts, expected ('storage', type, key, location, elements)");
  const Value& tag = tree.item(id, 0);
  if (tag.kind != Kind::text || tag.text != "storage")
    refuse("begins with ", describe(tree, tag), ", expected 'storage'");
  const Value& key = tree.item(id, 2);
  const Value& elements = tree.item(id, 4);
  if (key.kind != Kind::text || key.text.empty())
    refuse("its key is ", describe(tree, key), ", expected text");
  TorchStorage s;
  s.key = key.text;
  s.type = torch_storage_type(tree.item(id, 1));
  if (!s.type) refuse(printable(s.key), ": unknown type ", describe(tree, tree.item(id, 1)));
  if (elements.kind != Kind::integer || elements.integer < 0 ||
      !checked_bytes({elements.integer}, s.type->bytes)) {
    refuse(printable(s.key), ": its count is ", describe(tree, elements), ", expected a number of elements");
  }
  s.elements = elements.integer;
  if (n == 6 && tree.item(id, 5).kind != Kind::none) {
    const Value& view = tree.item(id, 5);  // (key, offset, elements)
    bool fits = view.kind == Kind::tuple && view.items.size() == 3 &&
                tree.item(view, 1).kind == Kind::integer && tree.item(view, 2).kind == Kind::integer;
    if (!fits)
      refuse(printable(s.key), ": its view is ", describe(tree, view), ", expected (key, offset, elements)");
    int64_t offset = tree.item(view, 1).integer, count = tree.item(view, 2).integer;
    if (offset < 0 || count < 0 || offset > s.elements || count > s.elements - offset) {
      refuse(printable(s.key), ": its view of ", count, " elements at ", offset, " reaches beyond its ",
             s.elements);
    }
    s.part = {offset, count};
  }
  return s;
}

std::map<std::string, TorchStorage> torch_storages(const File& file, const pickle::Tree& tree) {
  std::map<std::string, TorchStorage> all;
  for (const Value& value : tree.values) {
    if (value.kind != Kind::persistent) continue;
    TorchStorage s = torch_storage(file, tree, value);
    s.part.reset();
    auto [known, added] = all.emplace(s.key, s);
    if (!added && (known->second.type != s.type || known->second.elements != s.elements)) {
      file.reject("storage ", printable(s.key), " is both ", known->second.elements, " of ",
                  known->second.type->storage, " and ", s.elements, " of ", s.type->storage);
    }
  }
  return all;
}

TensorReader rebuild_calls(const File& file, const pickle::Tree& tree) {
  return [&file, &tree](const Value& value, const std::string& name) {
    return Rebuild(file, tree, name).read(value);
  };
}

void add_stored_tensor(Content& content, const NamedTorchTensor& named, const pickle::Tree& tree,
                       const std::map<std::string, size_t>& blocks) {
  const TorchTensor& t = named.tensor;
  if (!t.problem.empty()) return add_torch_tensor(content, named, kTypes[0], 0, 0, 0);
  TorchStorage storage = torch_storage(*content.file, tree, *t.storage);
  int64_t first = storage.part ? storage.part->first : 0;
  int64_t elements = storage.part ? storage.part->second : storage.elements;
  const TorchType& type = t.type ? *t.type : *storage.type;
  // An untyped storage counts bytes.
  if (type.bytes != storage.type->bytes) {
    first = first * storage.type->bytes / type.bytes;
    elements = elements * storage.type->bytes / type.bytes;
  }
  add_torch_tensor(content, named, type, blocks.at(storage.key), first, elements);
}

void add_torch_tensor(Content& content, const NamedTorchTensor& named, const TorchType& type, size_t block,
                      int64_t first, int64_t elements) {
  const TorchTensor& t = named.tensor;
  const File& file = *content.file;
  auto refuse = [&](const auto&... why) { file.reject("tensor ", printable(named.name), ": ", why...); };
  Entry entry;
  entry.name = named.name;
  entry.stored_dtype = str("torch.", type.dtype);
  entry.sizes = t.sizes;
  entry.problem = t.problem;
  if (entry.problem.empty()) {
    auto bytes = checked_bytes(t.sizes, type.bytes);
    if (!bytes) refuse(shape_text(t.sizes), " overflows");
    entry.bytes = *bytes;
    int64_t last = t.offset;  // the highest element that the view shows
    bool inside = t.offset <= elements;
    for (size_t axis = 0; axis < t.sizes.size() && *bytes > 0 && inside; ++axis) {
      int64_t reach = 0;
      inside = !__builtin_mul_overflow(t.sizes[axis] - 1, t.strides[axis], &reach) &&
               !__builtin_add_overflow(last, reach, &last);
    }
    if (!inside || (*bytes > 0 && last >= elements)) {
      refuse(shape_text(t.sizes), " with strides ", shape_text(t.strides), " at offset ", t.offset,
             " reaches beyond its storage of ", elements, " elements");
    }
    if (*bytes > kMaxExpanded && *bytes / type.bytes > elements) {
      refuse(shape_text(t.sizes), " repeats the ", elements, " elements of its storage to ",
             bytes_text(static_cast<double>(*bytes)), ", at most ",
             bytes_text(static_cast<double>(kMaxExpanded)), " are allowed");
    }
    if (type.type) {
      entry.dtype = *type.type;
    } else {
      entry.problem = str("type torch.", type.dtype, " is not supported");
    }
  }
  content.entries.push_back(std::move(entry));
  View view{block, first + t.offset, t.strides};
  // A stride along an axis of one element moves nothing; torch writes any number there.
  for (size_t axis = 0; axis < t.sizes.size(); ++axis) {
    if (t.sizes[axis] == 1) view.strides[axis] = row_major_strides(t.sizes)[axis];
  }
  content.views.push_back(std::move(view));
}

}  // namespace graft::weights
