// Tokenizer files that are refused: the K rows of the bad-input table, each with a message of its own; and
// every small change of a good file is answered by a DataError or by a tokenizer that works.
#include <cmath>
#include <filesystem>
#include <limits>

#include "data/text/unigram.h"
#include "tests/data/text/corpus.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

using Json = nlohmann::json;
using Files = std::map<std::string, std::string>;

void write(const std::string& folder, const Files& files) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  for (const auto& [name, bytes] : files) std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
}

Tokenizer opened(const Files& files) {
  TempDir temp;
  write(temp / "model", files);
  return open_tokenizer(temp / "model");
}

// DataError that names the file and has all parts.
void refuses(const std::string& row, const Files& files, std::vector<std::string> parts) {
  INFO("row " << row);
  TempDir temp;
  write(temp / "model", files);
  parts.push_back(temp / "model");
  check_throws<DataError>([&] { open_tokenizer(temp / "model"); }, parts);
}

Files golden(const std::string& name) {
  Files files;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder() + "/" + name))
    files[entry.path().filename().string()] = file_text(entry.path().string());
  return files;
}

// A file of tokenizer.json with one thing changed.
Files changed(const std::function<void(Json&)>& change, const std::string& name = "tiny_t5_json") {
  Json json = Json::parse(golden(name).at("tokenizer.json"));
  change(json);
  return {{"tokenizer.json", json.dump()}};
}

