// Reads a pickle of protocol 2 as plain data. A pickle is a program for a stack machine; this machine has no
// operation that calls anything: a call is recorded as "what would be called, with which arguments", and the
// readers of torch files then look for the few calls that describe a tensor. Opcodes: Python's
// Lib/pickletools.py; the accepted subset is that of torch/_weights_only_unpickler.py.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace graft::weights::pickle {

using Ref = uint32_t;  // index of a value in its tree

enum class Kind : uint8_t {
  none,
  boolean,
  integer,
  real,
  text,
  tuple,
  list,
  dict,
  global,      // a name such as "collections.OrderedDict"; never resolved
  call,        // what would have been called; opaque to this machine
  persistent,  // a reference to something outside of the pickle: a storage
};

// Values refer to each other by index, so a value that occurs a thousand times is stored once, a cycle is
// harmless and destruction is not recursive.
struct Value {
  Kind kind = Kind::none;
  bool ordered = false;  // dict: an OrderedDict, which may carry attributes
  uint16_t depth = 1;    // levels below and including this one, when it was last changed
  int64_t integer = 0;   // of a boolean or an integer
  double real = 0;
  std::string_view text;  // text; the "module\nname" of a global. Points into the pickle
  // tuple, list: the elements. dict: key, value, key, value... call: what would be called, its arguments,
  // and the states it would be given. persistent: its id.
  std::vector<Ref> items;
};

struct Tree {
  std::deque<Value> values;
  Ref root = 0;
  size_t end = 0;  // bytes of the pickle

  const Value& operator[](Ref r) const { return values[r]; }
  const Value& top() const { return values[root]; }
  const Value& item(const Value& v, size_t i) const { return values[v.items[i]]; }
};

// The pickle ends beyond the bytes given. A reader that gave only the file's beginning tries again with more.
class Truncated : public DataError {
 public:
  using DataError::DataError;
};

// The pickle at the start of `bytes`; more may follow it. The tree points into `bytes`. `where` starts every
// message, as in "net.pth: archive/data.pkl". DataError, with the opcode and its offset, for anything but
// plain data, and for globals that only an attack would name. Memory: at most 64 MiB besides `bytes`; time
// linear in them.
Tree parse(std::string_view bytes, const std::string& where);

// Whether a global can only be there to run code in whatever program loads the file.
bool never_allowed(std::string_view module, std::string_view name);

// "collections.OrderedDict"
std::string global_name(const Value& global);
bool is_global(const Value& value, std::string_view module, std::string_view name);
// What a value is, for messages: "a dict of 3", "the call of numpy.core.multiarray.scalar".
std::string describe(const Tree& tree, const Value& value);
// The value of a text key; null where there is none.
const Value* lookup(const Tree& tree, const Value& dict, std::string_view key);

constexpr int kMaxDepth = 64;

}  // namespace graft::weights::pickle
