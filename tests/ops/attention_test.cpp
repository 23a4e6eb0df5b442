#include <cmath>

#include "autograd/ops.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

struct Case {
  int64_t batch, queries, keys, heads, size;
  bool causal = false;
  std::vector<int64_t> lengths = {};
  int64_t bias_heads = 0;  // 0: no bias

  Attention how(Device device) const {
    Attention how{1 / std::sqrt(static_cast<double>(size)), causal, {}};
    if (!lengths.empty()) how.lengths = Tensor::from(lengths, {batch}).to(device);
    return how;
  }
  // q, k, v and, where there is one, the bias.
  std::vector<Tensor> inputs() const {
    std::vector<Tensor> all = {random_tensor({batch, queries, heads, size}, 1),
                               random_tensor({batch, keys, heads, size}, 2),
                               random_tensor({batch, keys, heads, size}, 3)};
    if (bias_heads > 0) all.push_back(random_tensor({bias_heads, queries, keys}, 4));
    return all;
  }
  Var operator()(const std::vector<Var>& in) const {
    return attention(in[0], in[1], in[2], in.size() > 3 ? in[3] : Var(), how(in[0].value().device()));
  }
};

std::string to_text(const Case& c) {
  return str("B ", c.batch, ", Tq ", c.queries, ", Tk ", c.keys, ", H ", c.heads, ", D ", c.size,
             c.causal ? ", causal" : "", c.lengths.empty() ? "" : ", lengths", ", bias ", c.bias_heads);
}

// Sizes below, at and above those of the tiles; head sizes of each kind of tile, of whole runs and not.
const std::vector<Case> kCases = {
    {1, 3, 2, 1, 3},
    {2, 3, 5, 2, 4, false, {5, 3}},
    {1, 65, 63, 1, 5, true, {}, 1},
    {2, 40, 130, 1, 16, true, {130, 71}, 1},
    {1, 70, 33, 2, 32, true, {}, 2},
    {2, 64, 64, 1, 48, false, {64, 1}},
    {2, 67, 65, 2, 64, false, {65, 9}, 1},
    {1, 129, 129, 1, 64, true},
    {1, 66, 35, 1, 100, true, {}, 1},
    {2, 33, 40, 1, 128, false, {40, 17}, 1},
    {1, 34, 33, 1, 130, true},
    {1, 5, 33, 1, 256, false, {33}, 1},
};

// The formula, row by row.
Tensor plain(const Case& c, const std::vector<Tensor>& in) {
  const double *q = in[0].data<double>(), *k = in[1].data<double>(), *v = in[2].data<double>();
  Tensor y = in[0].zeros_like();
  auto row = [&](int64_t rows, int64_t b, int64_t i, int64_t h) {
    return ((b * rows + i) * c.heads + h) * c.size;
  };
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t h = 0; h < c.heads; ++h) {
      for (int64_t i = 0; i < c.queries; ++i) {
        std::vector<double> p(static_cast<size_t>(c.keys));
        double sum = 0;
        for (int64_t j = 0; j < c.keys; ++j) {
          if (!c.lengths.empty() && j >= c.lengths[static_cast<size_t>(b)]) continue;
          if (c.causal && j > i + c.keys - c.queries) continue;
          double s = 0;
          for (int64_t d = 0; d < c.size; ++d)
            s += q[row(c.queries, b, i, h) + d] * k[row(c.keys, b, j, h) + d];
          s *= c.how(kCpu).scale;
          if (c.bias_heads > 0)
            s += in[3].data<double>()[((c.bias_heads > 1 ? h : 0) * c.queries + i) * c.keys + j];
          sum += p[static_cast<size_t>(j)] = std::exp(s);
        }
        for (int64_t j = 0; j < c.keys && sum > 0; ++j) {
          for (int64_t d = 0; d < c.size; ++d)
            y.data<double>()[row(c.queries, b, i, h) + d] +=
                p[static_cast<size_t>(j)] / sum * v[row(c.keys, b, j, h) + d];
        }
      }
    }
  }
  return y;
}

