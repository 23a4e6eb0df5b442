// Ids, offsets and decoded text equal those of the real libraries: tokenizers 0.15.2 with
// transformers 4.36.2, and sentencepiece for spiece.model. tests/golden/tokenizer_ids.py records them.
#include "data/text/tokenizer.h"

#include <ctime>
#include <map>

#include "core/parallel.h"
#include "tests/data/text/corpus.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

using Json = nlohmann::json;

const Json& golden_cases() {
  static const Json cases = Json::parse(file_text(golden_folder() + "/cases.json"));
  return cases;
}

EncodeOptions options_of(const Json& c) {
  EncodeOptions o;
  o.max_length = c.value("max_length", 0);
  const std::string how = c.value("truncation", "longest_first");
  o.truncation = how == "only_first"    ? Truncation::only_first
                 : how == "only_second" ? Truncation::only_second
                                        : Truncation::longest_first;
  return o;
}

void check_case(const std::string& name, const Tokenizer& t, const Json& c) {
  const auto text = c["text"].get<std::string>();
  CAPTURE(name);
  CAPTURE(text);
  if (c.contains("plain_ids")) {
    EncodeOptions plain;
    plain.add_special = false;
    CHECK(t.encode(text, plain).ids == c["plain_ids"].get<std::vector<int64_t>>());
    return;
  }
  const EncodeOptions o = options_of(c);
  const Encoding e = c.contains("pair") ? t.encode(text, c["pair"].get<std::string>(), o) : t.encode(text, o);
  CHECK(e.ids == c["ids"].get<std::vector<int64_t>>());
  CHECK(e.type_ids == c["types"].get<std::vector<int64_t>>());
  CHECK(e.offsets == c["offsets"].get<std::vector<std::pair<int64_t, int64_t>>>());
  std::vector<bool> special;
  for (const auto& s : c["special"]) special.push_back(s.get<int>() == 1);
  CHECK(e.special == special);
  EncodeOptions whole = o;
  whole.max_length = 0;
  const Encoding all =
      c.contains("pair") ? t.encode(text, c["pair"].get<std::string>(), whole) : t.encode(text, whole);
  CHECK(e.truncated == (e.ids.size() < all.ids.size()));
  if (!c.contains("decoded")) return;
  CHECK(t.decode(e.ids) == c["decoded"].get<std::string>());
  CHECK(t.decode(e.ids, false) == c["decoded_all"].get<std::string>());
}

void check_cases(const std::string& name, TokenizerFolders& folders) {
  REQUIRE(golden_cases().contains(name));
  const Tokenizer t = folders.open(name);
  for (const Json& c : golden_cases()[name]) check_case(name, t, c);
}

struct Block {
  std::string name, part;
  uint32_t block = 0;
  uint32_t crc = 0;
};

std::vector<Block> golden_blocks(bool tiny, bool all = false) {
  std::vector<Block> out;
  std::ifstream in(golden_folder() + "/blocks.txt");
  std::string crc;
  for (Block b; in >> b.name >> b.part >> b.block >> crc;) {
    b.crc = static_cast<uint32_t>(std::stoul(crc, nullptr, 16));
    // From U+40000 on no character is assigned but for the tags and variation selectors of plane 14 and
    // private use: the first block of each plane stands for it here, and the parity script compares all.
    const bool sampled = b.part == "points" && b.block >= 0x40000 / kPointsPerBlock && b.block % 8 != 0;
    if (b.name.starts_with("tiny_") == tiny && (all || !sampled)) out.push_back(b);
  }
  return out;
}

// Every block's ids have the recorded hash.
void check_blocks(bool tiny) {
  TokenizerFolders folders;
  const std::vector<Block> blocks = golden_blocks(tiny);
  std::map<std::string, Tokenizer> tokenizers;
  for (const Block& b : blocks) {
    if (!tokenizers.contains(b.name)) tokenizers.emplace(b.name, folders.open(b.name));
  }
  REQUIRE(!tokenizers.empty());
  const TextCorpus corpus;
  std::vector<uint32_t> found(blocks.size());
  parallel_for(static_cast<int64_t>(blocks.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const Block& b = blocks[i];
      auto t = tokenizers.find(b.name);
      if (t == tokenizers.end()) continue;
      found[i] = ids_crc(t->second, b.part == "points" ? corpus.points(b.block) : corpus.strings(b.block));
    }
  });
  int compared = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!tokenizers.contains(blocks[i].name)) continue;
    ++compared;
    CHECK_MESSAGE(found[i] == blocks[i].crc, blocks[i].name
                                                 << " " << blocks[i].part << " " << blocks[i].block
                                                 << " differs; tests/parity/tokenizers.sh says where");
  }
  MESSAGE(compared << " blocks compared");
}

}  // namespace

