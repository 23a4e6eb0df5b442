#include "weights/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <unordered_map>

namespace graft::weights::pickle {
namespace {

// Values that a pickle may make: half a million, and more for a large file, so that memory stays within a
// fixed sum over the file's own size.
size_t value_budget(size_t bytes) {
  return (size_t{1} << 19) + bytes / 128;
}

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where)
      : bytes_(bytes), where_(where), budget_(value_budget(bytes.size())) {
    // Shared by all their uses: a pickle of a million None costs one value.
    none_ = add(Value{});
    Value yes, no;
    yes.kind = no.kind = Kind::boolean;
    yes.integer = 1;
    true_ = add(std::move(yes));
    false_ = add(std::move(no));
  }

  Tree run() {
    check_protocol();
    while (!stopped_) {
      at_ = next_;
      step(take(1)[0]);
    }
    tree_.end = next_;
    return std::move(tree_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    fail<DataError>(where_, ": pickle: ", parts..., " at byte ", at_);
  }

  void check_protocol() {
    if (bytes_.empty()) fail<Truncated>(where_, ": pickle: is empty");
    if (bytes_[0] != '\x80') {
      reject("starts with ", opcode_text(bytes_[0]),
             ", expected PROTO 2 (0x80 0x02). Re-save it with "
             "torch.save(state_dict, path)");
    }
    if (bytes_.size() > 1 && bytes_[1] != '\x02') {
      reject("protocol ", static_cast<int>(static_cast<unsigned char>(bytes_[1])),
             " is not supported, expected 2. Re-save it with torch.save(state_dict, path), which writes "
             "protocol 2");
    }
  }

  static std::string opcode_text(char c) {
    auto byte = static_cast<unsigned char>(c);
    std::string text = "0x";
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
    if (byte > 0x20 && byte < 0x7F) text += str(" '", c, "'");
    return text;
  }

  // The next n bytes: nothing is made from a length before that many bytes are known to be there.
  std::string_view take(uint64_t n) {
    if (n > bytes_.size() - next_) {
      fail<Truncated>(where_, ": pickle: ends at byte ", bytes_.size(), ", the operation at byte ", at_,
                      " needs ", n - (bytes_.size() - next_), " more");
    }
    std::string_view part = bytes_.substr(next_, static_cast<size_t>(n));
    next_ += static_cast<size_t>(n);
    return part;
  }

  uint64_t little(size_t n) {
    uint64_t value = 0;
    std::string_view raw = take(n);
    for (size_t i = n; i-- > 0;) value = value << 8 | static_cast<unsigned char>(raw[i]);
    return value;
  }

  std::string_view line() {
    size_t end = bytes_.find('\n', next_);
    // No name in a checkpoint is longer; without the bound, each of many unterminated names would be searched
    // to the end.
    constexpr size_t kLongest = 512;
    if (end == std::string_view::npos && bytes_.size() - next_ <= kLongest) take(bytes_.size() - next_ + 1);
    if (end == std::string_view::npos || end - next_ > kLongest)
      reject("name longer than ", kLongest, " bytes");
    std::string_view text = bytes_.substr(next_, end - next_);
    next_ = end + 1;
    return text;
  }

  Ref add(Value value) {
    if (tree_.values.size() >= budget_) reject("more than ", budget_, " values");
    tree_.values.push_back(std::move(value));
    return static_cast<Ref>(tree_.values.size() - 1);
  }

  Value& at(Ref r) { return tree_.values[r]; }

  void push(Ref r) {
    if (stack_.size() >= budget_) reject("more than ", budget_, " values on the stack");
    stack_.push_back(r);
  }
  void push(Value value) { push(add(std::move(value))); }
  void push_integer(int64_t n) {
    Value v;
    v.kind = Kind::integer;
    v.integer = n;
    push(std::move(v));
  }
  void push_text(std::string_view text) {
    Value v;
    v.kind = Kind::text;
    v.text = text;
    push(std::move(v));
  }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref pop() {
    if (stack_.size() <= floor()) reject("the stack is empty");
    Ref r = stack_.back();
    stack_.pop_back();
    return r;
  }
  Ref peek() const {
    if (stack_.size() <= floor()) reject("the stack is empty");
    return stack_.back();
  }
  std::vector<Ref> pop_mark() {
    if (marks_.empty()) reject("no mark on the stack");
    auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Ref> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  void put_in(Ref container, Ref item) {
    if (++references_ > 4 * budget_) reject("more than ", 4 * budget_, " references");
    Value& into = at(container);
    into.items.push_back(item);
    into.depth = std::max<uint16_t>(into.depth, static_cast<uint16_t>(at(item).depth + 1));
    if (into.depth > kMaxDepth) reject("values are nested deeper than ", kMaxDepth);
  }

  void make(Kind kind, const std::vector<Ref>& items) {
    Value v;
    v.kind = kind;
    v.items.reserve(items.size());
    Ref r = add(std::move(v));
    for (Ref item : items) put_in(r, item);
    push(r);
  }
  void make_tuple(size_t n) {
    std::vector<Ref> items(n);
    for (size_t i = n; i-- > 0;) items[i] = pop();
    make(Kind::tuple, items);
  }

  void append(Ref target, const std::vector<Ref>& items) {
    Value& into = at(target);
    if (into.kind == Kind::list) {
      for (Ref item : items) put_in(target, item);
    } else if (into.kind != Kind::call || describes_tensor(into)) {
      reject("APPEND to ", describe(tree_, into), ", expected a list");
    }
  }

  void set_items(Ref target, const std::vector<Ref>& items) {
    Value& into = at(target);
    if (items.size() % 2 != 0) reject("SETITEMS with an odd count of ", items.size());
    if (into.kind == Kind::dict) {
      for (size_t i = 0; i < items.size(); ++i) {
        Kind kind = at(items[i]).kind;
        if (i % 2 == 0 && (kind == Kind::list || kind == Kind::dict))
          reject("a dict's key is ", describe(tree_, at(items[i])));
        put_in(target, items[i]);
      }
    } else if (into.kind != Kind::call || describes_tensor(into)) {
      reject("SETITEM on ", describe(tree_, into), ", expected a dict");
    }
  }

  bool describes_tensor(const Value& call) const {
    const Value& callee = tree_.item(call, 0);
    return callee.kind == Kind::global && callee.text.starts_with("torch._utils\n_rebuild");
  }

  // Attributes of an object that is never made: kept with the call, dropped for a dict.
  void build() {
    Ref state = pop();
    Ref object_ref = peek();
    const Value& target = at(object_ref);
    bool object = target.kind == Kind::call && !describes_tensor(target);
    if (!object && !(target.kind == Kind::dict && target.ordered)) {
      reject("BUILD on ", describe(tree_, target), ", expected an object");
    }
    if (object) put_in(object_ref, state);
  }

  void push_global() {
    size_t begin = next_;
    std::string_view module = line(), name = line();
    for (std::string_view part : {module, name}) {
      bool plain =
          !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c > 0x20 && c < 0x7F; });
      if (!plain) reject("the global's name \"", printable(str(module, ".", name)), "\" is not plain ASCII");
    }
    if (never_allowed(module, name)) {
      reject("global ", module, ".", name,
             " is never allowed: the file tries to run code when another program loads it;");
    }
    Value v;
    v.kind = Kind::global;
    v.text = bytes_.substr(begin, next_ - begin - 1);
    push(std::move(v));
  }

