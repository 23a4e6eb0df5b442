#include "autograd/ops.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

// n indices below rows; half of them fall on three rows, as words do.
Tensor indices_below(int64_t rows, int64_t n) {
  Tensor t = Tensor::empty({n}, DType::i64);
  Rng rng(5);
  for (int64_t& v : t.span<int64_t>()) {
    int64_t any = static_cast<int64_t>(rng.below(static_cast<uint64_t>(rows)));
    v = rng.below(2) == 0 ? any : any % std::min<int64_t>(3, rows);
  }
  return t;
}

struct Case {
  int64_t rows, cols, n;
};
// Rows and columns that fill blocks and do not; one piece of positions and several.
const std::vector<Case> kCases = {{1, 1, 1},      {1, 1, 0},     {7, 5, 3},     {70, 8, 300},
                                  {3, 768, 700},  {2, 16, 3001}, {200, 9, 257}, {5, 4100, 2000},
                                  {1000, 33, 10}, {4, 0, 3}};

}  // namespace

TEST_CASE("embedding: PyTorch's values and gradients, with and without a padding row") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      if (dtype == DType::bf16) continue;  // the recorded inputs are no bf16 numbers
      for (std::string name : {"plain", "padded"}) {
        Var table(golden.tensor("embedding.table", dtype).to(device), true);
        Tensor indices = golden.tensor("embedding.indices", DType::i64).to(device);
        Var y = embedding(table, indices, name == "padded" ? 1 : -1);
        backward(y, golden.tensor("embedding.dy", dtype).to(device));
        auto expected = [&](const char* what) { return golden.tensor(str("embedding.", name, ".", what)); };
        CHECK(bit_equal(y.value().to(kCpu), expected("y").to(dtype)));
        CHECK(max_relative_difference(table.grad().to(kCpu), expected("dtable")) <= 1e-7);
      }
    }
  });
}

TEST_CASE("embedding: gradient") {
  on_every_cpu_level([] {
    for (auto [rows, cols, n] : {Case{1, 1, 1}, Case{4, 3, 9}, Case{9, 2, 3}}) {
      Tensor indices = indices_below(rows, n);
      check_gradients([&](const std::vector<Var>& v) { return embedding(v[0], indices); },
                      {random_tensor({rows, cols}, 1)});
    }
  });
}

TEST_CASE("embedding: every device and type agrees with f64 on the CPU") {
  for (auto [rows, cols, n] : kCases) {
    INFO("[" << rows << ", " << cols << "] by " << n);
    Tensor indices = indices_below(rows, n);
    check_devices_agree(
        [&](const std::vector<Var>& v) {
          return embedding(v[0], indices.to(v[0].value().device()), 2 % rows);
        },
        {random_tensor({rows, cols}, 1)});
  }
}

TEST_CASE("embedding: sums of whole numbers are exact, and rows that nobody names get 0") {
  on_every_device([](Device device) {
    for (auto [rows, cols, n] : kCases) {
      INFO("[" << rows << ", " << cols << "] by " << n);
      Tensor indices = indices_below(rows, n), expected = Tensor::zeros({rows, cols});
      for (int64_t i : indices.span<int64_t>()) {
        for (int64_t c = 0; c < cols; ++c) expected.data<float>()[i * cols + c] += 1;
      }
      Var table(Tensor::zeros({rows, cols}, DType::f32, device), true);
      Var y = embedding(table, indices.to(device));
      backward(y, Tensor::full(y.shape(), 1, DType::f32, device));
      CHECK(bit_equal(table.grad().to(kCpu), expected));
    }
  });
}

TEST_CASE("embedding: many terms of one row; a table at any address") {
  on_every_device([](Device device) {
    Tensor whole = random_tensor({8 * 12 + 1}, 1, DType::f32).to(device),
           part = whole.slice(0, 1, 8 * 12 + 1);
    Tensor indices = Tensor::full({20000}, 3, DType::i64, device);
    Var table(part.reshape({12, 8}), true), y = embedding(table, indices);
    CHECK(bit_equal(y.value().slice(0, 19999, 20000).to(kCpu).contiguous(),
                    table.value().slice(0, 3, 4).to(kCpu).contiguous()));
    backward(y, Tensor::full({20000, 8}, 0.1, DType::f32, device));
    Tensor grad = table.grad().to(kCpu);
    CHECK(grad.data<float>()[3 * 8] == doctest::Approx(2000).epsilon(1e-5));
    CHECK(grad.data<float>()[4 * 8] == 0);
  });
}

TEST_CASE("embedding: the same for any thread count") {
  for (Device device : devices()) {
    check_same_for_any_threads([&] {
      Var table(random_tensor({300, 70}, 1, DType::f32).to(device), true);
      Var y = embedding(table, indices_below(300, 2000).to(device));
      backward(y, random_tensor({2000, 70}, 2, DType::f32).to(device));
      return std::vector{y.value().to(kCpu), table.grad().to(kCpu)};
    });
  }
}

TEST_CASE("embedding: errors") {
  Var table(Tensor::zeros({7, 2}));
  auto with = [](int64_t index) {
    Tensor indices = Tensor::full({2, 3}, 1, DType::i64);
    indices.data<int64_t>()[4] = index;
    return indices;
  };
  check_throws<DataError>([&] { embedding(table, with(7)); },
                          {"embedding", "index 7", "position 4", "7 rows"});
  check_throws<DataError>([&] { embedding(table, with(-1)); }, {"index -1", "position 4"});
  check_throws<DataError>([&] { embedding(Var(Tensor::zeros({0, 2})), with(0)); }, {"index 1", "0 rows"});
  check_throws<Error>([&] { embedding(table, Tensor::zeros({3})); }, {"embedding", "f32[3]", "i64"});
  check_throws<Error>([&] { embedding(Var(Tensor::zeros({7})), with(0)); }, {"f32[7]", "[rows, columns]"});
  check_throws<Error>([&] { embedding(table, with(0), 7); }, {"padding index 7", "f32[7, 2]"});
}

TEST_CASE("embedding: an index out of range on a device is told by the next copy to the CPU, once") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    Tensor indices = indices_below(7, 3000);
    indices.data<int64_t>()[2500] = -7;
    indices.data<int64_t>()[1333] = 7;  // the first of the two
    Var table(random_tensor({7, 3}, 1, DType::f32).to(device), true);
    Var y = embedding(table, indices.to(device));
    check_throws<DataError>([&] { y.value().to(kCpu); }, {"embedding", "index 7", "position 1333", "7 rows"});
    backward(sum(y));
    Tensor row = y.value().to(kCpu).slice(0, 1333, 1334).contiguous();
    CHECK(bit_equal(row, Tensor::zeros({1, 3})));
    CHECK(table.grad().to(kCpu).numel() == 21);
  }
}