// A small byte-level BPE in the form of tokenizer.json.
Json small_bpe() {
  Json vocab = Json::object();
  int64_t id = 0;
  for (const char* token : {"a", "b", "c", "ab", "abc", "<|endoftext|>"}) vocab[token] = id++;
  return {{"version", "1.0"},
          {"added_tokens", {{{"id", 5}, {"content", "<|endoftext|>"}, {"special", true}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b", "ab c"}}}}};
}
Files bpe_with(const std::function<void(Json&)>& change) {
  Json json = small_bpe();
  change(json);
  return {{"tokenizer.json", json.dump()}};
}

// Protocol Buffers by hand.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(static_cast<unsigned char>(value | 128));
  return out + static_cast<char>(value);
}
std::string text_field(uint64_t field, const std::string& bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string piece(const std::string& text, float score, uint64_t type = 1) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &score, 4);
  return text_field(1, text_field(1, text) + varint(2 << 3 | 5) + bytes + varint(3 << 3) + varint(type));
}
std::string u32(uint32_t value) {
  std::string bytes(4, '\0');
  for (size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return bytes;
}
const std::string kSpecialPieces = piece("<pad>", 0, 3) + piece("</s>", 0, 3) + piece("<unk>", 0, 2);
Files sentence_piece(const std::string& more, const std::string& special = kSpecialPieces) {
  return {{"spiece.model", special + piece("\xE2\x96\x81", -1) + piece("a", -2) + more}};
}
// A double array of these units with the results "b\0".
Files with_charsmap(std::vector<uint32_t> units, size_t size = 512,
                    const std::string& results = std::string("b\0", 2)) {
  units.resize(size);
  std::string array;
  for (uint32_t unit : units) array += u32(unit);
  return sentence_piece(
      text_field(3, text_field(2, u32(static_cast<uint32_t>(array.size())) + array + results)));
}

const std::string kVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n";

}  // namespace

TEST_CASE("K3, K4: merges and ids") {
  CHECK(opened({{"tokenizer.json", small_bpe().dump()}}).encode("abcab").ids == std::vector<int64_t>{4, 3});
  refuses("K3", bpe_with([](Json& j) {
            j["model"]["merges"] = {"a b", "ab c", "abc ab"};
          }),
          {"merge 3", "abc ab", "result", "not in the vocabulary"});
  refuses("K4 left", bpe_with([](Json& j) { j["model"]["merges"][0] = "x b"; }),
          {"merge 1", "left side", "\"x\""});
  refuses("K4 right", bpe_with([](Json& j) { j["model"]["merges"][0] = "a x"; }),
          {"merge 1", "right side", "\"x\""});
  refuses("K4 twice", bpe_with([](Json& j) { j["model"]["merges"].push_back("a b"); }), {"merge 3", "twice"});
  refuses("K4 three", bpe_with([](Json& j) { j["model"]["merges"][0] = "a b c"; }),
          {"merge 1", "not two tokens"});
  refuses("K4 gap", bpe_with([](Json& j) { j["model"]["vocab"]["c"] = 7; }),
          {"no token has the id 2", "one has 7"});
  refuses("K4 negative", bpe_with([](Json& j) { j["model"]["vocab"]["c"] = -1; }), {"\"c\"", "the id -1"});
  refuses("K4 2^31", bpe_with([](Json& j) { j["model"]["vocab"]["c"] = int64_t{1} << 31; }),
          {"\"c\"", "2147483648"});
  refuses("K4 2^64", bpe_with([](Json& j) { j["model"]["vocab"]["c"] = UINT64_MAX; }),
          {"\"c\"", "not an integer"});
  refuses("K4 fraction", bpe_with([](Json& j) { j["model"]["vocab"]["c"] = 2.5; }),
          {"\"c\"", "not an integer"});
  refuses("K4 shared", bpe_with([](Json& j) { j["model"]["vocab"]["c"] = 1; }),
          {"\"b\" and \"c\"", "share the id 1"});
  refuses("K4 added", bpe_with([](Json& j) { j["added_tokens"][0]["id"] = 4; }),
          {"<|endoftext|>", "the id 4", "but 5"});
  refuses("K4 key twice", {{"vocab.json", "{\"a\":0,\"a\":1}"}, {"merges.txt", ""}}, {"\"a\"", "twice"});
  refuses("K4 no object", {{"vocab.json", "[1]"}, {"merges.txt", ""}}, {"not an object"});
  refuses("K4 no family", {{"vocab.json", "{\"a\":0}"}, {"merges.txt", ""}}, {"<|endoftext|>", "bos_token"});
  refuses("K4 merges file", {{"vocab.json", "{\"a\":0,\"<|endoftext|>\":1}"}}, {"merges.txt"});
}

TEST_CASE("K5: regular expressions, and parts that no family uses, are refused by name") {
  auto splits = [](const std::string& regex) {
    return bpe_with([&](Json& j) {
      j["pre_tokenizer"] = {{"type", "Sequence"},
                            {"pretokenizers",
                             {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}},
                              {{"type", "ByteLevel"}}}}};
    });
  };
  refuses("K5 split", splits("(a+)+"), {"(a+)+", "not supported"});
  refuses("K5 replace", bpe_with([](Json& j) {
            j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"content", ""}};
          }),
          {"regular expression", "(a+)+$", "not supported"});
  auto part = [](const char* field, const char* type) {
    return bpe_with([&](Json& j) { j[field] = {{"type", type}}; });
  };
  refuses("K5 normalizer", part("normalizer", "Nmt"), {"normalizer \"Nmt\"", "not supported"});
  refuses("K5 pre-tokenizer", part("pre_tokenizer", "UnicodeScripts"),
          {"\"UnicodeScripts\"", "not supported"});
  refuses("K5 post-processor", part("post_processor", "Odd"), {"post-processor \"Odd\"", "not supported"});
  refuses("K5 decoder", part("decoder", "CTC"), {"decoder \"CTC\"", "not supported"});
  refuses("K5 model", bpe_with([](Json& j) { j["model"]["type"] = "WordLevel"; }),
          {"\"WordLevel\"", "not supported"});
  refuses("K5 dropout", bpe_with([](Json& j) { j["model"]["dropout"] = 0.1; }), {"dropout", "not supported"});
  refuses("K5 characters", bpe_with([](Json& j) {
            j["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
          }),
          {"BPE over characters", "not supported"});
}

TEST_CASE("K6: limits, templates and charsmaps that make no sense") {
  refuses("K6 stride", changed([](Json& j) {
            j["truncation"] = {
                {"max_length", 8}, {"stride", 8}, {"strategy", "LongestFirst"}, {"direction", "Right"}};
          }),
          {"stride 8", "max_length 8"});
  refuses("K6 length", changed([](Json& j) { j["truncation"] = {{"max_length", 0}}; }), {"max_length is 0"});
  refuses("K6 fixed", changed([](Json& j) {
            j["padding"] = {{"strategy", {{"Fixed", 0}}}};
          }),
          {"fixed length of 0"});
  refuses("K6 multiple", changed([](Json& j) {
            j["padding"] = {{"strategy", "BatchLongest"}, {"pad_to_multiple_of", 0}};
          }),
          {"pad_to_multiple_of is 0"});
  refuses("K6 pad", changed([](Json& j) {
            j["padding"] = {{"strategy", "BatchLongest"}, {"pad_id", 1 << 20}};
          }),
          {"pad_id 1048576"});
  refuses("K6 token", changed([](Json& j) { j["post_processor"]["special_tokens"].erase("</s>"); }),
          {"</s>", "special_tokens does not have"});
  refuses("K6 id", changed([](Json& j) { j["post_processor"]["special_tokens"]["</s>"]["ids"] = {1 << 20}; }),
          {"</s>", "1048576"});
  refuses("K6 no text", changed([](Json& j) { j["post_processor"]["single"].erase(0); }),
          {"\"single\"", "A once"});
  refuses("K6 base64", changed([](Json& j) {
            j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAA*"}};
          }),
          {"not base64"});
  refuses("K6 charsmap", changed([](Json& j) {
            j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "////fwAAAAAA"}};
          }),
          {"precompiled_charsmap", "an array of 2147483647 bytes"});
}