  // A call is data, but for the containers that checkpoints are made of.
  void reduce(const char* operation) {
    Ref arguments = pop(), callee = pop();
    if (at(arguments).kind != Kind::tuple)
      reject(operation, " with ", describe(tree_, at(arguments)), ", expected a tuple");
    if (at(callee).kind != Kind::global)
      reject(operation, " of ", describe(tree_, at(callee)), ", expected a global");
    const Value& c = at(callee);
    if (is_global(c, "collections", "OrderedDict") || is_global(c, "collections", "defaultdict") ||
        is_global(c, "collections", "Counter")) {
      push_dict(at(arguments), is_global(c, "collections", "defaultdict"));
    } else {
      make(Kind::call, {callee, arguments});
    }
  }

  // OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], ...]).
  void push_dict(const Value& arguments, bool has_factory) {
    Value v;
    v.kind = Kind::dict;
    v.ordered = true;
    Ref dict = add(std::move(v));
    if (!has_factory && !arguments.items.empty()) {
      const Value& pairs = tree_.item(arguments, 0);
      if (arguments.items.size() != 1 || pairs.kind != Kind::list)
        reject("OrderedDict of ", describe(tree_, pairs));
      std::vector<Ref> flat;
      for (Ref r : pairs.items) {
        const Value& pair = at(r);
        if ((pair.kind != Kind::list && pair.kind != Kind::tuple) || pair.items.size() != 2) {
          reject("OrderedDict of pairs holds ", describe(tree_, pair));
        }
        flat.insert(flat.end(), pair.items.begin(), pair.items.end());
      }
      set_items(dict, flat);
    }
    push(dict);
  }

  void memo_put(uint32_t index) {
    // A hash map: an index of 2^32 - 1 costs one slot, not four billion.
    if (memo_.size() >= budget_) reject("more than ", budget_, " memo entries");
    memo_[index] = peek();
  }
  void memo_get(uint32_t index) {
    auto found = memo_.find(index);
    if (found == memo_.end()) reject("memo entry ", index, " does not exist");
    push(found->second);
  }

  void push_long() {
    size_t n = static_cast<size_t>(little(1));
    if (n > 8) reject("integer of ", n, " bytes, at most 8 are supported");
    uint64_t value = little(n);
    if (n > 0 && n < 8 && value >> (8 * n - 1)) value |= ~uint64_t{0} << (8 * n);
    push_integer(static_cast<int64_t>(value));
  }

