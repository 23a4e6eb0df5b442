// The trie answers as a map of all beginnings does.
#include "data/text/trie.h"

#include <map>
#include <random>

#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

int32_t node_of(const Trie& trie, std::u32string_view word) {
  int32_t node = Trie::kRoot;
  for (char32_t c : word) {
    if (node != Trie::kNone) node = trie.step(node, c);
  }
  return node;
}

// Every beginning of every word has a node of its own, every word its value, and no other string a node.
void check_against_map(const std::vector<Trie::Word>& words, std::u32string_view strangers) {
  const Trie trie(words);
  std::map<std::u32string, int32_t> beginnings = {{U"", Trie::kNone}};
  for (const auto& [text, value] : words) {
    for (size_t n = 0; n < text.size(); ++n) beginnings.emplace(text.substr(0, n), Trie::kNone);
    int32_t& known = beginnings.emplace(text, Trie::kNone).first->second;
    if (known == Trie::kNone) known = value;
  }
  std::u32string characters(strangers);
  for (const auto& word : words) characters += word.text;
  std::sort(characters.begin(), characters.end());
  characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
  std::map<int32_t, int> nodes;
  size_t wrong = 0;
  for (const auto& [text, value] : beginnings) {
    const int32_t node = node_of(trie, text);
    REQUIRE(node != Trie::kNone);
    wrong += trie.value(node) != value || nodes[node]++ > 0;
    for (char32_t c : characters)
      wrong += (trie.step(node, c) != Trie::kNone) != beginnings.contains(text + c);
  }
  CHECK(wrong == 0);
}

std::vector<Trie::Word> random_words(uint32_t seed, int32_t count, uint32_t characters, size_t longest) {
  std::mt19937 random(seed);
  std::vector<Trie::Word> words;
  for (int32_t i = 0; i < count; ++i) {
    std::u32string text;
    for (size_t n = random() % (longest + 1); n > 0; --n)
      text += static_cast<char32_t>(random() % characters);
    words.push_back({text, i});
  }
  return words;
}

}  // namespace

TEST_CASE("trie: no words, the empty word, equal words") {
  const Trie none;
  CHECK(none.empty());
  for (char32_t c : {U'\0', U'a', U'\u2581', U'\U0010FFFF'}) CHECK(none.step(Trie::kRoot, c) == Trie::kNone);
  CHECK(Trie({{U"", 3}}).value(Trie::kRoot) == 3);
  const Trie twice({{U"ab", 1}, {U"a", 2}, {U"ab", 3}});
  CHECK_FALSE(twice.empty());
  CHECK(twice.value(node_of(twice, U"ab")) == 1);
  CHECK(twice.value(Trie::kRoot) == Trie::kNone);
}

TEST_CASE("trie: exactly the words and their beginnings, whatever the alphabet") {
  const std::u32string strangers = U"\0\1az\u2581\uFFFF\U0010FFFF";
  check_against_map({{U"\u2581the", 0}, {U"the", 1}, {U"\u2581", 2}, {U"\U0010FFFF\U0010FFFF", 3}},
                    strangers);
  check_against_map(random_words(1, 400, 2, 12), strangers);
  check_against_map(random_words(2, 400, 30, 5), strangers);
  check_against_map(random_words(3, 300, 5000, 2), strangers);
  check_against_map(random_words(4, 300, 0x110000, 3), strangers);
}