TEST_CASE("K7: byte tokens") {
  std::string bytes;
  const char* hex = "0123456789ABCDEF";
  for (int b = 0; b < 256; ++b) bytes += piece(std::string("<0x") + hex[b / 16] + hex[b % 16] + ">", 0, 6);
  const std::string fallback = text_field(2, varint(35 << 3) + varint(1));
  const Tokenizer t = opened(sentence_piece(bytes + fallback));
  EncodeOptions plain;
  plain.add_special = false;
  CHECK(t.encode("a\xC3\xA9", plain).ids == std::vector<int64_t>{3, 4, 5 + 0xC3, 5 + 0xA9});
  for (const char* bad : {"<0x-1>", "<0xZZ>", "<0x100>", "<0x0>", "<0xff>", "0x00"})
    refuses(str("K7 ", bad), sentence_piece(piece(bad, 0, 6)), {"of type byte", bad});
  refuses("K7 missing", sentence_piece(bytes.substr(piece("<0x00>", 0, 6).size()) + fallback),
          {"no token for byte 0"});
}

TEST_CASE("K8: scores, and the unknown piece") {
  auto vocab = [](const std::function<void(Json&)>& change) {
    return changed([&](Json& j) { change(j["model"]); });
  };
  refuses("K8 short", vocab([](Json& m) { m["vocab"][7] = {"x"}; }), {"piece 7", "not [text, score]"});
  refuses("K8 text", vocab([](Json& m) { m["vocab"][7] = {"x", "y"}; }), {"piece 7", "not [text, score]"});
  refuses("K8 no unk", vocab([](Json& m) { m.erase("unk_id"); }), {"the unknown token is number -1"});
  refuses("K8 unk outside", vocab([](Json& m) { m["unk_id"] = 1 << 20; }),
          {"the unknown token is number 1048576"});
  refuses("K8 NaN", sentence_piece(piece("b", std::nanf(""))), {"\"b\"", "not a finite number"});
  refuses("K8 inf", sentence_piece(piece("b", -std::numeric_limits<float>::infinity())), {"\"b\"", "finite"});
  refuses("K8 spm no unk", sentence_piece("", piece("<pad>", 0, 3) + piece("</s>", 0, 3)),
          {"no piece stands for"});
  refuses("K8 spm two unk", sentence_piece(piece("<unk2>", 0, 2)), {"pieces 2 and 5", "unknown"});
  refuses("K8 empty", sentence_piece(piece("", -1)), {"piece 5 is empty"});
  refuses("K8 twice", sentence_piece(piece("a", -1)), {"\"a\"", "twice"});
}

TEST_CASE("K9: the double array of a charsmap") {
  // Unit 0 has its children at 256; unit 256 ^ 'a' is the child for 'a', a leaf whose value is at its
  // children.
  auto unit = [](uint32_t offset, uint32_t label, bool leaf) {
    return offset << 10 | (leaf ? 0x100u : 0u) | label;
  };
  std::vector<uint32_t> good(512);
  good[0] = unit(256, 0, false);
  good[256 ^ 'a'] = unit((256 ^ 'a') ^ 0, 'a', true);  // its children stand at 0
  good[256 ^ 'a'] = unit(256, 'a', true);
  good[(256 ^ 'a') ^ 256] = 0x80000000u | 0;  // the value 0: "b"
  const Tokenizer t = opened(with_charsmap(good));
  CHECK(t.encode("a").ids == std::vector<int64_t>{3, 2, 1});  // became b, which is unknown
  auto outside = good;
  outside[0] = unit(1 << 20, 0, false);
  refuses("K9 outside", with_charsmap(outside), {"unit 0", "outside of its 512 units"});
  auto value = good;
  value[(256 ^ 'a') ^ 256] = 0x80000000u | 1000;
  refuses("K9 value", with_charsmap(value), {"names the string at 1000", "none begins"});
  auto cycle = good;
  cycle[256 ^ 'a'] = unit(256 ^ (256 ^ 'a'), 'a', false) ^ (uint32_t{256 ^ 'a'} << 10);
  cycle[256 ^ 'a'] = unit((256 ^ 'a') ^ 256, 'a', false);
  refuses("K9 cycle", with_charsmap(cycle), {"leads back to itself"});
  refuses("K9 no end", with_charsmap(good, 512, "b"), {"no end"});
  refuses("K9 not UTF-8", with_charsmap(good, 512, std::string("\xFF\0", 2)), {"not UTF-8"});
  refuses("K9 short", sentence_piece(text_field(3, text_field(2, "abc"))), {"3 bytes"});
}