TEST_CASE(
    "small vocabularies of every family: ids, offsets, types, decoding, truncation as in the reference") {
  TokenizerFolders folders;
  for (const char* name : {"tiny_bert", "tiny_gpt2", "tiny_clip", "tiny_t5", "tiny_t5_json"})
    check_cases(name, folders);
}

TEST_CASE("small vocabularies: generated strings") {
  check_blocks(true);
}

TEST_CASE("published vocabularies: chosen strings") {
  GRAFT_NEEDS_ASSETS();
  TokenizerFolders folders;
  for (const char* name : {"bert_uncased", "bert_cased", "gpt2", "roberta", "clip", "t5"})
    check_cases(name, folders);
}

TEST_CASE("published vocabularies: every code point, and 100,000 generated strings") {
  GRAFT_NEEDS_ASSETS();
  check_blocks(false);
}

// Of ids no difference is known. Of offsets these are.
TEST_CASE("published vocabularies: where offsets differ from the reference's, and why") {
  GRAFT_NEEDS_ASSETS();
  using Offsets = std::vector<std::pair<int64_t, int64_t>>;
  struct Difference {
    const char *name, *text, *reason;
    Offsets reference, ours;
  };
  const std::vector<Difference> differences = {
      {"clip",
       "l\u0130\u0300\u0323",
       "U+0130 is taken apart, its mark sorted behind another one and left there; the reference goes on "
       "counting, "
       "graft names the character that each mark came from",
       {{0, 1}, {1, 2}, {1, 2}, {1, 2}, {2, 3}, {2, 3}, {3, 4}, {3, 4}},
       {{0, 1}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {2, 3}, {2, 3}}},
      {"t5",
       "v \u00bd",
       "one character becomes several pieces; sentencepiece gives all but the last an empty part of the "
       "text, graft "
       "gives each the whole character",
       {{0, 0}, {0, 1}, {1, 2}, {2, 2}, {2, 3}},
       {{0, 0}, {0, 1}, {1, 3}, {2, 3}, {2, 3}}}};
  TokenizerFolders folders;
  EncodeOptions plain;
  plain.add_special = false;
  for (const Difference& d : differences) {
    CAPTURE(d.reason);
    CHECK(folders.open(d.name).encode(d.text, plain).offsets == d.ours);
    CHECK(d.ours != d.reference);
  }
}

// For tests/parity/tokenizers.sh: the ids of each block that differs, a line a string, in the folder
// GRAFT_PARITY.
TEST_CASE("tokenizers: write the blocks that differ" * doctest::skip()) {
  GRAFT_NEEDS_ASSETS();
  REQUIRE(!env::parity().empty());
  std::map<std::string, Tokenizer> tokenizers;
  TokenizerFolders folders;
  const TextCorpus corpus;
  EncodeOptions plain;
  plain.add_special = false;
  for (const Block& b : golden_blocks(false, true)) {
    if (!tokenizers.contains(b.name)) tokenizers.emplace(b.name, folders.open(b.name));
    const Tokenizer& t = tokenizers.at(b.name);
    const auto texts = b.part == "points" ? corpus.points(b.block) : corpus.strings(b.block);
    if (ids_crc(t, texts) == b.crc) continue;
    std::ofstream file(str(env::parity(), "/", b.name, " ", b.part, " ", b.block));
    for (const std::string& text : texts) {
      for (int64_t id : t.encode(text, plain).ids) file << id << ' ';
      file << '\n';
    }
  }
}

