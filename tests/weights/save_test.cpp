// Writing: what a reader would refuse is never written, and a failure leaves the old file and nothing else.
#include "weights/save.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support.h"
#include "core/atomic_file.h"
#include "weights/checkpoint.h"

using namespace graft;
using namespace graft::test;
using weights::Checkpoint;
using weights::SavedTensor;

namespace {

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

size_t files_in(const std::string& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

// A disk that is full: no file of this process may grow beyond `bytes`.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    signal_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit before_{};
  void (*signal_)(int);
};

const std::vector<DType> kTypes = {DType::f32, DType::f64, DType::bf16, DType::f16,
                                   DType::i64, DType::i32, DType::u8,   DType::b8};

}  // namespace

TEST_CASE("save: every type and rank comes back bit-equal, from both formats; two saves are equal") {
  TempDir folder;
  std::vector<SavedTensor> tensors;
  for (DType t : kTypes) tensors.push_back({std::string(to_text(t)), Tensor::full({3, 5}, 1, t)});
  for (int rank = 0; rank <= Shape::kMaxRank; ++rank) {
    Shape shape;
    for (int i = 0; i < rank; ++i) shape.push_back(1 + i % 3);
    tensors.push_back({str("rank", rank), random_tensor(shape, 9, DType::f32)});
  }
  tensors.push_back({"empty", Tensor::zeros({0, 3})});
  tensors.push_back({"transposed", random_tensor({4, 6}, 3, DType::f32).transpose(0, 1)});
  tensors.push_back({"na\u00efve/name with spaces", random_tensor({2}, 4)});
  for (int form = 0; form < 2; ++form) {
    auto save = [&](const std::string& name) {
      form == 0 ? weights::save_safetensors(folder / name, tensors,
                                            {{"labels", "daisy\n\"rose\"\t\u00e9"}, {"graft", "x"}})
                : weights::save_torch_zip(folder / name, tensors);
    };
    save("a");
    save("b");
    CHECK(file_bytes(folder / "a") == file_bytes(folder / "b"));
    Checkpoint file = Checkpoint::open(folder / "a");
    CHECK(file.entries().size() == tensors.size());
    for (const SavedTensor& t : tensors) {
      INFO(t.name);
      CHECK(bit_equal(file.read(t.name), t.value.contiguous()));
    }
    if (form == 0) CHECK(file.metadata().at("labels") == "daisy\n\"rose\"\t\u00e9");
  }
}

TEST_CASE("S38: names that a reader would refuse are refused before anything is written") {
  TempDir folder;
  Tensor t = Tensor::zeros({1});
  struct Case {
    std::vector<SavedTensor> tensors;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{{{{"__metadata__", t}}, "reserved"},
                                         {{{"a", t}, {"a", t}}, "occurs twice"},
                                         {{{"", t}}, "is empty"},
                                         {{{"a\xFF", t}}, "not valid UTF-8"},
                                         {{{std::string("a\0b", 3), t}}, "control character at byte 1"},
                                         {{{"a\n", t}}, "control character"},
                                         {{{"a", Tensor()}}, "has no tensor"}}) {
    check_throws<DataError>([&] { weights::save_safetensors(folder / "a", c.tensors); },
                            {"cannot save", c.message});
    check_throws<DataError>([&] { weights::save_torch_zip(folder / "a", c.tensors); },
                            {"cannot save", c.message});
  }
  check_throws<DataError>(
      [&] {
        weights::save_safetensors(folder / "a", {}, {{"graft.sha256", "x"}});
      },
      {"graft's own"});
  check_throws<DataError>(
      [&] {
        weights::save_safetensors(folder / "a", {}, {{"k", "\xFF"}});
      },
      {"not valid UTF-8"});
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("save: a full disk leaves the old file and nothing else") {
  TempDir folder;
  std::string path = folder / "net";
  std::vector<SavedTensor> tensors = {{"a", random_tensor({1000}, 1, DType::f32)}};
  weights::save_safetensors(path, tensors);
  std::string before = file_bytes(path);
  for (rlim_t room : {0, 1, 100, 1000, 4000}) {
    FullDisk full(room);
    check_throws<DiskError>(
        [&] {
          weights::save_safetensors(path, tensors, {{"k", "v"}});
        },
        {path, "bytes", "untouched"});
    check_throws<DiskError>([&] { weights::save_torch_zip(path, tensors); }, {path, "bytes", "untouched"});
    CHECK(files_in(folder.path()) == 1);
  }
  CHECK(file_bytes(path) == before);
}

TEST_CASE("save: places where nothing can be written") {
  TempDir folder;
  for (std::string path :
       {folder / "none/net", folder.path(), folder / "x/", std::string("/proc/net.safetensors")}) {
    INFO(path);
    check_throws<DiskError>([&] { weights::save_safetensors(path, {}); }, {"cannot write"});
  }
  try {
    weights::save_safetensors(folder / "none/net", {});
  } catch (const DiskError& e) {
    CHECK(e.exit_code() == 74);
  }
}

TEST_CASE("save: through a symbolic link its target is replaced") {
  TempDir folder;
  weights::save_safetensors(folder / "real", {{"a", Tensor::zeros({1})}});
  std::filesystem::create_symlink(folder / "real", folder / "link");
  weights::save_safetensors(folder / "link", {{"b", Tensor::zeros({1})}});
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(Checkpoint::open(folder / "real").find("b") != nullptr);
}

TEST_CASE("atomic file: without commit nothing appears") {
  TempDir folder;
  {
    AtomicFile file(folder / "a");
    file.write("half of it");
  }
  CHECK(files_in(folder.path()) == 0);
}
