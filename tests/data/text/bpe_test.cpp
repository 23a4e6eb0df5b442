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