TEST_CASE("K10: vocab.txt and merges.txt as people save them") {
  const Files good = {{"vocab.txt", kVocab}};
  const Encoding want = opened(good).encode("a b c");
  CHECK(want.ids == std::vector<int64_t>{2, 4, 5, 1, 3});
  CHECK(opened({{"vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\nb\r\n"}}).encode("a b c") == want);
  CHECK(opened({{"vocab.txt", "\xEF\xBB\xBF" + kVocab}}).encode("a b c") == want);
  CHECK(opened({{"vocab.txt", kVocab.substr(0, kVocab.size() - 1)}}).encode("a b c") == want);
  CHECK(opened({{"vocab.txt", kVocab + "\n\n"}}).encode("a b c") == want);
  refuses("K10 empty line", {{"vocab.txt", "[PAD]\n\n[UNK]\n"}}, {"line 2", "empty"});
  refuses("K10 twice", {{"vocab.txt", kVocab + "a\n"}}, {"\"a\"", "twice"});
  refuses("K10 no UNK", {{"vocab.txt", "[PAD]\n[CLS]\n[SEP]\na\n"}}, {"[UNK]"});
  refuses("K10 no CLS", {{"vocab.txt", "[PAD]\n[UNK]\n[SEP]\na\n"}}, {"[CLS]"});
  refuses("K10 UTF-8", {{"vocab.txt", kVocab + "\xFF\n"}}, {"line 7", "\\xff", "not UTF-8"});
  refuses("K10 nothing", {{"vocab.txt", ""}}, {"empty"});

  const std::string vocab = "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}";
  for (const char* merges : {"#version: 0.2\na b\n", "a b\n", "\xEF\xBB\xBF#version: 0.2\r\na b\r\n", "a b"})
    CHECK(opened({{"vocab.json", vocab}, {"merges.txt", merges}}).encode("ab").ids ==
          std::vector<int64_t>{2});
  refuses("K10 merge", {{"vocab.json", vocab}, {"merges.txt", "a b\nab\n"}},
          {"merges.txt, line 2", "\"ab\""});
  refuses("K10 merge empty", {{"vocab.json", vocab}, {"merges.txt", "a b\n\na b\n"}}, {"merges.txt, line 2"});
  refuses("K10 no tokenizer", {{"README.md", "x"}}, {"no tokenizer here", "spiece.model"});
}

TEST_CASE("K14: a SentencePiece file that is damaged") {
  CHECK(opened(sentence_piece("")).encode("a").ids == std::vector<int64_t>{3, 4, 1});
  const std::string eleven(11, '\xFF');
  refuses("K14 cut", sentence_piece(text_field(1, "abc").substr(0, 3)), {"of 3 bytes, but only 1 are left"});
  refuses("K14 varint", sentence_piece(eleven), {"more than 64 bits"});
  refuses("K14 varint cut", sentence_piece("\xFF"), {"ends inside of a number"});
  refuses("K14 length", sentence_piece(varint(1 << 3 | 2) + varint(uint64_t{1} << 40)),
          {"1099511627776 bytes"});
  refuses("K14 group", sentence_piece(varint(1 << 3 | 3)), {"a group"});
  refuses("K14 end group", sentence_piece(varint(1 << 3 | 4)), {"a group"});
  refuses("K14 wire 7", sentence_piece(varint(1 << 3 | 7)), {"wire type 7"});
  refuses("K14 field 0", sentence_piece(varint(2)), {"field number 0"});
  refuses("K14 type", sentence_piece(varint(1 << 3) + varint(1)), {"field 1 has the wire type 0"});
  refuses("K14 piece type", sentence_piece(piece("b", -1, 9)), {"piece type 9"});
  refuses("K14 UTF-8", sentence_piece(piece("\xFF", -1)), {"\\xff", "not UTF-8"});
  refuses("K14 other model", sentence_piece(text_field(2, varint(3 << 3) + varint(2))), {"model type 2"});
  refuses("K14 empty", {{"spiece.model", ""}}, {"no pieces"});
  // A field that nobody reads may nest as deep as it likes: it is passed over by its length.
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep = text_field(4, deep);
  CHECK_NOTHROW(opened(sentence_piece(deep)));
}