// For the same script: the ids of each line of sentences.txt in GRAFT_PARITY, by each published vocabulary.
TEST_CASE("tokenizers: write the ids of sentences" * doctest::skip()) {
  GRAFT_NEEDS_ASSETS();
  REQUIRE(!env::parity().empty());
  TokenizerFolders folders;
  EncodeOptions plain;
  plain.add_special = false;
  for (const char* name : {"bert_uncased", "bert_cased", "gpt2", "roberta", "clip", "t5"}) {
    const Tokenizer t = folders.open(name);
    std::ifstream in(env::parity() + "/sentences.txt");
    std::ofstream out(str(env::parity(), "/sentences ", name));
    for (std::string line; std::getline(in, line);) {
      std::string row;
      for (int64_t id : t.encode(line, plain).ids) row += str(row.empty() ? "" : " ", id);
      out << row << '\n';
    }
  }
}

TEST_CASE("K1: text that is not UTF-8 is read as Python's decode with replacement reads it") {
  TokenizerFolders folders;
  const std::string r = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"a\x80z", "a" + r + "z"},                          // stray continuation
      {"a\xC0\xAFz", "a" + r + r + "z"},                  // overlong
      {"a\xE0\x80\xAFz", "a" + r + r + r + "z"},          // overlong
      {"a\xED\xA0\x80z", "a" + r + r + r + "z"},          // surrogate
      {"a\xF4\x90\x80\x80z", "a" + r + r + r + r + "z"},  // above U+10FFFF
      {"a\xE2\x82", "a" + r},                             // cut off
      {"a\xF0\x9F\x91z", "a" + r + "z"},                  // cut off inside
      {"a\xFFz", "a" + r + "z"}};
  for (const char* name : {"tiny_bert", "tiny_gpt2", "tiny_clip", "tiny_t5"}) {
    const Tokenizer t = folders.open(name);
    for (const auto& [bytes, replaced] : rows) {
      CAPTURE(name);
      CHECK(t.encode(bytes) == t.encode(replaced));
    }
    CHECK(t.encode(std::string("a\0b", 3)).ids.size() >= 2);
    CHECK_NOTHROW(t.encode("\xEF\xBB\xBF"));
  }
}

