#include <atomic>
#include <numeric>

#include "core/parallel.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "core/tensor.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("sha256: the vectors of FIPS 180-4") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.add(std::string(1000, 'a'));
  CHECK(million.hex() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("philox: the known answers of Random123") {
  auto zero = philox(0, 0, 0);
  CHECK(zero == std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  auto ones = philox(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0});
  CHECK(ones == std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("parallel_for: every index once, for any thread count; exceptions arrive") {
  int before = threads();
  for (int count : {1, 2, 3, 8}) {
    set_threads(count);
    std::vector<int> hits(1001);
    parallel_for(1001, 7, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
    });
    CHECK(std::accumulate(hits.begin(), hits.end(), 0) == 1001);
    CHECK(*std::max_element(hits.begin(), hits.end()) == 1);
    CHECK_THROWS_AS(parallel_for(100, 1,
                                 [](int64_t begin, int64_t) {
                                   if (begin == 50) fail("stop");
                                 }),
                    Error);
    std::atomic<int> nested{0};
    parallel_for(4, 1, [&](int64_t, int64_t) { parallel_for(10, 1, [&](int64_t, int64_t) { ++nested; }); });
    CHECK(nested == 40);
  }
  set_threads(before);
}

TEST_CASE("tensor: views see the same elements, copies do not") {
  std::vector<float> values(24);
  std::iota(values.begin(), values.end(), 0.0f);
  Tensor t = Tensor::from(values, {2, 3, 4});
  CHECK(t.slice(1, 1, 2).contiguous().data<float>()[0] == 4);
  CHECK(t.transpose(0, 2).contiguous().data<float>()[1] == 12);
  CHECK(t.permute({2, 0, 1}).shape() == Shape{4, 2, 3});
  Tensor copy = t.clone();
  t.data<float>()[0] = 9;
  CHECK(copy.data<float>()[0] == 0);
  CHECK(t.reshape({6, 4}).data<float>()[0] == 9);
  check_throws<Error>([&] { t.reshape({5}); }, {"reshape", "[2, 3, 4]", "[5]"});
  check_throws<Error>([&] { t.data<double>(); }, {"f64", "f32"});
  check_throws<Error>([&] { t.as_strided({2}, {24}, 0); }, {"beyond"});
}
