// Byte-level BPE with what only some files ask for.
#include "tests/data/text/corpus.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

TEST_CASE("BPE: a word that is a token is taken whole where the file says so, and merged where it does not") {
  nlohmann::json vocab = nlohmann::json::object();
  int64_t id = 0;
  for (const char* token : {"a", "b", "c", "ab", "bc", "abc"}) vocab[token] = id++;
  TempDir dir;
  auto ids = [&](const nlohmann::json& ignore_merges, const std::string& text) {
    nlohmann::json model = {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"b c"}}};
    if (!ignore_merges.is_null()) model["ignore_merges"] = ignore_merges;
    nlohmann::json file = {{"version", "1.0"},
                           {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                           {"decoder", {{"type", "ByteLevel"}}},
                           {"model", model}};
    std::ofstream(dir / "tokenizer.json") << file.dump();
    return open_tokenizer(dir.path()).encode(text).ids;
  };
  using Ids = std::vector<int64_t>;
  // No merges lead to "ab" and "abc".
  CHECK(ids(true, "abc") == Ids{5});
  CHECK(ids(true, "ab") == Ids{3});
  CHECK(ids(true, "abcb") == Ids{0, 4, 1});
  for (const nlohmann::json& no : {nlohmann::json(false), nlohmann::json()}) {
    CHECK(ids(no, "abc") == Ids{0, 4});
    CHECK(ids(no, "ab") == Ids{0, 1});
  }
}

TEST_CASE("GPT-2's words: contractions are words of their own in lower case only") {
  TempDir dir;
  std::ofstream(dir / "vocab.json")
      << R"({"'":0,"s":1,"S":2,"x":3,"'s":4,"'S":5,"sx":6,"Sx":7,"t":8,"T":9,"'t":10,"'T":11,"<|endoftext|>":12})";
  std::ofstream(dir / "merges.txt") << "s x\nS x\n' s\n' S\n' t\n' T\n";
  Tokenizer t = open_tokenizer(dir.path());
  using Ids = std::vector<int64_t>;
  CHECK(t.encode("'sx").ids == Ids{4, 3});  // 's and x
  CHECK(t.encode("'Sx").ids == Ids{0, 7});  // ' and Sx
  CHECK(t.encode("'t").ids == Ids{10});
  CHECK(t.encode("'T").ids == Ids{0, 9});
}

TEST_CASE("BPE: a line of merges.txt is two tokens, and one with more spaces is refused") {
  TempDir dir;
  std::ofstream(dir / "vocab.json") << R"({"a":0,"b":1,"c":2,"ab":3,"abc":4,"<|endoftext|>":5})";
  for (const char* line : {"a b c", "ab  c", " a b", "a b "}) {
    CAPTURE(line);
    std::ofstream(dir / "merges.txt") << "a b\n" << line << "\n";
    check_throws<DataError>([&] { open_tokenizer(dir.path()); }, {"merges.txt, line 2", "two tokens"});
  }
}