TEST_CASE("K2: time is linear, whatever the text") {
  TokenizerFolders folders;
  const size_t size = 1'000'000;
  auto repeated = [&](const std::string& part) {
    std::string out;
    while (out.size() < size) out += part;
    return out;
  };
  const std::vector<std::pair<const char*, std::string>> texts = {
      {"spaces", repeated(" ")},
      {"one word", repeated("a")},
      {"letters", repeated("etaoinshrdlu")},
      {"apostrophes", repeated("'s 'll're'")},
      {"ideographs", repeated("中文")},
      {"combining marks", repeated("\xCC\x81\xCC\xA3")},
      {"joined", repeated("👨\u200d")},
      {"special tokens", repeated("<|endoftext|>[MASK]")}};
  auto seconds = [](const std::function<void()>& f) {
    const std::clock_t start = std::clock();
    f();
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  double slowest = 0;
  for (const char* name : {"tiny_bert", "tiny_gpt2", "tiny_clip", "tiny_t5", "tiny_t5_json"}) {
    const Tokenizer t = folders.open(name);
    for (const auto& [what, text] : texts) {
      CAPTURE(name);
      CAPTURE(what);
      std::vector<int64_t> ids;
      const double encode = seconds([&] { ids = t.encode(text).ids; });
      const double decode = seconds([&] { t.decode(ids, false); });
      slowest = std::max({slowest, encode, decode});
      CHECK(encode < 2);  // a quadratic step would take minutes
      CHECK(decode < 2);
    }
  }
  MESSAGE("slowest: " << slowest << " s of processor time for 1 MB");
}

TEST_CASE("K11: a run of 100,000 combining marks") {
  TokenizerFolders folders;
  const int64_t n = 100'000;
  std::string marks;
  for (int64_t i = 0; i < n; ++i)
    marks += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";  // U+0301 above, U+0323 below
  EncodeOptions plain;
  plain.add_special = false;
  // BERT strips them all. GPT-2 takes bytes as they come.
  const Tokenizer bert = folders.open("tiny_bert"), gpt2 = folders.open("tiny_gpt2"),
                  clip = folders.open("tiny_clip");
  CHECK(bert.encode("a" + marks, plain).ids == bert.encode("a", plain).ids);
  CHECK((gpt2.decode(gpt2.encode("a" + marks).ids) == "a" + marks));
  // CLIP composes first: those below come before those above, and the first of them joins the letter,
  // which is a word by itself.
  std::string composed = "\u1EA1 ";
  for (int64_t i = 1; i < n / 2; ++i) composed += "\xCC\xA3";
  for (int64_t i = 0; i < n / 2; ++i) composed += "\xCC\x81";
  CHECK((clip.decode(clip.encode("a" + marks).ids) == composed));
}

TEST_CASE("K12: the empty text, only spaces, too long a text") {
  TokenizerFolders folders;
  for (const char* name : {"tiny_bert", "tiny_gpt2", "tiny_clip", "tiny_t5"}) {
    const Tokenizer t = folders.open(name);
    CAPTURE(name);
    EncodeOptions plain;
    plain.add_special = false;
    CHECK(t.encode("", plain).ids.empty());
    const size_t added = t.encode("").ids.size();
    EncodeOptions o;
    o.max_length = static_cast<int64_t>(added) + 3;
    const Encoding e = t.encode("a a a a a a a a a a a a", o);
    CHECK(e.ids.size() == added + 3);
    CHECK(e.truncated);
    o.max_length = static_cast<int64_t>(added);
    CHECK(added == t.encode("", o).ids.size());
    if (added > 0) {
      o.max_length = static_cast<int64_t>(added) - 1;
      if (o.max_length > 0) check_throws<UsageError>([&] { t.encode("a", o); }, {"leaves no room"});
    }
    o.max_length = -1;
    check_throws<UsageError>([&] { t.encode("a", o); }, {"negative"});
  }
}

TEST_CASE("K13: a vocabulary that is larger than the embedding") {
  TokenizerFolders folders;
  const Tokenizer t = folders.open("tiny_bert");
  CHECK_NOTHROW(t.require_rows(t.vocab_size(), "model"));
  check_throws<DataError>([&] { t.require_rows(t.vocab_size() - 1, "model.safetensors"); },
                          {"model.safetensors", "30 rows", "31 tokens", "\"x\""});
}

TEST_CASE("windows cover the text, with the stride in common") {
  TokenizerFolders folders;
  const Tokenizer t = folders.open("tiny_bert");
  const std::string context = "the a b un t i 0 1 the a b";
  EncodeOptions o;
  o.max_length = 10;
  o.stride = 2;
  o.truncation = Truncation::only_second;
  const std::vector<Encoding> all = t.windows("a b", context, o);
  EncodeOptions plain;
  plain.add_special = false;
  const std::vector<int64_t> whole = t.encode(context, plain).ids;
  std::vector<int64_t> joined;
  for (size_t w = 0; w < all.size(); ++w) {
    CHECK(all[w].ids.size() <= 10);
    size_t seen = 0;
    for (size_t i = 0; i < all[w].ids.size(); ++i) {
      if (all[w].sequence[i] != 1) continue;
      if (w == 0 || seen >= 2) joined.push_back(all[w].ids[i]);
      ++seen;
    }
  }
  CHECK(joined == whole);
  CHECK(all.size() == 3);
  o.stride = 5;
  check_throws<UsageError>([&] { t.windows("a b", context, o); }, {"stride 5"});
  o.truncation = Truncation::longest_first;
  check_throws<UsageError>([&] { t.windows("a b", context, o); }, {"only_first or only_second"});
}

TEST_CASE("padding, on either side") {
  TokenizerFolders folders;
  const Tokenizer t = folders.open("tiny_bert");
  const std::vector<Encoding> batch = {t.encode("the a"), t.encode("a"), t.encode("")};
  const PaddedBatch right = t.pad(batch);
  CHECK(right.ids.shape() == Shape{3, 4});
  CHECK(right.lengths == std::vector<int64_t>{4, 3, 2});
  const auto ids = right.ids.span<int64_t>(), mask = right.mask.span<int64_t>();
  CHECK(std::vector<int64_t>(ids.begin(), ids.end()) ==
        std::vector<int64_t>{2, 5, 6, 3, 2, 6, 3, 0, 2, 3, 0, 0});
  CHECK(std::vector<int64_t>(mask.begin(), mask.end()) ==
        std::vector<int64_t>{1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0});
  const PaddedBatch left = t.pad(batch, {.length = 5, .left = true});
  CHECK(left.ids.shape() == Shape{3, 5});
  CHECK(left.ids.span<int64_t>()[0] == 0);
  CHECK(left.mask.span<int64_t>()[14] == 1);
  CHECK(t.pad({}).ids.shape() == Shape{0, 0});
}
