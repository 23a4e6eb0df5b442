// The precompiled normalisation of SentencePiece: what it looks up, and the two ways of reading it.
#include "data/text/charsmap.h"

#include "data/text/unigram.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

// A double array as a charsmap has it: the child for a byte stands at its parent's `children` ^ byte.
class DoubleArray {
 public:
  void put(uint32_t at, uint8_t label, bool ends_string, uint32_t children) {
    units_[at] = (at ^ children) << 10 | (ends_string ? 0x100u : 0u) | label;
  }
  // What the string becomes that ends at the unit with these children: a place in `results`.
  void value(uint32_t children, uint32_t result) { units_[children] = 0x80000000u | result; }
  std::string blob(const std::string& results) const {
    std::string out;
    auto u32 = [&](size_t value) {
      for (int i = 0; i < 4; ++i) out += static_cast<char>(static_cast<uint8_t>(value >> (8 * i)));
    };
    u32(4 * units_.size());
    for (uint32_t unit : units_) u32(unit);
    return out + results;
  }

 private:
  std::vector<uint32_t> units_ = std::vector<uint32_t>(2048);
};

}  // namespace

TEST_CASE("a charsmap is read by its longest match, and as tokenizer.json has it by a cluster's shortest") {
  // "a" becomes "b", and "a" with U+0301 (CC 81) becomes "c".
  DoubleArray units;
  units.put(0, 0, false, 0x100);
  units.put(0x100 ^ 'a', 'a', true, 0x200);
  units.value(0x200, 0);
  units.put(0x200 ^ 0xCC, 0xCC, false, 0x300);
  units.put(0x300 ^ 0x81, 0x81, true, 0x400);
  units.value(0x400, 2);
  const auto charsmap = std::make_shared<const Charsmap>(units.blob(std::string("b\0c\0", 4)), "test");
  auto normalized = [](const Normalizer& normalize, const std::string& text) {
    Text t = to_text(text);
    normalize(t);
    std::string out;
    for (const Char& c : t) append_utf8(out, c.code);
    return out;
  };
  const std::string text = "xa\xCC\x81\xCC\xA3 a";
  CHECK(normalized(sentencepiece_normalizer({.charsmap = charsmap, .user_defined = {}}), text) ==
        "\xE2\x96\x81xc\xCC\xA3\xE2\x96\x81"
        "b");
  CHECK(normalized(precompiled_normalizer(charsmap), text) == "xb b");  // five bytes: the whole cluster
  const std::string long_cluster = "a\xCC\x81\xCC\xA3\xCC\xA3";
  CHECK(normalized(precompiled_normalizer(charsmap), long_cluster) == "b\xCC\x81\xCC\xA3\xCC\xA3");
}

TEST_CASE("a charsmap: an ASCII character that begins a string is looked up before ASCII too") {
  // "a" with "b" becomes "x", "c" with U+0301 becomes "y"; "a", "b" and "c" stay.
  DoubleArray units;
  units.put(0, 0, false, 0x100);
  units.put(0x100 ^ 'a', 'a', false, 0x200);
  units.put(0x200 ^ 'b', 'b', true, 0x300);
  units.value(0x300, 0);
  units.put(0x100 ^ 'c', 'c', false, 0x400);
  units.put(0x400 ^ 0xCC, 0xCC, false, 0x500);
  units.put(0x500 ^ 0x81, 0x81, true, 0x600);
  units.value(0x600, 2);
  const Charsmap charsmap(units.blob(std::string("x\0y\0", 4)), "test");
  const Text text = to_text(
      "abacbc\xCC\x81"
      "c");
  const std::vector<bool> stays = {false, true, false, true, true, false, false, true};
  for (size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    CHECK(charsmap.surely_stays(text, i) == stays[i]);
    CHECK(charsmap.find(text, i, text.size(), Charsmap::Which::longest).has_value() == (i == 0 || i == 5));
  }
}
