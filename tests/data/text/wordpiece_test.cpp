// WordPiece's limit on the length of a word.
#include "tests/data/text/corpus.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

TEST_CASE("WordPiece: a word of more than 100 characters is unknown, whatever it is made of") {
  TempDir dir;
  std::ofstream(dir / "vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\n\xC3\xB8\n##\xC3\xB8\n";
  Tokenizer t = open_tokenizer(dir.path());
  EncodeOptions plain;
  plain.add_special = false;
  for (const char* letter : {"a", "\xC3\xB8"}) {  // counted in characters, not in bytes
    std::string word;
    for (int i = 0; i < 100; ++i) word += letter;
    CHECK(t.encode(word, plain).ids.size() == 100);
    CHECK(t.encode(word + letter, plain).ids == std::vector<int64_t>{1});
    CHECK(t.encode(word + letter + " a", plain).ids == std::vector<int64_t>{1, 4});
  }
}
