// Rows Q1 to Q24 of the table of bad input: pickles. Nothing in them is executed; what is refused is refused
// by name.
#include "tests/weights/make_files.h"
#include "tests/weights/refusal.h"

using namespace graft;
using namespace graft::test;

namespace {

struct Row {
  const char* id;
  std::string body;
  std::vector<std::string> parts;
};

std::string dict_w(const std::string& value) {
  return p_dict({{"w", value}});
}
// Tensor "w" with the four arguments that matter.
std::string w(const std::string& storage, const std::string& offset, const std::string& sizes,
              const std::string& strides) {
  return dict_w(
      p_call("torch._utils", "_rebuild_tensor_v2", {storage, offset, sizes, strides, "\x89", kHooks}));
}
const std::string kStorage = p_storage("0", 6);
std::string persistent(const std::vector<std::string>& id) {
  return w(p_tuple(id) + "Q", p_int(0), p_ints({2, 3}), p_ints({3, 1}));
}
const std::string kFloat = p_global("torch", "FloatStorage");
std::string repeat(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("pickle: operations that a checkpoint does not need, and broken ones") {
  Refusals table;
  for (const char* name : {"os\nsystem", "posix\nsystem", "nt\nsystem", "builtins\neval", "__builtin__\neval",
                           "builtins\ngetattr", "subprocess\nPopen"}) {
    std::string global = str("c", name, "\n");
    std::string shown = name;
    shown[shown.find('\n')] = '.';
    table.check("Q1 " + shown, torch_zip(dict_w(global + p_tuple({p_text("id")}) + "R")),
                {"global " + shown, "never allowed"});
    table.check("Q1 unused " + shown, torch_zip(p_dict({{"w", p_w()}, {"x", global}})), {"never allowed"});
  }
  for (const Row& r : std::vector<Row>{
           {"Q2 STACK_GLOBAL", p_text("os") + p_text("system") + "\x93", {"opcode 0x93", "at byte"}},
           {"Q2 INST", "(ios\nsystem\n", {"opcode 0x69 'i'"}},
           {"Q2 OBJ", "(o", {"opcode 0x6f 'o'"}},
           {"Q2 EXT1", "\x82\x01", {"opcode 0x82"}},
           {"Q2 EXT2", std::string("\x83\x01\x00", 3), {"opcode 0x83"}},
           {"Q2 EXT4", std::string("\x84\x01\x00\x00\x00", 5), {"opcode 0x84"}},
           {"Q2 POP", "N0", {"opcode 0x30 '0'"}},
           {"Q2 DUP", "N2", {"opcode 0x32 '2'"}},
           {"Q2 NEXT_BUFFER", "\x97", {"opcode 0x97"}},
           {"Q5 underflow", "a", {"stack is empty"}},
           {"Q5 mark", "Nt", {"no mark"}},
           {"Q5 memo", "h\x07", {"memo entry 7 does not exist"}},
           {"Q7", std::string("X\xF0\xFF\xFF\xFF", 5) + "ab", {"needs", "more"}},
           {"Q8 9 bytes", std::string("\x8a\x09") + std::string(9, '\1'), {"integer of 9 bytes"}},
           {"Q8 255 bytes", std::string("\x8a\xff") + std::string(255, '\1'), {"integer of 255 bytes"}},
           {"Q8 LONG4", std::string("\x8b\x01\x00\x00\x00\x01", 6), {"opcode 0x8b"}},
           {"Q10 tuples", "N" + repeat("\x85", 1'000'000), {"nested deeper than 64"}},
           {"Q10 lists", repeat("]", 1000) + repeat("a", 999), {"nested deeper than 64"}},
           {"Q10 open lists", repeat("]", 1'000'000), {"more than"}},
           {"Q10 dicts",
            repeat("}" + p_text("k"), 1000) + "N" + repeat("s", 1000),
            {"nested deeper than 64"}},
           {"Q11 list in itself", std::string("]q\0h\0a", 6), {"a list of 1", "without a dict of tensors"}},
           {"Q12 SETITEM on a list", "]NNs", {"SETITEM on a list of 0, expected a dict"}},
           {"Q12 SETITEM on a tensor",
            p_w() + "NNs",
            {"SETITEM on the call of torch._utils._rebuild_tensor_v2"}},
           {"Q12 BUILD on a dict", "}}b", {"BUILD on a dict of 0"}},
           {"Q12 APPEND to a tuple", ")Na", {"APPEND to a tuple of 0, expected a list"}},
           {"Q12 a list as a key", "}]Ns", {"key is a list"}},
           {"REDUCE of no global", "N)R", {"REDUCE of None, expected a global"}},
           {"REDUCE without a tuple", p_global("a", "b") + "NR", {"REDUCE with None, expected a tuple"}},
           {"odd SETITEMS", "}(Nu", {"odd count of 1"}},
           {"two roots", "NN", {"STOP with 2 values"}},
           {"Q24 CR LF", "cos\r\nsystem\r\n)R", {"not plain ASCII"}},
           {"Q24 non-ASCII", p_global("t\xC3\xB6rch", "x"), {"not plain ASCII"}},
           {"Q24 10 MB", "c" + std::string(10'000'000, 'a') + "\nb\n", {"name longer than 512"}},
       }) {
    table.check(r.id, torch_zip(r.body), r.parts);
  }
  table.check("Q24 no newline",
              zip_file(torch_parts("\x80\x02"
                                   "cos")),
              {"ends at byte 5"});
  table.check("Q4", zip_file(torch_parts("\x80\x02N")), {"ends at byte 3"});
  table.check("Q3 protocol 0", zip_file(torch_parts("(dp0\n.")), {"PROTO 2", "torch.save"});
  for (char protocol : {3, 4, 5}) {
    table.check("Q3", zip_file(torch_parts(str('\x80', protocol, "}."))),
                {str("protocol ", int{protocol}), "torch.save"});
  }
  MESSAGE(table.rows << " rows");
}

TEST_CASE("pickle: storages and tensors that do not fit") {
  Refusals table;
  auto text_storage = p_text("storage"), key = p_text("0"), cpu = p_text("cpu");
  for (const Row& r : std::vector<Row>{
           {"Q13 not a tuple",
            w(p_text("0") + "Q", p_int(0), p_ints({2, 3}), p_ints({3, 1})),
            {"storage reference", "the text \"0\"", "expected a tuple"}},
           {"Q13 not 'storage'",
            persistent({p_text("module"), kFloat, key, cpu, p_int(6)}),
            {"expected 'storage'"}},
           {"Q13 3 items", persistent({text_storage, kFloat, key}), {"has 3 parts"}},
           {"Q13 9 items",
            persistent({text_storage, kFloat, key, cpu, p_int(6), "N", "N", "N", "N"}),
            {"has 9 parts"}},
           {"Q13 -1", persistent({text_storage, kFloat, key, cpu, p_int(-1)}), {"count is the integer -1"}},
           {"Q13 2^63",
            persistent(
                {text_storage, kFloat, key, cpu, std::string("\x8a\x09") + std::string(8, '\0') + "\x80"}),
            {"integer of 9 bytes"}},
           {"Q13 overflow",
            persistent({text_storage, kFloat, key, cpu, p_int(int64_t{1} << 62)}),
            {"count is the integer 4611686018427387904"}},
           {"Q13 float",
            persistent({text_storage, kFloat, key, cpu, "G" + std::string(8, '\0')}),
            {"count is the float 0"}},
           {"Q13 bool", persistent({text_storage, kFloat, key, cpu, "\x88"}), {"count is True"}},
           {"Q13 type",
            persistent({text_storage, p_global("torch", "Size"), key, cpu, p_int(6)}),
            {"unknown type the global torch.Size"}},
           {"Q14 types",
            p_dict({{"a", p_w()}, {"b", p_tensor(p_storage("0", 6, "IntStorage"), 0, {6}, {1})}}),
            {"storage 0 is both", "FloatStorage", "IntStorage"}},
           {"Q14 counts",
            p_dict({{"a", p_w()}, {"b", p_tensor(p_storage("0", 5), 0, {5}, {1})}}),
            {"storage 0 is both 6", "5 of"}},
           {"Q15 2 arguments",
            dict_w(p_call("torch._utils", "_rebuild_tensor_v2", {kStorage, p_int(0)})),
            {"tensor w", "2 arguments"}},
           {"Q15 9 arguments",
            dict_w(p_call("torch._utils", "_rebuild_tensor_v2",
                          {kStorage, "N", "N", "N", "N", "N", "N", "N", "N"})),
            {"tensor w", "9 arguments"}},
           {"Q15 size",
            w(kStorage, p_int(0), p_int(6), p_ints({1})),
            {"tensor w", "size is the integer 6, expected a tuple"}},
           {"Q15 size -1",
            w(kStorage, p_int(0), p_ints({-1, 3}), p_ints({3, 1})),
            {"size is the integer -1"}},
           {"Q15 stride -1", w(kStorage, p_int(5), p_ints({6}), p_ints({-1})), {"stride is the integer -1"}},
           {"Q15 ranks", w(kStorage, p_int(0), p_ints({2, 3}), p_ints({1})), {"2 sizes and 1 strides"}},
           {"Q15 storage", w("N", p_int(0), p_ints({2, 3}), p_ints({3, 1})), {"its storage is None"}},
           {"Q16 size",
            w(kStorage, p_int(0), p_ints({7}), p_ints({1})),
            {"tensor w", "[7]", "beyond its storage of 6"}},
           {"Q16 offset", w(kStorage, p_int(1), p_ints({6}), p_ints({1})), {"at offset 1 reaches beyond"}},
           {"Q16 expand",
            w(kStorage, p_int(0), p_ints({int64_t{1} << 40}), p_ints({0})),
            {"repeats the 6 elements", "64.0 MiB"}},
           {"Q17 size",
            w(kStorage, p_int(0), p_ints({int64_t{1} << 40, int64_t{1} << 40}), p_ints({0, 0})),
            {"overflows"}},
           {"Q17 stride",
            w(kStorage, p_int(0), p_ints({int64_t{1} << 20, 2}), p_ints({int64_t{1} << 61, 1})),
            {"reaches beyond"}},
           {"Q17 offset", w(kStorage, p_int(INT64_MAX), p_ints({1}), p_ints({1})), {"reaches beyond"}},
           {"Q21 a number as a name", "}(" + p_int(3) + p_w() + "u", {"the integer 3 as a key"}},
           {"Q21 twice", p_dict({{"w", p_w()}, {"w", p_w()}}), {"holds \"w\" twice"}},
           {"Q21 NUL", p_dict({{std::string("w\0", 2), p_w()}}), {"control character"}},
           {"Q21 not UTF-8", p_dict({{"w\xFF", p_w()}}), {"not valid UTF-8"}},
           {"Q22",
            p_global("torchvision.models.resnet", "ResNet") + ")\x81" + dict_w(p_w()) + "b",
            {"whole object of class torchvision.models.resnet.ResNet", "state_dict()"}},
           {"Q23 two networks",
            p_dict({{"state_dict", dict_w(p_w())}, {"model", dict_w(p_w())}}),
            {"--key", "state_dict (1 tensors)", "model (1 tensors)"}},
           {"Q23 unknown names",
            p_dict({{"generator", dict_w(p_w())}, {"critic", dict_w(p_w())}}),
            {"--key", "generator", "critic"}},
           {"no tensors", p_dict({{"lr", p_int(1)}}), {"a dict of 1", "without a dict of tensors"}},
       }) {
    table.check(r.id, torch_zip(r.body), r.parts);
  }
  MESSAGE(table.rows << " rows");
}

TEST_CASE("pickle: Q6, Q9: small files stay small") {
  Refusals table;
  // Each level holds the one before twice: 2^60 values if they were copied.
  std::string doubling = std::string("]q\0", 3);
  for (int i = 0; i < 60; ++i)
    doubling +=
        str("]", "(h", static_cast<char>(i), "h", static_cast<char>(i), "eq", static_cast<char>(i + 1));
  auto start = std::chrono::steady_clock::now();
  auto file = table.accept("Q6", torch_zip(p_dict({{"x", "(" + doubling + "t"}, {"w", p_w()}})));
  CHECK(file.find("w") != nullptr);
  CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < 0.5);
  table.accept("Q9", torch_zip("}r\xFF\xFF\xFF\xFF(" + p_text("w") + p_w() + "u"));
  // A dict that holds itself.
  table.accept("Q11", torch_zip(std::string("}q\0(", 4) + p_text("w") + p_w() + p_text("self") +
                                std::string("h\0u", 3)));
}

TEST_CASE("pickle: Q18, Q19: views, shared storages, empty tensors and scalars") {
  Refusals table;
  auto file = table.accept("Q18", torch_zip(p_dict({{"w", p_w()},
                                                    {"transposed", p_tensor(kStorage, 0, {3, 2}, {1, 3})},
                                                    {"slice", p_tensor(kStorage, 1, {2, 2}, {3, 1})},
                                                    {"overlap", p_tensor(kStorage, 0, {5, 2}, {1, 1})},
                                                    {"repeated", p_tensor(kStorage, 4, {4}, {0})},
                                                    {"one", p_tensor(kStorage, 5, {1, 1}, {0, 7})},
                                                    {"scalar", p_tensor(kStorage, 2, {}, {})},
                                                    {"none", p_tensor(kStorage, 0, {0, 3}, {3, 1})},
                                                    {"end", p_tensor(kStorage, 6, {0}, {1})}})));
  Tensor w = file.read("w");
  CHECK(bit_equal(file.read("transposed"), w.transpose(0, 1).contiguous()));
  CHECK(bit_equal(file.read("slice"), w.slice(1, 1, 3).contiguous()));
  CHECK(bit_equal(file.read("overlap"), w.as_strided({5, 2}, {1, 1}, 0).contiguous()));
  CHECK(bit_equal(file.read("repeated"), w.as_strided({4}, {0}, 4).contiguous()));
  CHECK(bit_equal(file.read("one").reshape({}), w.as_strided({}, {}, 5)));
  CHECK(bit_equal(file.read("scalar"), w.as_strided({}, {}, 2)));
  CHECK(file.read("none").shape() == Shape{0, 3});
  CHECK(file.read("end").numel() == 0);
}

TEST_CASE("pickle: Q20: kinds of tensors that are listed, but not read") {
  Refusals table;
  auto file = table.accept(
      "Q20", torch_zip(p_dict({{"w", p_w()},
                               {"quantised", p_call("torch._utils", "_rebuild_qtensor", {kStorage})},
                               {"sparse", p_call("torch._utils", "_rebuild_sparse_tensor", {"N"})},
                               {"meta", p_call("torch._utils", "_rebuild_meta_tensor_no_storage", {"N"})},
                               {"subclass", p_call("torch._tensor", "_rebuild_from_type_v2",
                                                   {p_global("torch._utils", "_rebuild_tensor_v2"),
                                                    p_global("mine", "Sub"), ")", "N"})}})));
  CHECK(file.entries().size() == 5);
  for (const char* name : {"quantised", "sparse", "meta", "subclass"}) {
    check_throws<DataError>([&] { file.read(name); }, {str("tensor ", name), "not supported"});
  }
  std::string complex = p_tensor(p_storage("0", 3, "ComplexFloatStorage"), 0, {3}, {1});
  auto other = table.accept("Q20 complex", torch_zip(p_dict({{"c", complex}})));
  check_throws<DataError>([&] { other.read("c"); }, {"tensor c", "complex64", "not supported"});
}

TEST_CASE("pickle: what is unknown is passed over, never called") {
  Refusals table;
  std::string args = p_global("argparse", "Namespace") + ")\x81" + p_dict({{"lr", p_int(1)}}) + "b";
  std::string scalar = p_call("numpy.core.multiarray", "scalar", {p_text("f8"), p_text("12345678")});
  auto file = table.accept(
      "opaque",
      torch_zip(p_dict({{"args", args}, {"best", scalar}, {"state_dict", p_dict({{"module.w", p_w()}})}})));
  CHECK(file.find("module.w") != nullptr);
  REQUIRE(file.warnings().size() == 1);
  CHECK(file.warnings()[0] == "took the tensors of \"state_dict\"");
}

TEST_CASE("pickle: Q23: --key chooses among several networks") {
  TempDir folder;
  write_bytes(folder / "gan.pth", torch_zip(p_dict({{"generator", dict_w(p_w())},
                                                    {"critic", p_dict({{"net", p_dict({{"v", p_w()}})}})}})));
  CHECK(weights::Checkpoint::open(folder / "gan.pth", {.key = "generator"}).find("w") != nullptr);
  CHECK(weights::Checkpoint::open(folder / "gan.pth", {.key = "critic.net"}).find("v") != nullptr);
  check_throws<DataError>([&] { weights::Checkpoint::open(folder / "gan.pth", {.key = "x"}); },
                          {"under \"x\"", "generator", "critic.net"});
}
