// Rows Z1 to Z20 of the table of bad input: the zip container of torch files.
#include "tests/weights/make_files.h"
#include "tests/weights/refusal.h"

using namespace graft;
using namespace graft::test;

namespace {

const std::string kPickle = pickled(p_dict({{"w", p_w()}}));

// The good archive with one part or the form changed.
std::string with(const std::function<void(std::vector<ZipPart>&, ZipForm&)>& change) {
  auto parts = torch_parts(kPickle);
  ZipForm form;
  change(parts, form);
  return zip_file(parts, form);
}
// The storage's record replaced.
std::string storage(const std::function<void(ZipPart&)>& change) {
  return with([&](auto& parts, auto&) { change(parts[1]); });
}
std::string version(const std::string& text) {
  return with([&](auto& parts, auto&) { parts[2] = {"archive/version", text}; });
}
std::string added(const std::string& name, const std::string& data = "x") {
  return with([&](auto& parts, auto&) { parts.push_back({name, data}); });
}

}  // namespace

TEST_CASE("zip: good archives") {
  Refusals table;
  for (bool wide : {false, true}) {
    for (uint32_t flags : {0x0800u, 0x0808u}) {
      auto file = table.accept("good", with([&](auto& parts, auto& form) {
                                 form.wide = wide;
                                 for (auto& p : parts) p.flags = p.local_flags = flags;
                               }));
      CHECK(file.format() == "torch zip");
      CHECK(std::memcmp(file.read("w").raw(), counting(24).data(), 24) == 0);
    }
  }
  table.accept("a comment", with([](auto&, auto& form) { form.comment = "hello"; }));
  table.accept("Z19 little", added("archive/byteorder", "little"));
}