// y and the gradients of all inputs.
std::vector<Tensor> results(const Case& c, Device device, DType dtype) {
  std::vector<Var> in;
  for (const Tensor& t : c.inputs()) in.emplace_back(t.to(dtype).to(device), true);
  Var y = c(in);
  backward(y, random_tensor(y.shape(), 9, dtype).to(device));
  std::vector<Tensor> out = {y.value().to(kCpu)};
  for (const Var& v : in) out.push_back(v.grad().to(kCpu));
  return out;
}

}  // namespace

TEST_CASE("attention: PyTorch's values and gradients") {
  Golden golden("ops.json");
  auto cases = static_cast<int64_t>(golden.tensor("attention.cases").item());
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      if (dtype == DType::bf16) continue;  // the recorded inputs are no bf16 numbers
      double bar = dtype == DType::f32 ? 2e-6 : 1e-13;
      for (int64_t n = 0; n < cases; ++n) {
        auto of = [&](const char* name, DType type) {
          return golden.tensor(str("attention.", n, ".", name), type);
        };
        auto input = [&](const char* name) { return Var(of(name, dtype).to(device), true); };
        Var q = input("q"), k = input("k"), v = input("v"), bias = input("bias");
        bool causal = of("causal", DType::f64).item() != 0;
        Var y = attention(q, k, v, bias, {0.3, causal, of("lengths", DType::i64).to(device)});
        backward(y, of("dy", dtype).to(device));
        auto check = [&](const char* name, const Tensor& t) {
          INFO("case " << n << " " << name);
          CHECK(max_relative_difference(t.to(kCpu), of(name, DType::f64)) <= bar);
        };
        check("y", y.value());
        check("dq", q.grad());
        check("dk", k.grad());
        check("dv", v.grad());
        check("dbias", bias.grad());
      }
    }
  });
}

TEST_CASE("attention: the formula, row by row") {
  on_every_cpu_level([] {
    for (const Case& c : kCases) {
      INFO(to_text(c));
      std::vector<Var> in;
      for (const Tensor& t : c.inputs()) in.emplace_back(t);
      CHECK(max_relative_difference(c(in).value(), plain(c, c.inputs())) <= tolerance(DType::f64));
    }
  });
}

TEST_CASE("attention: gradient") {
  on_every_cpu_level([] {
    for (const Case& c :
         {Case{1, 1, 2, 1, 1}, Case{2, 3, 4, 2, 3, false, {3, 0}, 1}, Case{1, 5, 3, 2, 2, true, {}, 2},
          Case{1, 2, 70, 1, 2, true, {67}, 1}, Case{1, 67, 2, 1, 1, false, {}, 1}}) {
      INFO(to_text(c));
      check_gradients([&](const std::vector<Var>& in) { return c(in); }, c.inputs());
    }
  });
}

TEST_CASE("attention: every device and type agrees with f64 on the CPU") {
  on_every_cpu_level([] {
    for (const Case& c : kCases) {
      INFO(to_text(c));
      auto got = results(c, kCpu, DType::f32), expected = results(c, kCpu, DType::f64);
      for (size_t i = 0; i < got.size(); ++i)
        CHECK_MESSAGE(max_relative_difference(got[i], expected[i]) <= tolerance(DType::f32), "result " << i);
    }
  });
  for (const Case& c : kCases) {
    INFO(to_text(c));
    check_devices_agree([&](const std::vector<Var>& in) { return c(in); }, c.inputs());
  }
}

