// Rows L1 to L5, T1 and T2 of the table of bad input: torch's older containers, and what is no checkpoint at
// all.
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

std::string legacy(const std::function<void(LegacyForm&)>& change) {
  LegacyForm form;
  change(form);
  return legacy_file(form);
}
// A storage reference with a view: (key, offset, elements).
std::string viewed(const std::string& view) {
  std::string id = p_tuple({p_text("storage"), p_global("torch", "FloatStorage"), p_text("0"), p_text("cpu"),
                            p_int(6), view}) +
                   "Q";
  return pickled(p_dict({{"w", p_tensor(id, 0, {2}, {1})}}));
}
std::string tar(const std::function<void(std::vector<TarPart>&)>& change) {
  auto parts = torch_tar_parts();
  change(parts);
  return tar_file(parts);
}
std::string tar_with(const std::function<void(TarForm&)>& change) {
  TarForm form;
  change(form);
  return tar_file(torch_tar_parts(form));
}

}  // namespace

TEST_CASE("torch legacy: rows L1 to L4") {
  Refusals table;
  CHECK(std::memcmp(table.accept("good", legacy_file()).read("w").raw(), counting(24).data(), 24) == 0);
  auto view = table.accept("view", legacy([](auto& f) {
                             f.object = viewed(p_tuple({p_text("v"), p_int(2), p_int(2)}));
                           }));
  CHECK(std::memcmp(view.read("w").raw(), counting(24).data() + 8, 8) == 0);
  std::string magic = kMagic;
  magic[5] ^= 1;
  std::string list = p_text("0");
  for (const Row& r : std::vector<Row>{
           {"L1 magic", legacy([&](auto& f) { f.magic = magic; }), {"pickle", "integer of 10 bytes"}},
           {"L1 1000",
            legacy([](auto& f) { f.protocol = pickled(p_int(1000)); }),
            {"protocol is the integer 1000, expected 1001"}},
           {"L1 1002",
            legacy([](auto& f) { f.protocol = pickled(p_int(1002)); }),
            {"protocol is the integer 1002"}},
           {"L1 big-endian", legacy([](auto& f) { f.system = sys_info(false); }), {"big-endian"}},
           {"L1 no sys_info", legacy([](auto& f) { f.system = pickled("N"); }), {"sys_info is None"}},
           {"L2 missing", legacy([](auto& f) { f.keys = pickled("]"); }), {"storage 0", "not listed"}},
           {"L2 extra",
            legacy([&](auto& f) { f.keys = pickled("](" + list + p_text("1") + "e"); }),
            {"storage 1 is listed, but no tensor names it"}},
           {"L2 repeated",
            legacy([&](auto& f) { f.keys = pickled("](" + list + list + "e"); }),
            {"storage 0 is listed twice"}},
           {"L2 no list", legacy([](auto& f) { f.keys = pickled("}"); }), {"a dict of 0, expected a list"}},
           {"L2 a number",
            legacy([](auto& f) { f.keys = pickled("](" + p_int(0) + "e"); }),
            {"the integer 0, expected text"}},
           {"L3 count",
            legacy([](auto& f) { f.elements = 5; }),
            {"storage 0", "has 5 elements, the pickle says 6"}},
           {"L3 huge count",
            legacy([](auto& f) { f.elements = ~uint64_t{0}; }),
            {"has 18446744073709551615 elements"}},
           {"L3 ends inside",
            legacy([](auto& f) { f.storage = counting(20); }),
            {"truncated", "needs 24 bytes", "has 20"}},
           {"L3 ends before",
            legacy_file().substr(0, legacy_file().size() - 30),
            {"truncated", "storage 0 expected at byte"}},
           {"L3 after", legacy([](auto& f) { f.after = "x"; }), {"1 bytes follow the last storage"}},
           {"L4 offset",
            legacy([](auto& f) {
              f.object = viewed(p_tuple({p_text("v"), p_int(5), p_int(2)}));
            }),
            {"view of 2 elements at 5", "beyond its 6"}},
           {"L4 negative",
            legacy([](auto& f) {
              f.object = viewed(p_tuple({p_text("v"), p_int(-1), p_int(2)}));
            }),
            {"view"}},
           {"L4 no tuple",
            legacy([](auto& f) { f.object = viewed(p_int(3)); }),
            {"its view is the integer 3"}},
           {"L4 two roots",
            legacy([](auto& f) {
              f.object = pickled(p_dict({{"a", p_w()}, {"b", p_tensor(p_storage("0", 4), 0, {2}, {1})}}));
            }),
            {"storage 0 is both"}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  MESSAGE(table.rows << " rows");
}

TEST_CASE("L5: what people have by mistake is recognised") {
  Refusals table;
  std::string numpy =
      pickled(p_dict({{"w", p_call("numpy.core.multiarray", "_reconstruct",
                                   {p_global("numpy", "ndarray"), p_ints({0}), p_text("b")})}}));
  for (const Row& r : std::vector<Row>{
           {"numpy in a pickle", numpy, {"numpy arrays", "torch.save"}},
           {"gzip", "\x1f\x8b\x08" + std::string(20, 'x'), {"gzip", "gunzip"}},
           {"bzip2", "BZh9" + std::string(20, 'x'), {"bzip2"}},
           {"xz",
            "\xFD"
            "7zXZ" +
                std::string(20, 'x'),
            {"xz"}},
           {"zstd", "\x28\xB5\x2F\xFD" + std::string(20, 'x'), {"zstd"}},
           {"HTML", "<!DOCTYPE html><html>404</html>", {"web page", "download"}},
           {"HTML after space", "\n\n <HTML><body>404", {"web page"}},
           {"Git LFS",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            {"Git LFS pointer", "git lfs pull"}},
           {"Keras .h5", "\x89HDF\r\n\x1a\n" + std::string(20, 'x'), {"HDF5", "Keras"}},
           {"npy", "\x93NUMPY" + std::string(20, 'x'), {".npy"}},
           {"GGUF", "GGUF" + std::string(20, 'x'), {"GGUF"}},
           {"GIF", "GIF89a" + std::string(20, 'x'), {"GIF picture"}},
           {"JPEG", "\xFF\xD8\xFF\xE0" + std::string(20, 'x'), {"JPEG picture"}},
           {"PNG", "\x89PNG\r\n\x1a\n" + std::string(20, 'x'), {"PNG picture"}},
           {"PDF", "%PDF-1.5" + std::string(20, 'x'), {"PDF"}},
           {"text", "hello, this is no checkpoint at all", {"not a checkpoint"}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  MESSAGE(table.rows << " rows");
}

TEST_CASE("torch tar: rows T1 and T2") {
  Refusals table;
  CHECK(std::memcmp(table.accept("good", tar_file(torch_tar_parts())).read("w").raw(), counting(24).data(),
                    24) == 0);
  auto part =
      table.accept("view", tar_with([](auto& f) {
                     f.views = pickled("](" + p_tuple({p_int(8), p_int(7), p_int(0), p_int(6)}) + "e");
                     f.storage_id = 8;
                   }));
  CHECK(part.find("w") != nullptr);
  table.accept("pax time", tar([](auto& p) {
                 p.insert(p.begin(), {"./@PaxHeader", "20 mtime=1483719550\n", 'x'});
               }));
  auto pax = [](const std::string& record) {
    return tar([&](auto& p) { p.insert(p.begin(), {"./@PaxHeader", record, 'x'}); });
  };
  auto first = [](const std::function<void(TarPart&)>& change) {
    return tar([&](auto& p) { change(p[0]); });
  };
  std::string file = tar_file(torch_tar_parts());
  std::string base256 = std::string("\x80\0\0\0\0\0\0\0\0\0\xFF\xFF", 12);
  for (const Row& r : std::vector<Row>{
           {"T1 no storages", tar([](auto& p) { p.pop_back(); }), {"member storages", "missing"}},
           {"T1 no sys_info", tar([](auto& p) { p.erase(p.begin()); }), {"member sys_info", "missing"}},
           {"T1 huge size",
            first([](auto& p) { p.size = "77777777777"; }),
            {"truncated tar", "sys_info", "8589934591"}},
           {"T1 base-256 size", first([&](auto& p) { p.size = base256; }), {"no valid size"}},
           {"T1 negative size", first([](auto& p) { p.size = "-0000000001"; }), {"no valid size"}},
           {"T1 sparse", first([](auto& p) { p.type = 'S'; }), {"sparse"}},
           {"T1 hard link", first([](auto& p) { p.type = '1'; }), {"hard link"}},
           {"T1 symbolic link", first([](auto& p) { p.type = '2'; }), {"symbolic link"}},
           {"T1 device", first([](auto& p) { p.type = '3'; }), {"device"}},
           {"T1 folder", first([](auto& p) { p.type = '5'; }), {"folder"}},
           {"T1 pax path", pax("23 path=../../../etc/x\n"), {"pax header", "\"path\""}},
           {"T1 pax size", pax("12 size=999\n"), {"pax header", "\"size\""}},
           {"T1 pax broken", pax("99 mtime=1\n"), {"pax header", "malformed"}},
           {"T1 ../", first([](auto& p) { p.name = "../sys_info"; }), {"../sys_info", "plain name"}},
           {"T1 prefix", first([](auto& p) { p.prefix = "/etc"; }), {"/etc/sys_info", "plain name"}},
           {"T1 checksum", first([](auto& p) { p.checksum = 1; }), {"checksum"}},
           {"T1 duplicate", tar([](auto& p) { p.push_back(p[0]); }), {"two members are named sys_info"}},
           {"T1 after the end", file + "x", {"bytes follow the end mark"}},
           {"T1 cut", file.substr(0, file.size() - 1500), {"truncated tar"}},
           {"T2 storages",
            tar_with([](auto& f) { f.storages = 2147483647; }),
            {"number of storages is the integer 2147483647"}},
           {"T2 two announced",
            tar_with([](auto& f) { f.storages = 2; }),
            {"member storages", "storage 1 of 2"}},
           {"T2 tensors",
            tar_with([](auto& f) { f.tensors = 2147483647; }),
            {"number of tensors is the integer 2147483647"}},
           {"T2 elements",
            tar_with([](auto& f) { f.storage_elements = int64_t{1} << 40; }),
            {"truncated", "storage 0 of 1"}},
           {"T2 elements < 0", tar_with([](auto& f) { f.storage_elements = -1; }), {"has -1 elements"}},
           {"T2 ndim 2^31-1", tar_with([](auto& f) { f.rank = 2147483647; }), {"rank 2147483647"}},
           {"T2 ndim -1", tar_with([](auto& f) { f.rank = -1; }), {"rank -1"}},
           {"T2 storage id", tar_with([](auto& f) { f.storage_id = 9; }), {"unknown storage 9"}},
           {"T2 view",
            tar_with([](auto& f) {
              f.views = pickled("](" + p_tuple({p_int(8), p_int(7), p_int(4), p_int(3)}) + "e");
            }),
            {"view of 3 elements at 4"}},
       }) {
    table.check(r.id, r.bytes, r.parts);
  }
  MESSAGE(table.rows << " rows");
}
