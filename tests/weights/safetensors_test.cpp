// Rows S1 to S36 of the table of bad input: safetensors files. A row that the reference accepts and graft
// refuses is one that two readers could understand differently.
#include <sys/stat.h>

#include "tests/weights/make_files.h"
#include "tests/weights/refusal.h"

using namespace graft;
using namespace graft::test;

namespace {

struct Row {
  const char* id;
  std::string bytes;
  std::vector<std::string> parts;
};

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets, size_t data) {
  return safetensors_file("{" + describe("a", dtype, shape, offsets) + "}", counting(data));
}
std::string two(const std::string& first, const std::string& second, size_t data = 16) {
  return safetensors_file("{" + first + "," + second + "}", counting(data));
}
std::string field(const std::string& json) {
  return safetensors_file("{\"a\":" + json + "}", counting(16));
}
const std::string kGood = "{" + describe("a", "F32", "[2,2]", "[0,16]") + "}";

}  // namespace

TEST_CASE("safetensors: length and JSON") {
  std::string file = safetensors_file(kGood, counting(16));
  std::string longer = little(kGood.size() + 1, 8) + kGood + counting(16),
              shorter = little(kGood.size() - 1, 8) + kGood + counting(16);
  std::string nan = kGood;
  nan.replace(nan.find("2,2"), 3, "NaN");
  std::string quotes = kGood;
  std::replace(quotes.begin(), quotes.end(), '"', '\'');
  Refusals table;
  for (const Row& r : std::vector<Row>{
           {"S1 empty", "", {"empty"}},
           {"S1 three bytes", "abc", {"at least 8 bytes", "has 3"}},
           {"S2", little(0, 8), {"header of 0 bytes"}},
           {"S3 2^64-1", little(~uint64_t{0}, 8) + kGood, {"header too large", "18446744073709551615"}},
           {"S3 1e8+1", little(100'000'001, 8) + kGood, {"header too large", "100000001"}},
           {"S4", little(100'000'000, 8) + "{}", {"100000000 bytes expected", "only 2"}},
           {"S5 one more", longer, {"header: NUL at byte"}},
           {"S5 one less", shorter, {"not valid JSON"}},
           {"S6 bad UTF-8", safetensors_file("{\"\xFF\":1}"), {"not valid JSON at byte 1"}},
           {"S6 overlong", safetensors_file("{\"\xC0\x80\":1}"), {"not valid JSON at byte 1"}},
           {"S6 BOM", safetensors_file("\xEF\xBB\xBF" + kGood, counting(16)), {"byte order mark at byte 8"}},
           {"S7 NUL", safetensors_file(kGood + std::string(1, '\0'), counting(16)), {"NUL at byte"}},
           {"S7 second JSON", safetensors_file(kGood + "{}", counting(16)), {"not valid JSON"}},
           {"S7 trailing comma",
            safetensors_file(kGood.substr(0, kGood.size() - 1) + ",}", counting(16)),
            {"not valid JSON"}},
           {"S7 comment", safetensors_file("/**/" + kGood, counting(16)), {"not valid JSON"}},
           {"S7 single quotes", safetensors_file(quotes, counting(16)), {"not valid JSON"}},
           {"S7 NaN", safetensors_file(nan, counting(16)), {"not valid JSON"}},
           {"S18", safetensors_file("{\"\\ud800\":1}"), {"not valid JSON"}},
           {"S26 one byte missing",
            file.substr(0, file.size() - 1),
            {"truncated", "tensor a", "16", "15 bytes"}},
           {"S26 one byte more", file + "x", {"1 bytes follow the last tensor's data"}},
           {"S26 polyglot", file + "PK\x05\x06" + std::string(18, '\0'), {"22 bytes follow"}},
           {"S27", safetensors_file("{}", "abcd"), {"4 bytes follow"}},
           {"S33 value", safetensors_file("{\"a\":" + std::string(100'000, '[')), {"a", "an array"}},
           {"S33 in a field",
            safetensors_file("{\"a\":{\"dtype\":" + std::string(100'000, '[')),
            {"dtype is an array"}},
           {"S33 objects",
            safetensors_file("{\"a\":{\"x\":" + std::string(100'000, '{')),
            {"unknown field \"x\""}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  for (std::string space : {" ", "\t\n", "\r\n  "}) {
    CHECK(table.accept("S8", safetensors_file(space + kGood, counting(16))).entries().size() == 1);
    CHECK(table.accept("S8", safetensors_file(kGood + space, counting(16))).entries().size() == 1);
  }
  CHECK(table.accept("S27", safetensors_file("{}")).entries().empty());
  MESSAGE(table.rows << " rows");
}

TEST_CASE("safetensors: keys and fields") {
  std::string a = describe("a", "F32", "[4]", "[0,16]");
  Refusals table;
  for (const Row& r : std::vector<Row>{
           {"S9", two(a, a), {"duplicate tensor name \"a\""}},
           {"S10",
            two(describe("a", "F32", "[2]", "[0,8]"), describe("a", "F32", "[2]", "[8,16]")),
            {"duplicate tensor name \"a\""}},
           {"S11", two(a, describe("\\u0061", "F32", "[4]", "[0,16]")), {"duplicate tensor name \"a\""}},
           {"S12 field",
            field(R"({"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]})"),
            {"tensor a", "\"dtype\" appears twice"}},
           {"S12 metadata",
            safetensors_file(R"({"__metadata__":{},"__metadata__":{}})"),
            {"duplicate", "__metadata__"}},
           {"S13",
            safetensors_file(R"({"__metadata__":{"k":"1","k":"2"}})"),
            {"__metadata__", "\"k\" twice"}},
           {"S14 number",
            safetensors_file(R"({"__metadata__":{"k":1}})"),
            {"__metadata__", "\"k\" is 1", "expected a string"}},
           {"S14 array", safetensors_file(R"({"__metadata__":{"k":[]}})"), {"an array"}},
           {"S14 null value", safetensors_file(R"({"__metadata__":{"k":null}})"), {"\"k\" is null"}},
           {"S14 a list", safetensors_file(R"({"__metadata__":[]})"), {"__metadata__", "an array"}},
           {"S15",
            field(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1})"),
            {"tensor a", "unknown field \"x\""}},
           {"S16", field(R"(["F32",[2,2],[0,16]])"), {"\"a\" is an array"}},
           {"S17 empty",
            safetensors_file("{" + describe("", "F32", "[0]", "[0,0]") + "}"),
            {"name \"\" is empty"}},
           {"S17 NUL",
            safetensors_file("{" + describe("a\\u0000", "F32", "[0]", "[0,0]") + "}"),
            {"control character at byte 1"}},
           {"S17 newline",
            safetensors_file("{" + describe("a\\n", "F32", "[0]", "[0,0]") + "}"),
            {"\"a\\x0a\"", "control character"}},
           {"missing field",
            field(R"({"dtype":"F32","shape":[4]})"),
            {"tensor a", "\"data_offsets\" is missing"}},
           {"S19 2.0", one("F32", "[2.0,2]", "[0,16]", 16), {"shape holds the number 2.0"}},
           {"S19 4e0", one("F32", "[4e0]", "[0,16]", 16), {"shape holds the number 4e0"}},
           {"S19 -2", one("F32", "[-2,2]", "[0,16]", 16), {"signed number -2"}},
           {"S19 -0", one("F32", "[-0]", "[0,0]", 0), {"signed number"}},
           {"S19 02", one("F32", "[02,2]", "[0,16]", 16), {"not valid JSON"}},
           {"S19 text", one("F32", "[\"2\",2]", "[0,16]", 16), {"shape holds \"2\""}},
           {"S19 true", one("F32", "[true]", "[0,4]", 4), {"shape holds true"}},
           {"S20 one", one("F32", "[4]", "[16]", 16), {"data_offsets has 1 entries, expected 2"}},
           {"S20 three", one("F32", "[4]", "[0,16,16]", 16), {"data_offsets has more than 2"}},
           {"S20 reversed", one("F32", "[4]", "[16,0]", 16), {"[16, 0] are reversed"}},
           {"S20 float", one("F32", "[4]", "[0,16.0]", 16), {"data_offsets holds the number 16.0"}},
           {"S20 beyond 2^64",
            one("F32", "[4]", "[0,18446744073709551617]", 16),
            {"data_offsets holds the number"}},
           {"S21", one("F32", "[4611686018427387905,4]", "[0,16]", 16), {"overflows"}},
           {"S21 2^64-2", one("F32", "[2,18446744073709551614]", "[0,16]", 16), {"overflows"}},
           {"S22", one("F32", "[9223372036854775807,4,0]", "[0,0]", 0), {"overflows"}},
           {"S22 zero first", one("F32", "[0,9223372036854775807,4]", "[0,0]", 0), {"overflows"}},
           {"S23", one("F32", "[3]", "[0,16]", 16), {"F32 [3] needs 12 bytes", "give 16"}},
           {"S29",
            one(
                "F32",
                "[" +
                    [] {
                      std::string s;
                      for (int i = 0; i < 99'999; ++i) s += "1,";
                      return s;
                    }() +
                    "1]",
                "[0,4]", 4),
            {"rank is above 64"}},
           {"S31 F128", one("F128", "[1]", "[0,16]", 16), {"unknown type \"F128\""}},
           {"S31 f32", one("f32", "[4]", "[0,16]", 16), {"unknown type \"f32\""}},
           {"S31 F4", one("F4", "[3]", "[0,16]", 16), {"F4", "recognised, but not supported"}},
           {"S32", one("BOOL", "[3]", "[0,3]", 3), {"tensor a", "element 2", "is 2", "0 or 1"}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  CHECK(table.accept("S14 null", safetensors_file(R"({"__metadata__":null})")).metadata().empty());
  std::string megabyte(1'000'000, 'n');
  for (std::string name : {std::string("../"), megabyte}) {
    auto checkpoint =
        table.accept("S17", safetensors_file("{" + describe(name, "F32", "[0]", "[0,0]") + "}"));
    CHECK(checkpoint.find(name) != nullptr);
    CHECK(to_text(checkpoint.entries()[0]).size() < 200);
  }
  auto scalar = table.accept("S29", one("F32", "[]", "[0,4]", 4));
  CHECK(scalar.read("a").rank() == 0);
  for (const char* kind : {"F8_E4M3", "F8_E5M2", "I8", "U16"}) {
    auto listed = table.accept("S31", one(kind, kind[1] == '1' ? "[2]" : "[4]", "[0,4]", 4));
    check_throws<DataError>([&] { listed.read("a"); }, {"tensor a", kind, "recognised, but not supported"});
  }
  auto high = table.accept("rank 8", one("U8", "[1,1,1,1,1,1,1,2]", "[0,2]", 2));
  CHECK(high.entries()[0].sizes.size() == 8);
  check_throws<DataError>([&] { high.read("a"); }, {"rank 8 is above 6"});
  MESSAGE(table.rows << " rows");
}

TEST_CASE("safetensors: where the data lies") {
  auto at = [](const char* name, int begin, int end) {
    return describe(name, "U8", str("[", end - begin, "]"), str("[", begin, ",", end, "]"));
  };
  std::string aliases;
  for (int i = 0; i < 10'000; ++i) aliases += (i ? "," : "") + at(str("t", i).c_str(), 0, 16);
  Refusals table;
  for (const Row& r : std::vector<Row>{
           {"S24 start",
            safetensors_file("{" + at("a", 4, 16) + "}", counting(16)),
            {"tensor a", "begins at 4, expected 0", "hole"}},
           {"S24 middle",
            two(at("a", 0, 4), at("b", 8, 16)),
            {"tensor b", "begins at 8, expected 4", "hole"}},
           {"S24 end", safetensors_file("{" + at("a", 0, 12) + "}", counting(16)), {"4 bytes follow"}},
           {"S25 full", two(at("a", 0, 16), at("b", 0, 16)), {"begins at 0, expected 16", "overlaps"}},
           {"S25 partial",
            two(at("a", 0, 10), at("b", 8, 16)),
            {"tensor b", "begins at 8, expected 10", "overlaps"}},
           {"S25 aliases", safetensors_file("{" + aliases + "}", counting(16)), {"overlaps"}},
           {"S28", two(at("a", 0, 16), at("b", 8, 8)), {"overlaps"}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  auto empty = table.accept(
      "S28",
      safetensors_file("{" + at("a", 0, 0) + "," + at("b", 0, 0) + "," + at("c", 0, 16) + "}", counting(16)));
  CHECK(empty.read("a").numel() == 0);
  auto odd = table.accept("S30", two(at("a", 0, 1), describe("b", "F32", "[2]", "[1,9]"), 9));
  float values[2];
  std::memcpy(values, counting(9).data() + 1, 8);
  CHECK(odd.read("b").data<float>()[1] == values[1]);
  MESSAGE(table.rows << " rows");
}

TEST_CASE("safetensors: a million tensors are refused quickly") {
  std::string header = "{";
  for (int i = 0; i < 1'000'000; ++i) header += (i ? "," : "") + describe(str(i), "U8", "[0]", "[0,0]");
  Refusals table;
  table.check("S34", safetensors_file(header + "}"), {"more than 100000 tensors"});
}

TEST_CASE("safetensors: a file that shrinks after it was opened") {
  TempDir folder;
  write_bytes(folder / "a", safetensors_file(kGood, counting(16)));
  auto checkpoint = weights::Checkpoint::open(folder / "a");
  REQUIRE(truncate((folder / "a").c_str(), 80) == 0);
  check_throws<DataError>([&] { checkpoint.read("a"); }, {"ends at byte 80"});
}

TEST_CASE("checkpoint: what is no regular file") {
  TempDir folder;
  check_throws<DataError>([&] { weights::Checkpoint::open(folder.path()); },
                          {folder.path(), "folder holds neither"});
  check_throws<DataError>([&] { weights::Checkpoint::open(folder / "none"); }, {"none", "No such file"});
  check_throws<DataError>([&] { weights::Checkpoint::open("/dev/zero"); }, {"regular file"});
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  check_throws<DataError>([&] { weights::Checkpoint::open(folder / "pipe"); }, {"regular file"});
}

TEST_CASE("checkpoint: the hash that the caller expects") {
  TempDir folder;
  write_bytes(folder / "a", safetensors_file(kGood, counting(16)));
  std::string hash = weights::Checkpoint::open(folder / "a").sha256();
  weights::Checkpoint::open(folder / "a", {.key = {}, .sha256 = hash});
  check_throws<DataError>(
      [&] { weights::Checkpoint::open(folder / "a", {.key = {}, .sha256 = std::string(64, '0')}); },
      {hash, "expected 0000"});
}

TEST_CASE("S37: sharded checkpoints") {
  TempDir folder;
  auto shard = [&](const std::string& file, const std::string& name) {
    write_bytes(folder / file,
                safetensors_file("{" + describe(name, "U8", "[4]", "[0,4]") + "}", counting(4)));
  };
  shard("one", "a");
  shard("two", "b");
  REQUIRE(mkdir((folder / "sub").c_str(), 0700) == 0);
  shard("sub/three", "c");
  REQUIRE(symlink((folder / "sub/three").c_str(), (folder / "link").c_str()) == 0);
  auto open = [&](const std::string& map) {
    write_bytes(folder / "model.safetensors.index.json",
                "{\"metadata\":{\"total_size\":8},\"weight_map\":" + map + "}");
    return weights::Checkpoint::open(folder.path());
  };
  auto good = open(R"({"a":"one","b":"two"})");
  CHECK(good.format() == "safetensors, 2 shards");
  CHECK(good.read("b").data<uint8_t>()[3] == 3);
  struct Case {
    const char* map;
    std::vector<std::string> parts;
  };
  for (const Case& c : std::vector<Case>{{R"({"a":"one","b":"none"})", {"shard \"none\"", "missing"}},
                                         {R"({"a":"two","b":"two"})", {"a is not in two"}},
                                         {R"({"a":"one","b":"one"})", {"b is not in one"}},
                                         {R"({"a":"one"})", {}},
                                         {R"({"a":"one","c":"../three"})", {"without folders"}},
                                         {R"({"a":"one","c":"/etc/passwd"})", {"without folders"}},
                                         {R"({"a":"one","c":"sub/three"})", {"without folders"}},
                                         {R"({"a":"one","c":"link"})", {"link to another folder"}},
                                         {R"({"a":"one","a":"two"})", {"duplicate tensor name \"a\""}},
                                         {R"({"a":1})", {"the file of a is a number"}},
                                         {R"({"b":"one"})", {"shard one holds a, which is not listed"}},
                                         {R"([])", {"weight_map is a list"}}}) {
    INFO(c.map);
    if (c.parts.empty()) {
      CHECK(open(c.map).entries().size() == 1);
    } else {
      check_throws<DataError>([&] { open(c.map); }, c.parts);
    }
  }
  write_bytes(folder / "other.json", R"({"hidden_size": 768})");
  check_throws<DataError>([&] { weights::Checkpoint::open(folder / "other.json"); }, {"no weight_map"});
}