TEST_CASE("attention: a query that sees no key gives 0 and gets no gradient") {
  auto check = [](int64_t size, Device device, DType dtype) {
    // Of 6 queries and 3 keys, causal, the first three see none; the second entry has no keys at all.
    Case c{2, 6, 3, 2, size, true, {3, 0}, 1};
    INFO(to_text(c));
    auto part = [](const Tensor& t, int axis, int64_t begin, int64_t end) {
      return t.slice(axis, begin, end).clone();
    };
    auto is_zero = [](const Tensor& t) { return bit_equal(t, t.zeros_like()); };
    std::vector<Tensor> all = results(c, device, dtype);
    for (size_t which : {size_t{0}, size_t{1}}) {  // y, dq
      CHECK(is_zero(part(all[which], 1, 0, 3)));
      CHECK(is_zero(part(all[which], 0, 1, 2)));
      CHECK_FALSE(is_zero(part(part(all[which], 0, 0, 1), 1, 4, 6)));
    }
    for (size_t which : {size_t{2}, size_t{3}}) CHECK(is_zero(part(all[which], 0, 1, 2)));  // dk, dv
    CHECK(is_zero(part(all[4], 1, 0, 3)));                                                  // dbias
  };
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t size : {8, 16}) check(size, device, dtype);  // 16: tensor cores have it in bf16
    }
  });
}

TEST_CASE("attention: what a bias of -inf hides is as if it were not there") {
  on_every_device([](Device device) {
    Case c{1, 3, 70, 1, 4, false, {}, 1}, shorter{1, 3, 70, 1, 4, false, {66}};
    std::vector<Tensor> in = c.inputs();
    in[3].fill(0);
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t j = 66; j < 70; ++j) in[3].data<double>()[i * 70 + j] = -INFINITY;
    }
    std::vector<Var> a, b;
    for (const Tensor& t : in) a.emplace_back(t.to(DType::f32).to(device), true);
    for (size_t i = 0; i < 3; ++i) b.emplace_back(in[i].to(DType::f32).to(device), true);
    Tensor dy = random_tensor({1, 3, 1, 4}, 9, DType::f32).to(device);
    backward(c(a), dy);
    backward(shorter(b), dy);
    for (size_t i = 0; i < 3; ++i)
      CHECK(max_relative_difference(a[i].grad().to(kCpu), b[i].grad().to(kCpu)) <= 1e-6);
    // Where all is hidden, the result is 0.
    a[3] = Var(Tensor::full({1, 3, 70}, -INFINITY, DType::f32, device), true);
    Var y = c(a);
    backward(y, dy);
    CHECK(bit_equal(y.value().to(kCpu), Tensor::zeros({1, 3, 1, 4})));
    CHECK(bit_equal(a[3].grad().to(kCpu), Tensor::zeros({1, 3, 70})));
  });
}

TEST_CASE("attention: large scores neither overflow nor vanish") {
  on_every_device([](Device device) {
    // Scores of 1000, -1000 and, in the next tile of keys, 1000 again.
    Tensor k = Tensor::full({1, 70, 1, 1}, -1000, DType::f32), v = Tensor::zeros({1, 70, 1, 1});
    k.data<float>()[0] = k.data<float>()[69] = 1000;
    v.data<float>()[69] = 1;
    Var q(Tensor::full({1, 1, 1, 1}, 1, DType::f32, device));
    Var y = attention(q, Var(k.to(device)), Var(v.to(device)), {}, {});
    CHECK(y.value().to(kCpu).data<float>()[0] == 0.5f);
  });
}

TEST_CASE("attention: one key, no key, no query, no entry, no head") {
  auto check = [](int64_t size, Device device, DType dtype) {
    // Of one key the weight is 1 whatever the score: y is v, and q and k have nothing to learn.
    Case one{2, 3, 1, 2, size, false, {}, 1};
    std::vector<Tensor> all = results(one, device, dtype), in = one.inputs();
    for (int64_t i = 0; i < 3; ++i) CHECK(bit_equal(all[0].slice(1, i, i + 1).clone(), in[2].to(dtype)));
    for (size_t i : {size_t{1}, size_t{2}, size_t{4}}) {
      for (double value : all[i].to(DType::f64).span<double>())
        CHECK(std::abs(value) <= (dtype == DType::bf16 ? 0.1 : 1e-5));
    }
    for (const Case& c : {Case{2, 3, 0, 2, size, true, {0, 0}, 1}, Case{2, 0, 3, 2, size, false, {}, 1},
                          Case{0, 3, 4, 2, size, false, {}, 1}, Case{2, 3, 4, 0, size}}) {
      INFO(to_text(c));
      for (const Tensor& t : results(c, device, dtype)) CHECK(bit_equal(t, t.zeros_like()));
    }
  };
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t size : {5, 16}) check(size, device, dtype);
    }
  });
}

