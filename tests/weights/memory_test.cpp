// What loading costs: the weights and little more, from every kind of file. Each load runs in a process of
// its own, so that neither the tests before it nor those beside it count.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/weights/make_files.h"
#include "tests/weights/refusal.h"
#include "weights/load.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr int64_t kSide = 49 << 17;  // elements of each matrix
constexpr const char* kChild = "memory: what one process does for the tests below";

// One matrix in each layout that files have, one of them under two names.
struct Net : nn::Module {
  explicit Net(DType dtype = DType::f32)
      : words(Tensor::untouched_zeros({kSide / 256, 256}, dtype)),
        conv(Tensor::untouched_zeros({1024, 2, 4, kSide / 8192}, dtype)),
        turned(Tensor::untouched_zeros({4096, kSide / 4096}, dtype)),
        dense(Tensor::untouched_zeros({kSide / 1568, 1568}, dtype)),
        scalar(Tensor::zeros({}, dtype)) {}
  void parts(nn::Parts& p) override {
    p("words.weight", words)("conv.weight", conv, nn::Published::conv_oihw);
    p("turned.weight", turned, nn::Published::linear_io)("dense.weight", dense, nn::Published::flat_chw7);
    p("scalar", scalar)("head.weight", words);
  }
  nn::Parameter words, conv, turned, dense, scalar;
};

int64_t bytes_of(nn::Module& network) {
  int64_t bytes = 0;
  for (const nn::NamedTensor& t : nn::named_parameters(network)) bytes += t.value().bytes();
  return bytes;
}

// A value for each place in the file's order, which every type holds exactly.
float value_at(int64_t i) {
  return static_cast<float>(i * 7 % 2039 - 1000);
}
void fill(const Tensor& published) {
  float* values = published.data<float>();
  for (int64_t i = 0; i < published.numel(); ++i) values[i] = value_at(i);
}
std::vector<weights::SavedTensor> tensors(weights::Tied tied) {
  Net network;
  std::vector<weights::SavedTensor> all = weights::published_tensors(network, tied);
  for (weights::SavedTensor& t : all) {
    t.value = Tensor::empty(t.value.shape());
    fill(t.value);
  }
  return all;
}

std::string bytes(const Tensor& t) {
  return {static_cast<const char*>(t.raw()), static_cast<size_t>(t.bytes())};
}

// [rows, cols] whose elements lie column by column: a matrix that was transposed before it was saved.
std::string column_by_column(const Tensor& t) {
  return bytes(t.transpose(0, 1).contiguous());
}

void write_legacy(const std::string& path) {
  LegacyForm form;
  std::vector<std::pair<std::string, std::string>> object;
  std::string keys, storages;
  for (const weights::SavedTensor& t : tensors(weights::Tied::first_name)) {
    std::vector<int64_t> sizes(t.value.shape().begin(), t.value.shape().end());
    std::vector<int64_t> strides(t.value.strides().begin(), t.value.strides().end());
    bool turned = t.name == "dense.weight" || t.name == "turned.weight";
    if (turned) strides = {1, sizes[0]};
    std::string key = str(object.size());
    object.push_back({t.name, p_tensor(p_storage(key, t.value.numel()), 0, sizes, strides)});
    keys += p_text(key);
    storages += little(static_cast<uint64_t>(t.value.numel()), 8);
    storages += turned ? column_by_column(t.value) : bytes(t.value);
  }
  form.object = pickled(p_dict(object));
  form.keys = pickled("](" + keys + "e");
  write_bytes(path, form.magic + form.protocol + form.system + form.object + form.keys + storages);
}

void write_tar(const std::string& path) {
  std::vector<weights::SavedTensor> all = tensors(weights::Tied::first_name);
  std::string storages = pickled(p_int(static_cast<int64_t>(all.size()))), views = storages;
  std::vector<std::pair<std::string, std::string>> object;
  for (size_t i = 0; i < all.size(); ++i) {
    const Tensor& value = all[i].value;
    auto id = static_cast<int64_t>(i);
    storages += pickled(p_tuple({p_int(100 + id), p_text("cpu"), p_global("torch", "FloatStorage")}));
    storages += little(static_cast<uint64_t>(value.numel()), 8) + bytes(value);
    views += pickled(p_tuple({p_int(id), p_int(100 + id), p_global("torch", "FloatTensor")}));
    views += little(static_cast<uint32_t>(value.rank()), 4) + little(0, 4);
    for (int64_t size : value.shape()) views += little(static_cast<uint64_t>(size), 8);
    for (int64_t step : value.strides()) views += little(static_cast<uint64_t>(step), 8);
    views += little(0, 8);
    object.push_back({all[i].name, p_text(str(i)) + "Q"});
  }
  storages += pickled("]");
  write_bytes(path, tar_file({{"sys_info", sys_info()},
                              {"pickle", pickled(p_dict(object))},
                              {"tensors", views},
                              {"storages", storages}}));
}

