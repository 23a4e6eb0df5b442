// A tensor read in pieces is the tensor; put into place piece by piece, it is what to_engine makes of it
// whole.
#include <filesystem>

#include "tests/support.h"
#include "weights/checkpoint.h"
#include "weights/layout.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using weights::Checkpoint;

namespace {

// The pieces side by side; each must begin where the one before ended.
Tensor assembled(const Checkpoint& file, const weights::Entry& entry, int64_t most) {
  Tensor out = Tensor::empty(entry.shape.rank() == 0 ? Shape{1} : entry.shape, entry.dtype);
  int64_t next = 0;
  int along = -1;
  file.read_pieces(entry.name, most, [&](int axis, int64_t begin, int64_t end, const Tensor& piece) {
    CHECK(begin == next);
    CHECK(end > begin);
    CHECK((along == -1 || along == axis));
    next = end;
    along = axis;
    out.slice(axis, begin, end).copy_from(piece);
  });
  if (out.numel() > 0) CHECK(next == out.dim(along));
  return out.reshape(entry.shape);
}

}  // namespace

TEST_CASE("pieces: of every tensor of PyTorch's files, views of any strides among them") {
  int tensors = 0;
  for (const auto& file : std::filesystem::directory_iterator(source_dir() + "/tests/golden/checkpoints")) {
    Checkpoint checkpoint = Checkpoint::open(file.path().string());
    for (const weights::Entry& entry : checkpoint.entries()) {
      if (!entry.problem.empty()) continue;
      CAPTURE(file.path().filename().string());
      CAPTURE(entry.name);
      Tensor whole = checkpoint.read(entry.name);
      for (int64_t most : {1, 20, 64, 1 << 20}) CHECK(bit_equal(assembled(checkpoint, entry, most), whole));
      ++tensors;
    }
  }
  CHECK(tensors > 40);
}

TEST_CASE("pieces: in their place in every layout") {
  using nn::Published;
  struct Case {
    Published published;
    Shape engine;
  };
  for (const Case& c :
       {Case{Published::same, {5, 3, 2}}, Case{Published::same, {}}, Case{Published::same, {0, 3}},
        Case{Published::conv_oihw, {5, 2, 3, 4}}, Case{Published::linear_io, {5, 7}},
        Case{Published::flat_chw7, {3, 98}}, Case{Published::flat_chw7, {1, 49}}}) {
    CAPTURE(to_text(c.engine));
    Tensor file = random_tensor(weights::published_shape(c.engine, c.published), 1, DType::f32);
    Tensor expected = weights::to_engine(file, c.published);
    for (int axis = 0; axis < std::max(1, file.rank()); ++axis) {
      for (int64_t step : {1, 2, 100}) {
        Tensor found = Tensor::zeros(c.engine), rows = file.rank() == 0 ? file.reshape({1}) : file;
        for (int64_t begin = 0; begin < rows.dim(axis); begin += step) {
          int64_t end = std::min(begin + step, rows.dim(axis));
          weights::match_part(found, c.published, axis, begin, end, rows.slice(axis, begin, end),
                              [](const Tensor& place, const Tensor& part) { place.copy_from(part); });
        }
        CHECK(bit_equal(found, expected));
      }
    }
  }
}

TEST_CASE("pieces: a damaged record is told at the end") {
  TempDir folder;
  weights::save_torch_zip(folder / "a.pth", {{"w", random_tensor({1000}, 1, DType::f32)}});
  std::string path = folder / "a.pth";
  FILE* f = std::fopen(path.c_str(), "r+b");
  std::fseek(f, 2000, SEEK_SET);
  int byte = std::fgetc(f);
  std::fseek(f, 2000, SEEK_SET);
  std::fputc(byte ^ 1, f);
  std::fclose(f);
  Checkpoint file = Checkpoint::open(path);
  check_throws<DataError>([&] { file.read_pieces("w", 100, [](int, int64_t, int64_t, const Tensor&) {}); },
                          {"CRC", "changed after the file was written"});
}