TEST_CASE("attention: the same for any thread count") {
  for (Device device : devices()) {
    check_same_for_any_threads([&] {
      std::vector<Tensor> all;
      for (size_t n : {size_t{3}, size_t{6}, size_t{9}}) {
        for (const Tensor& t : results(kCases[n], device, DType::f32)) all.push_back(t);
      }
      return all;
    });
  }
}

TEST_CASE("attention: only what needs a gradient gets one") {
  Case c{1, 3, 4, 2, 5, false, {}, 1};
  for (size_t which = 0; which < 4; ++which) {
    std::vector<Var> in;
    for (const Tensor& t : c.inputs()) in.emplace_back(t, in.size() == which);
    backward(c(in), random_tensor({1, 3, 2, 5}, 9));
    for (size_t i = 0; i < 4; ++i) CHECK(in[i].grad().defined() == (i == which));
    CHECK(max_relative_difference(in[which].grad(), results(c, kCpu, DType::f64)[which + 1]) == 0);
  }
}

TEST_CASE("attention: errors") {
  auto zeros = [](Shape shape, DType dtype = DType::f32) { return Var(Tensor::zeros(shape, dtype)); };
  Var q = zeros({2, 3, 2, 4}), k = zeros({2, 5, 2, 4});
  check_throws<Error>([&] { attention(zeros({2, 3, 8}), k, k, {}, {}); }, {"attention", "[2, 3, 8]"});
  check_throws<Error>(
      [&] {
        attention(q, zeros({2, 5, 2, 3}), k, {}, {});
      },
      {"attention: q", "[2, 5, 2, 3]"});
  check_throws<Error>(
      [&] {
        attention(q, k, zeros({2, 4, 2, 4}), {}, {});
      },
      {"attention: v", "[2, 4, 2, 4]"});
  check_throws<Error>([&] { attention(q, k, zeros({2, 5, 2, 4}, DType::f64), {}, {}); }, {"differ in type"});
  check_throws<Error>([&] { attention(q, k, k, zeros({3, 3, 5}), {}); }, {"bias f32[3, 3, 5]", "[2, 3, 5]"});
  check_throws<Error>([&] { attention(q, k, k, zeros({1, 3, 5}, DType::f64), {}); }, {"bias f64[1, 3, 5]"});
  check_throws<Error>([&] { attention(q, k, k, {}, {1, false, Tensor::zeros({2})}); }, {"lengths", "i64[2]"});
  check_throws<Error>(
      [&] {
        attention(zeros({1, 1, 1, 0}), zeros({1, 1, 1, 0}), zeros({1, 1, 1, 0}), {}, {});
      },
      {"head of size 0"});
  on_every_device([&](Device device) {
    for (int64_t bad : {int64_t{-1}, int64_t{6}}) {
      Var there(q.value().to(device)), keys(k.value().to(device));
      Tensor lengths = Tensor::from(std::vector<int64_t>{5, bad}, {2}).to(device);
      check_throws<DataError>(
          [&] {
            attention(there, keys, keys, {}, {1, false, lengths}).value().to(kCpu);
          },
          {"attention", str("length ", bad), "entry 1", "5 keys"});
    }
    if (device.is_cuda()) {
      Var wide(Tensor::zeros({1, 1, 1, 257}, DType::f32, device));
      check_throws<Error>([&] { attention(wide, wide, wide, {}, {}); }, {"heads of size 257", "256"});
    }
  });
}