  void push_float() {
    uint64_t bits = 0;
    for (char c : take(8))
      bits = bits << 8 | static_cast<unsigned char>(c);  // the one big-endian number of the format
    Value v;
    v.kind = Kind::real;
    v.real = std::bit_cast<double>(bits);
    push(std::move(v));
  }

  void stop() {
    if (!marks_.empty() || stack_.size() != 1)
      reject("STOP with ", stack_.size(), " values on the stack, expected 1");
    tree_.root = stack_[0];
    stopped_ = true;
  }

  void step(char opcode) {
    switch (static_cast<unsigned char>(opcode)) {
      case 0x80: {  // PROTO
        uint64_t protocol = little(1);
        if (at_ != 0) reject("PROTO ", protocol, " in the middle");
        return;
      }
      case '.': return stop();
      case 'N': return push(none_);
      case 0x88: return push(true_);
      case 0x89: return push(false_);
      case 'J': return push_integer(static_cast<int32_t>(little(4)));
      case 'K': return push_integer(static_cast<int64_t>(little(1)));
      case 'M': return push_integer(static_cast<int64_t>(little(2)));
      case 0x8a: return push_long();
      case 'G': return push_float();
      case 'X': return push_text(take(little(4)));  // BINUNICODE
      case 'U': return push_text(take(little(1)));  // SHORT_BINSTRING
      case ')': return make(Kind::tuple, {});
      case ']': return make(Kind::list, {});
      case '}': return make(Kind::dict, {});
      case 0x85: return make_tuple(1);
      case 0x86: return make_tuple(2);
      case 0x87: return make_tuple(3);
      case 't': return make(Kind::tuple, pop_mark());
      case '(': return mark();
      case 'a': {  // APPEND
        Ref item = pop();
        return append(peek(), {item});
      }
      case 'e': {  // APPENDS
        std::vector<Ref> items = pop_mark();
        return append(peek(), items);
      }
      case 's': {  // SETITEM
        Ref value = pop(), key = pop();
        return set_items(peek(), {key, value});
      }
      case 'u': {  // SETITEMS
        std::vector<Ref> items = pop_mark();
        return set_items(peek(), items);
      }
      case 'c': return push_global();
      case 'R': return reduce("REDUCE");
      case 0x81: return reduce("NEWOBJ");
      case 'b': return build();
      case 'Q': return make(Kind::persistent, {pop()});
      case 'q': return memo_put(static_cast<uint32_t>(little(1)));
      case 'r': return memo_put(static_cast<uint32_t>(little(4)));
      case 'h': return memo_get(static_cast<uint32_t>(little(1)));
      case 'j': return memo_get(static_cast<uint32_t>(little(4)));
      default: reject("opcode ", opcode_text(opcode), " is not one that a checkpoint needs;");
    }
  }

  void mark() {
    if (marks_.size() >= budget_) reject("more than ", budget_, " marks");
    marks_.push_back(stack_.size());
  }

  std::string_view bytes_;
  const std::string& where_;
  size_t budget_;
  Tree tree_;
  size_t next_ = 0, at_ = 0;
  size_t references_ = 0;
  bool stopped_ = false;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Ref> memo_;
  Ref none_ = 0, true_ = 0, false_ = 0;
};

}  // namespace

Tree parse(std::string_view bytes, const std::string& where) {
  return Machine(bytes, where).run();
}

std::string global_name(const Value& global) {
  std::string name(global.text);
  std::replace(name.begin(), name.end(), '\n', '.');
  return printable(name);
}

bool is_global(const Value& value, std::string_view module, std::string_view name) {
  return value.kind == Kind::global && value.text.size() == module.size() + 1 + name.size() &&
         value.text.starts_with(module) && value.text[module.size()] == '\n' && value.text.ends_with(name);
}

std::string describe(const Tree& tree, const Value& value) {
  switch (value.kind) {
    case Kind::none: return "None";
    case Kind::boolean: return value.integer ? "True" : "False";
    case Kind::integer: return str("the integer ", value.integer);
    case Kind::real: return str("the float ", value.real);
    case Kind::text: return str("the text \"", printable(value.text, 40), "\"");
    case Kind::tuple: return str("a tuple of ", value.items.size());
    case Kind::list: return str("a list of ", value.items.size());
    case Kind::dict: return str("a dict of ", value.items.size() / 2);
    case Kind::global: return str("the global ", global_name(value));
    case Kind::call: return str("the call of ", global_name(tree.item(value, 0)));
    case Kind::persistent: return "a storage";
  }
  return "?";
}

const Value* lookup(const Tree& tree, const Value& dict, std::string_view key) {
  if (dict.kind != Kind::dict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& k = tree.item(dict, i);
    if (k.kind == Kind::text && k.text == key) return &tree.item(dict, i + 1);
  }
  return nullptr;
}

}  // namespace graft::weights::pickle
