// Every single-byte change and every truncation of small checkpoints is answered: with one clear DataError,
// or by loading. Where the container has checksums, what loads is bit-identical.
#include "core/sha256.h"
#include "tests/weights/make_files.h"
#include "tests/weights/refusal.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

namespace {

// Names, types, shapes and elements of everything in the file.
std::string fingerprint(const weights::Checkpoint& checkpoint) {
  Sha256 hash;
  for (const auto& entry : checkpoint.entries()) hash.add(to_text(entry)).add(checkpoint.read(entry.name));
  return hash.hex();
}

struct Tally {
  int files = 0, refused = 0, equal = 0, other = 0;
};

Tally sweep(const std::string& seed, bool checksums) {
  TempDir folder;
  std::string path = folder / "seed";
  write_bytes(path, seed);
  std::string good = fingerprint(weights::Checkpoint::open(path));
  Tally tally;
  auto answer = [&](const std::string& bytes, const std::string& what) {
    write_bytes(path, bytes);
    ++tally.files;
    try {
      bool same = fingerprint(weights::Checkpoint::open(path)) == good;
      ++(same ? tally.equal : tally.other);
      if (checksums && !same) FAIL_CHECK(what << " loads as something else");
    } catch (const DataError& e) {
      ++tally.refused;
      if (is_generic(e.what()) || !std::string(e.what()).starts_with(path))
        FAIL_CHECK(what << ": " << e.what());
    } catch (const std::exception& e) {
      FAIL_CHECK(what << " ends with another error: " << e.what());
    }
  };
  for (size_t i = 0; i < seed.size(); ++i) {
    for (unsigned char change : {0x01, 0x80, 0xFF}) {
      std::string bytes = seed;
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ change);
      answer(bytes, str("byte ", i, " ^ ", int{change}));
    }
  }
  for (size_t n = 0; n < seed.size(); ++n) answer(seed.substr(0, n), str("the first ", n, " bytes"));
  return tally;
}

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("mutations: foreign containers") {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + describe("a", "F32", "[2,2]", "[0,16]") +
                       "," + describe("b", "BOOL", "[2]", "[16,18]") + "}";
  Tally plain = sweep(safetensors_file(header, counting(16) + std::string("\0\1", 2)), false);
  Tally legacy = sweep(legacy_file(), false);
  Tally tar = sweep(tar_file(torch_tar_parts()), false);
  for (const Tally* t : {&plain, &legacy, &tar}) {
    MESSAGE(t->files << " files, " << t->refused << " refused, " << t->equal << " equal, " << t->other
                     << " other");
    CHECK(t->refused + t->equal + t->other == t->files);
    CHECK(t->refused > t->files / 4);
  }
}

TEST_CASE("mutations: torch zip and graft's own files never load as something else") {
  TempDir folder;
  std::vector<weights::SavedTensor> tensors = {{"conv.weight", random_tensor({2, 1, 3, 3}, 1, DType::f32)},
                                               {"bn.num_batches_tracked", Tensor::full({}, 7, DType::i64)},
                                               {"half", random_tensor({5}, 2, DType::f16)}};
  weights::save_safetensors(folder / "a.safetensors", tensors, {{"labels", "daisy, rose"}});
  weights::save_torch_zip(folder / "a.pth", tensors);
  for (std::string seed : {zip_file(torch_parts(pickled(p_dict({{"w", p_w()}})))),
                           file_bytes(folder / "a.safetensors"), file_bytes(folder / "a.pth")}) {
    Tally t = sweep(seed, true);
    MESSAGE(t.files << " files, " << t.refused << " refused, " << t.equal << " equal");
    CHECK(t.other == 0);
    CHECK(t.refused + t.equal == t.files);
  }
}
