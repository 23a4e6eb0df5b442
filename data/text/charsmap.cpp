#include "data/text/charsmap.h"

#include "core/error.h"

namespace graft::data {

namespace {

constexpr uint32_t kNowhere = UINT32_MAX;

// A unit of the double array: 8 bits of label, the offset to its children, whether a string ends here. The
// value of that string is the unit at the children's place, with the uppermost bit set.
uint32_t label_of(uint32_t unit) {
  return unit & (0x80000000u | 0xFF);
}
uint32_t offset_of(uint32_t unit) {
  return (unit >> 10) << ((unit & 0x200) >> 6);
}
bool ends_string(uint32_t unit) {
  return (unit & 0x100) != 0;
}
uint32_t value_of(uint32_t unit) {
  return unit & 0x7FFFFFFFu;
}

uint32_t u32_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  return value;
}

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& where) {
  GRAFT_CHECK_AS(DataError, blob.size() >= 8, where, ": precompiled_charsmap has ", blob.size(), " bytes");
  const size_t bytes = u32_at(blob, 0);
  GRAFT_CHECK_AS(DataError, bytes >= 4 && bytes % 4 == 0 && bytes < blob.size() - 4, where,
                 ": precompiled_charsmap: an array of ", bytes, " bytes in ", blob.size(), " bytes");
  for (size_t i = 0; i < bytes; i += 4) units_.push_back(u32_at(blob, 4 + i));
  const std::string_view results = blob.substr(4 + bytes);
  GRAFT_CHECK_AS(DataError, results.back() == '\0', where,
                 ": precompiled_charsmap: its last string has no end");
  GRAFT_CHECK_AS(DataError, is_utf8(results), where, ": precompiled_charsmap: its strings are not UTF-8");
  starts_.assign(results.size(), kNowhere);
  for (size_t i = 0; i < results.size();) {
    const Decoded d = decode_utf8(results.substr(i));
    starts_[i] = static_cast<uint32_t>(results_.size());
    results_ += d.code;
    i += static_cast<size_t>(d.bytes);
  }
  check(where);
  for (uint8_t c = 0; c < 0x80; ++c) stays_[c] = stays_in_ascii(c);
}

// The child of `node` (the place of a unit's children) for a byte, as the place of its unit.
std::optional<uint32_t> Charsmap::step(uint32_t node, uint8_t byte) const {
  const uint32_t at = node ^ byte;
  if (at >= units_.size() || label_of(units_[at]) != byte) return std::nullopt;
  return at;
}

// Walks everything that can be reached, so that find() needs no doubt.
void Charsmap::check(const std::string& where) const {
  enum : uint8_t { fresh, open, done };
  std::vector<uint8_t> state(units_.size(), fresh);
  struct Level {
    uint32_t unit;
    uint32_t next_byte;
  };
  std::vector<Level> path = {{0, 1}};
  state[0] = open;
  while (!path.empty()) {
    Level& level = path.back();
    const uint32_t children = level.unit ^ offset_of(units_[level.unit]);
    if (level.next_byte == 1) {
      GRAFT_CHECK_AS(DataError, (children | 0xFF) < units_.size(), where, ": precompiled_charsmap: unit ",
                     level.unit, " leads to ", children, ", outside of its ", units_.size(), " units");
      if (level.unit != 0 && ends_string(units_[level.unit])) {
        const uint32_t value = value_of(units_[children]);
        GRAFT_CHECK_AS(DataError, value < starts_.size() && starts_[value] != kNowhere, where,
                       ": precompiled_charsmap: unit ", level.unit, " names the string at ", value,
                       ", where none begins");
      }
    }
    if (level.next_byte == 256) {
      state[level.unit] = done;
      path.pop_back();
      continue;
    }
    const auto byte = static_cast<uint8_t>(level.next_byte++);
    if (auto child = step(children, byte)) {
      GRAFT_CHECK_AS(DataError, state[*child] != open, where, ": precompiled_charsmap: unit ", *child,
                     " leads back to itself");
      if (state[*child] == fresh) {
        state[*child] = open;
        path.push_back({*child, 1});
      }
    }
  }
}

// Whether no string is this character, or begins with it and another of ASCII.
bool Charsmap::stays_in_ascii(uint8_t c) const {
  const auto unit = c == 0 ? std::nullopt : step(offset_of(units_[0]), c);
  if (!unit) return true;
  if (ends_string(units_[*unit])) return false;
  const uint32_t children = *unit ^ offset_of(units_[*unit]);
  for (uint8_t next = 1; next < 0x80; ++next) {
    if (step(children, next)) return false;
  }
  return true;
}

std::optional<Charsmap::Match> Charsmap::look_up(const Text& text, size_t begin, size_t end,
                                                 Which which) const {
  std::optional<Match> match;
  uint32_t children = offset_of(units_[0]);
  for (size_t i = begin; i < end; ++i) {
    char encoded[4];
    const char32_t c = text[i].code;
    int n = 0;
    if (c < 0x80) {
      encoded[n++] = static_cast<char>(c);
    } else {
      std::string bytes;
      append_utf8(bytes, c);
      for (char b : bytes) encoded[n++] = b;
    }
    uint32_t unit = 0;
    for (int k = 0; k < n; ++k) {
      auto child = encoded[k] == 0 ? std::nullopt : step(children, static_cast<uint8_t>(encoded[k]));
      if (!child) return match;
      unit = units_[*child];
      children = *child ^ offset_of(unit);
    }
    if (!ends_string(unit)) continue;
    const std::u32string_view rest =
        std::u32string_view(results_).substr(starts_[value_of(units_[children])]);
    match = Match{i + 1 - begin, rest.substr(0, rest.find(U'\0'))};
    if (which == Which::shortest) return match;
  }
  return match;
}

}  // namespace graft::data
