// The unigram model settles a text as it goes; the pieces are those of a search over the whole text at once.
#include "data/text/unigram.h"

#include <random>

#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

// Dynamic programming as it is defined: every piece at every place, and the earliest of equal sums.
std::vector<Token> reference(const std::vector<UnigramPiece>& pieces, const UnigramOptions& o,
                             const std::u32string& text) {
  struct Best {
    double score = 0;
    size_t begin = SIZE_MAX;
    int64_t id = 0;
  };
  std::vector<Best> best(text.size() + 1);
  auto sum = [&](double a, double b) {
    return o.sums_in_float ? double{static_cast<float>(a) + static_cast<float>(b)} : a + b;
  };
  auto offer = [&](size_t begin, size_t end, double score, int64_t id) {
    score = sum(best[begin].score, score);
    if (best[end].begin == SIZE_MAX || score > best[end].score) best[end] = {score, begin, id};
  };
  for (size_t begin = 0; begin < text.size(); ++begin) {
    bool single = false;
    for (size_t end = begin + 1; end <= text.size(); ++end) {
      for (size_t id = 0; id < pieces.size(); ++id) {
        const UnigramPiece& p = pieces[id];
        if (!p.found_in_text || to_utf32(p.text) != text.substr(begin, end - begin)) continue;
        const double chosen = double{static_cast<float>(p.text.size()) * static_cast<float>(o.highest)} - 0.1;
        offer(begin, end, p.user_defined ? chosen : p.score, static_cast<int64_t>(id));
        single = single || end == begin + 1;
      }
    }
    if (!single) offer(begin, begin + 1, o.lowest - 10, o.unknown);
  }
  std::vector<Token> out;
  for (size_t end = text.size(); end > 0; end = best[end].begin) {
    const auto begin = static_cast<uint32_t>(best[end].begin), until = static_cast<uint32_t>(end);
    if (!out.empty() && best[end].id == o.unknown && out.back().id == o.unknown) {
      out.back().begin = begin;
    } else {
      out.push_back({best[end].id, begin, until});
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

void check_random_texts(const std::vector<std::string>& vocabulary, const std::u32string& characters,
                        bool in_float) {
  std::mt19937 random(5);
  std::vector<UnigramPiece> pieces = {{"<unk>", 0, false}};
  UnigramOptions o{.unknown = 0, .lowest = -7, .highest = -1, .sums_in_float = in_float};
  // Sevenths: their sums depend on the type that they are made in.
  for (const std::string& text : vocabulary) pieces.push_back({text, -1 - double(random() % 43) / 7});
  pieces.back().user_defined = true;
  if (in_float)
    for (UnigramPiece& p : pieces) p.score = static_cast<float>(p.score);
  const auto model = make_unigram(pieces, o, "test");
  for (size_t length : {0, 1, 2, 5, 63, 64, 65, 127, 300, 700}) {
    std::u32string text;
    while (text.size() < length) text += characters[random() % characters.size()];
    std::vector<Token> tokens;
    model->encode(to_text(to_utf8(text)), tokens);
    const std::vector<Token> want = reference(pieces, o, text);
    CAPTURE(length);
    REQUIRE(tokens.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      CHECK(tokens[i].id == want[i].id);
      CHECK(tokens[i].begin == want[i].begin);
      CHECK(tokens[i].end == want[i].end);
    }
  }
}

}  // namespace

TEST_CASE("unigram: the best of all ways, with pieces inside of words, across words, and none") {
  const std::string space = "\xE2\x96\x81";
  for (bool in_float : {false, true}) {
    CAPTURE(in_float);
    check_random_texts({space, space + "a", space + "ab", "a", "b", "ab", "abc", "c", "ba", "user"},
                       U"aabbc\u2581", in_float);
    // Pieces that reach over the beginning of a word.
    check_random_texts(
        {space, "a" + space, "b" + space + "a", "a", "b", "ab" + space + "c", "c" + space + "ab"},
        U"aabbc\u2581", in_float);
    // Nowhere a place that none reaches over.
    check_random_texts({"a", "aa", "aaa", "aaaaa", "aaaaaaa"}, U"a", in_float);
    check_random_texts({"ab", "ba", "aba", "bab", "abab"}, U"ab", in_float);
    check_random_texts({"a", "xy"}, U"axyz\U0001F600", in_float);
  }
}

TEST_CASE("unigram: one word without a place to settle at is still taken whole") {
  // All pieces overlap, and the pairs are the better ones: of an odd number of letters the single one that is
  // left over comes first, as the later path must be better, not equal, to be taken.
  const std::vector<UnigramPiece> pieces = {{"<unk>", 0, false}, {"a", -4}, {"aa", -1}};
  const auto model = make_unigram(pieces, {.unknown = 0, .lowest = -4, .highest = -1}, "test");
  const size_t n = 100'001;
  std::vector<Token> tokens;
  model->encode(to_text(std::string(n, 'a')), tokens);
  REQUIRE(tokens.size() == n / 2 + 1);
  size_t singles = 0, at = 0;
  for (const Token& t : tokens) {
    CHECK(t.begin == at);
    singles += t.id == 1;
    at = t.end;
  }
  CHECK(at == n);
  CHECK(singles == 1);
  CHECK(tokens.front().id == 1);
}

TEST_CASE("an unknown character costs ten more than the least likely piece") {
  // "ax" is the least likely piece, and "a" so likely that a penalty of nothing would prefer it before "x".
  const std::vector<UnigramPiece> pieces = {{"<unk>", 0, false}, {"a", 2}, {"ax", -15}};
  for (bool in_float : {false, true}) {
    UnigramOptions o{.unknown = 0, .lowest = -15, .highest = 2, .sums_in_float = in_float};
    const auto model = make_unigram(pieces, o, "test");
    std::vector<Token> tokens;
    model->encode(to_text("axxxa"), tokens);
    REQUIRE(tokens.size() == 3);
    CHECK(tokens[0].id == 2);
    CHECK(tokens[1].id == 0);  // two unknown characters are one token
    CHECK(tokens[1].end == 4);
    CHECK(tokens[2].id == 1);
  }
}