TEST_CASE("JSON files: depth, damage, fields of the wrong type") {
  refuses("deep", {{"tokenizer.json", std::string(100000, '[')}}, {"nested deeper than 64"});
  refuses("deep object",
          {{"tokenizer.json", "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"}}, {"nested"});
  refuses("cut", {{"tokenizer.json", "{\"model\": {"}}, {"no valid JSON at byte"});
  refuses("list", {{"tokenizer.json", "[]"}}, {"not a JSON object"});
  refuses("no model", {{"tokenizer.json", "{}"}}, {"\"model\" is missing"});
  refuses("flag", bpe_with([](Json& j) { j["added_tokens"][0]["special"] = 1; }),
          {"\"special\" is not true or false"});
  refuses("config", {{"vocab.txt", kVocab}, {"tokenizer_config.json", "{\"do_lower_case\":\"yes\"}"}},
          {"do_lower_case"});
}

namespace {

// What a damaged tokenizer must still do: any text, and back.
void use(const Tokenizer& t) {
  for (const char* text :
       {"", "Hello, the caf\xC3\xA9 \xEF\xAC\x81 <|endoftext|>[MASK]</s>", "\xFF\xF0\x9F\x91\xA8 ab"}) {
    const Encoding e = t.encode(text);
    const size_t n = e.ids.size();
    const auto length = static_cast<int64_t>(character_starts(text).size()) - 1;
    bool sound =
        n == e.type_ids.size() && n == e.offsets.size() && n == e.special.size() && n == e.sequence.size();
    for (size_t i = 0; i < n; ++i) {
      sound = sound && e.ids[i] >= 0 && e.ids[i] < t.vocab_size() && e.offsets[i].first >= 0 &&
              e.offsets[i].first <= e.offsets[i].second && e.offsets[i].second <= length;
    }
    CHECK(sound);
    CHECK(is_utf8(t.decode(e.ids, false)));
  }
}

struct Tally {
  int files = 0, refused = 0, opened = 0;
};

// Single-byte changes, cuts and doubled parts of one file; the others stay. About `count` of them, spread
// evenly.
Tally sweep(const std::string& name, const std::string& file, size_t count) {
  TempDir temp;
  Files files = golden(name);
  const std::string seed = files.at(file), folder = temp / "model";
  write(folder, files);
  Tally tally;
  auto answer = [&](const std::string& bytes, const std::string& what) {
    std::ofstream(folder + "/" + file, std::ios::binary) << bytes;
    ++tally.files;
    try {
      use(open_tokenizer(folder));
      ++tally.opened;
    } catch (const DataError& e) {
      ++tally.refused;
      if (!std::string(e.what()).starts_with(folder))
        FAIL_CHECK(name << " " << file << ", " << what << ": " << e.what());
    } catch (const std::exception& e) {
      FAIL_CHECK(name << " " << file << ", " << what << " ends with another error: " << e.what());
    }
  };
  const size_t step = std::max<size_t>(1, seed.size() * 5 / count);
  for (size_t i = 0; i < seed.size(); i += step) {
    for (unsigned char change : {0x01, 0x80, 0xFF}) {
      std::string bytes = seed;
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ change);
      answer(bytes, str("byte ", i, " ^ ", int{change}));
    }
    answer(seed.substr(0, i), str("the first ", i, " bytes"));
    answer(seed.substr(0, i) + seed.substr(std::min(i + 7, seed.size())), str("7 bytes gone at ", i));
  }
  MESSAGE(name << " " << file << ": " << tally.files << " files, " << tally.refused << " refused, "
               << tally.opened << " opened");
  return tally;
}

}  // namespace

TEST_CASE("mutations: every damaged tokenizer file is refused, or works") {
  const std::vector<std::pair<std::string, std::string>> seeds = {
      {"tiny_bert", "vocab.txt"},  {"tiny_gpt2", "vocab.json"}, {"tiny_gpt2", "merges.txt"},
      {"tiny_clip", "vocab.json"}, {"tiny_t5", "spiece.model"}, {"tiny_t5_json", "tokenizer.json"}};
  for (const auto& [name, file] : seeds) {
    const Tally t = sweep(name, file, 1500);
    CHECK(t.files == t.refused + t.opened);
    CHECK(t.refused > 0);
  }
}