void write_shards(const std::string& folder) {
  std::string map;
  int64_t number = 0;
  for (const weights::SavedTensor& t : tensors(weights::Tied::first_name)) {
    std::string file = str("model-", number++, ".safetensors");
    weights::save_safetensors(folder + "/" + file, {t});
    map += str(map.empty() ? "" : ",", '"', t.name, "\":\"", file, '"');
  }
  write_bytes(folder + "/model.safetensors.index.json", str(R"({"metadata":{},"weight_map":{)", map, "}}"));
}

// Runs the test program anew in `folder`, where it does what the file `task` says.
void run_alone(const std::string& folder, const std::string& task) {
  INFO(task);
  write_bytes(folder + "/task", task);
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  int status = std::system(
      str("cd '", folder, "' && '", self, "' --no-skip '--test-case=", kChild, "' >out.txt 2>&1").c_str());
  std::ifstream in(folder + "/out.txt");
  std::string out{std::istreambuf_iterator<char>(in), {}};
  CHECK_MESSAGE(status == 0, out);
  CHECK(out.find("test cases: 1 | 1 passed") != std::string::npos);
}

}  // namespace

TEST_CASE("memory: what one process does for the tests below" * doctest::skip()) {
  std::ifstream in("task");
  std::string what, file;
  REQUIRE(static_cast<bool>(in >> what >> file));
  int64_t before = resident("VmRSS:"), needed = 0;
  Net network;
  std::vector<Tensor> kept;
  auto checkpoint = weights::Checkpoint::open(file);
  if (what == "load") {
    weights::load(network, checkpoint).require_complete();
    needed = bytes_of(network);
  } else {
    for (const weights::Entry& entry : checkpoint.entries()) kept.push_back(checkpoint.read(entry.name));
    for (const Tensor& t : kept) needed += t.bytes();
  }
  int64_t used = resident("VmHWM:") - before;
  CHECK(used >= needed * 9 / 10);  // the measurement works
  CHECK(used <= needed * 105 / 100 + (int64_t{64} << 20));
  if (what != "load") return;
  for (const weights::SavedTensor& t : weights::published_tensors(network)) {
    CAPTURE(t.name);
    Tensor values = t.value.reshape({t.value.numel()});
    bool equal = true;
    for (int64_t i = 0; i < values.numel(); ++i) equal = equal && values.data<float>()[i] == value_at(i);
    CHECK(equal);
  }
}

TEST_CASE("memory: loading a network costs its weights, from every kind of file") {
  if (kAddressSanitized) return;  // which takes memory of its own
  TempDir folder;
  auto check = [&](const std::string& file) {
    run_alone(folder.path(), "load " + file);
    std::filesystem::remove_all(folder / file);
  };
  weights::save_safetensors(folder / "safetensors", tensors(weights::Tied::first_name));
  check("safetensors");
  weights::save_torch_zip(folder / "zip", tensors(weights::Tied::each_name));  // tied values twice
  check("zip");
  write_legacy(folder / "legacy");  // and two matrices column by column
  check("legacy");
  write_tar(folder / "tar");
  check("tar");
  std::filesystem::create_directories(folder / "shards");
  write_shards(folder / "shards");
  check("shards");
  std::vector<weights::SavedTensor> halves = tensors(weights::Tied::first_name);
  for (weights::SavedTensor& t : halves) t.value = t.value.to(DType::f16);
  weights::save_safetensors(folder / "f16", halves);
  check("f16");
}

TEST_CASE("memory: reading tensors costs their bytes") {
  if (kAddressSanitized) return;
  TempDir folder;
  weights::save_safetensors(folder / "safetensors", tensors(weights::Tied::first_name));
  run_alone(folder.path(), "read safetensors");
  write_legacy(folder / "legacy");
  run_alone(folder.path(), "read legacy");
}