TEST_CASE("zip: rows Z1 to Z20") {
  std::string file = zip_file(torch_parts(kPickle));
  std::string flipped = file;
  flipped[flipped.find(counting(24)) + 5] ^= 1;
  auto deflated = [](ZipPart& p) { p.method = p.local_method = 8; };
  std::string long_name(65'000, 'n');
  Refusals table;
  struct Row {
    const char* id;
    std::string bytes;
    std::vector<std::string> parts;
  };
  for (const Row& r : std::vector<Row>{
           {"Z1", flipped, {"CRC of data/0", "changed"}},
           {"Z1 pickle", with([](auto&p, auto&) { p[0].crc ^= 1; }), {"CRC of archive/data.pkl"}},
           {"Z2",
            storage([](auto&p) {
              p = {"archive/data/0", counting(20)};
            }),
            {"data/0 has 20 bytes", "need 24"}},
           {"Z3",
            storage([](auto&p) {
              p = {"archive/data/0", counting(28)};
            }),
            {"data/0 has 28 bytes", "need 24"}},
           {"Z4",
            storage([](auto&p) {
              p = {"archive/data/1", counting(24)};
            }),
            {"storage 0", "data/0 is missing"}},
           {"Z5", added("archive/data/0", counting(24)), {"two records are named archive/data/0"}},
           {"Z6 name",
            storage([](auto&p) { p.local_name = "archive/data/9"; }),
            {"archive/data/0", "another name"}},
           {"Z6 method", storage([](auto&p) { p.local_method = 8; }), {"other flags or method"}},
           {"Z6 size", storage([](auto&p) { p.local_size = 23; }), {"another CRC or size"}},
           {"Z7 after",
            with([](auto&, auto&f) { f.after = "junk"; }),
            {"0 bytes of comment, 4 bytes follow"}},
           {"Z7 before",
            with([](auto&, auto&f) { f.before = "junk"; }),
            {"not a checkpoint that graft knows"}},
           {"Z7 between", with([](auto&, auto&f) { f.gap = "junk"; }), {"4 bytes", "belong to no record"}},
           {"Z8 two",
            with([](auto&, auto&f) { f.after = "PK\x05\x06" + std::string(18, '\0'); }),
            {"directory"}},
           {"Z8 in the comment",
            with([](auto&, auto&f) { f.comment = "PK\x05\x06" + std::string(18, '\0'); }),
            {"directory"}},
           {"Z8 comment length",
            with([](auto&, auto&f) {
              f.comment = "abc";
              f.comment_size = 2;
            }),
            {"2 bytes of comment, 3"}},
           {"Z9 one byte", file.substr(0, file.size() - 1), {"truncated zip"}},
           {"Z9 half", file.substr(0, file.size() / 2), {"truncated zip"}},
           {"Z10 encrypted",
            storage([](auto&p) { p.flags = p.local_flags = 0x0801; }),
            {"encrypted", "bit 0"}},
           {"Z10 patch", storage([](auto&p) { p.flags = p.local_flags = 0x0820; }), {"patch", "bit 5"}},
           {"Z10 strong", storage([](auto&p) { p.flags = p.local_flags = 0x0840; }), {"strongly encrypted"}},
           {"Z11 deflate", storage(deflated), {"compressed (deflate)"}},
           {"Z11 bzip2", storage([](auto&p) { p.method = p.local_method = 12; }), {"method 12"}},
           {"Z11 zstd", storage([](auto&p) { p.method = p.local_method = 93; }), {"method 93"}},
           {"Z11 99", storage([](auto&p) { p.method = p.local_method = 99; }), {"method 99"}},
           {"Z12",
            storage(
                [&](auto&p) {
                  deflated(p);
                  p.size = 4'000'000'000;
                }),
            {"archive/data/0", "4000000000"}},
           {"Z12 sizes differ", storage([](auto&p) { p.size = 25; }), {"stored size 24 and size 25 differ"}},
           {"Z13",
            with(
                [](auto&p, auto&) {
                  p.push_back({"archive/data/2", "x"});
                  p.back().local_offset = 0;
                  p.back().local_name = "archive/data.pkl";
                }),
            {"another name"}},
           {"Z13 inside",
            with(
                [](auto&p, auto&) {
                  p[1].data = "PK\x03\x04" + std::string(26, '\0') + "x";
                  p[1].size = p[1].stored = p[1].local_size = p[1].data.size();
                  p.push_back({"x", ""});
                  p.back().local_offset = 400;
                }),
            {"local header"}},
           {"Z14 2^63",
            storage(
                [](auto&p) {
                  p.size = p.stored = 0xFFFFFFFF;
                  p.extra = little(1, 2) + little(16, 2) + little(uint64_t{1} << 63, 8) +
                            little(uint64_t{1} << 63, 8);
                }),
            {"9223372036854775808 is beyond the file"}},
           {"Z14 extra short",
            storage(
                [](auto&p) {
                  p.size = p.stored = 0xFFFFFFFF;
                  p.extra = little(1, 2) + little(4, 2) + little(24, 4);
                }),
            {"zip64 field is missing or too short"}},
           {"Z14 extra cut",
            storage([](auto&p) { p.extra = little(1, 2) + little(99, 2); }),
            {"extra field is cut short"}},
           {"Z14 locator",
            with(
                [](auto&, auto&f) {
                  f.wide = true;
                  f.locator = 1'000'000;
                }),
            {"locator", "1000000"}},
           {"Z16 absolute", added("/archive/x"), {"is absolute"}},
           {"Z16 ..", added("archive/../x"), {"step to another folder"}},
           {"Z16 backslash", added("archive\\x"), {"backslash"}},
           {"Z16 NUL", added(std::string("archive/\0x", 10)), {"control character"}},
           {"Z16 UTF-8", added("archive/\xFF"), {"not valid UTF-8"}},
           {"Z16 long", added("archive/" + long_name), {"longer than 4096"}},
           {"Z17 none", with([](auto&p, auto&) { p.erase(p.begin()); }), {"no data.pkl"}},
           {"Z17 two", added("other/data.pkl"), {"lies outside of archive/"}},
           {"Z17 xdata.pkl",
            with(
                [](auto&p, auto&) {
                  p[0] = {"archive/xdata.pkl", kPickle};
                }),
            {"no data.pkl"}},
           {"Z18 missing", with([](auto&p, auto&) { p.pop_back(); }), {"archive/version is missing"}},
           {"Z18 0", version("0\n"), {"version 0"}},
           {"Z18 999", version("999\n"), {"version 999", "1 to 10"}},
           {"Z18 abc", version("abc\n"), {"version is \"abc", "expected a number"}},
           {"Z18 1 MB", version(std::string(1 << 20, '3')), {"version has 1048576 bytes"}},
           {"Z19 big", added("archive/byteorder", "big"), {"byte order \"big\"", "only little"}},
           {"Z19 garbage", added("archive/byteorder", "middle"), {"byte order \"middle\""}},
           {"Z20", added("archive/constants.pkl"), {"TorchScript"}},
           {"Z20 code", added("archive/code/x.py"), {"TorchScript"}},
           {"npz", zip_file({{"a.npy", "x"}}), {"numpy .npz", "no data.pkl"}},
           {"bytes after STOP", zip_file(torch_parts(kPickle + "x")), {"1 bytes follow the pickle's STOP"}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  for (size_t n = 4; n < file.size(); n += 7) table.check("Z9", file.substr(0, n), {});
  MESSAGE(table.rows << " rows");
}

TEST_CASE("zip: Z15, very many records") {
  std::vector<ZipPart> parts = torch_parts(kPickle);
  while (parts.size() < 65'536) parts.push_back({str("archive/x", parts.size()), ""});
  Refusals table;
  ZipForm form;
  form.records = 0;  // what 65,536 looks like in 16 bits
  table.check("Z15 65,536", zip_file(parts, form), {"directory"});
}
