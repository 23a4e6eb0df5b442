#include "core/block_cache.h"

#include <cstdlib>
#include <set>

#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

// Has room for so many bytes and counts what it is asked.
struct Small : BlockSource {
  int64_t room = 4096, most = 1 << 20;
  int asked = 0;
  std::map<void*, int64_t> given;
  void* take(int64_t bytes) override {
    ++asked;
    if (bytes > room) return nullptr;
    room -= bytes;
    void* block = std::malloc(static_cast<size_t>(bytes));
    given[block] = bytes;
    return block;
  }
  void give(void* block) override {
    room += given.at(block);
    given.erase(block);
    std::free(block);
  }
  int64_t most_cached() const override { return most; }
  std::string name() const override { return "small"; }
};

}  // namespace

TEST_CASE("size_class: at least the size, at most a sixteenth more, and the same for its own members") {
  CHECK(size_class(0) == 64);
  CHECK(size_class(64) == 64);
  CHECK(size_class(65) == 128);
  for (int64_t bytes = 1; bytes < (int64_t{1} << 40); bytes = bytes * 5 / 3 + 1) {
    int64_t reserved = size_class(bytes);
    CHECK(reserved >= bytes);
    CHECK(reserved <= std::max<int64_t>(bytes + 64, bytes + bytes / 15));
    CHECK(size_class(reserved) == reserved);
  }
}

TEST_CASE("block cache: a freed block serves the next of its class") {
  Small source;
  BlockCache cache(source);
  void* a = cache.take(1000);
  CHECK(cache.use().current == 1000);
  cache.give(a, 1000);
  CHECK(cache.take(990) == a);
  CHECK(source.asked == 1);
  CHECK(cache.use().peak == 1000);
  cache.give(a, 990);
  cache.release();
  CHECK(source.given.empty());
}

TEST_CASE("block cache: out of memory gives the cached blocks back and tries again, then names the size") {
  Small source;
  BlockCache cache(source);
  void* a = cache.take(3000);
  cache.give(a, 3000);
  void* b = cache.take(2000);  // fits only without the cached block
  CHECK(source.asked == 3);
  check_throws<MemoryError>([&] { cache.take(3000); },
                            {"out of memory", "2.9 KiB", "small", "2.0 KiB in use"});
  CHECK(cache.use().current == 2000);
  cache.give(b, 2000);
  cache.release();
  CHECK(source.room == 4096);
}

TEST_CASE("block cache: keeps no more than the source allows") {
  Small source;
  source.most = 100;
  BlockCache cache(source);
  cache.give(cache.take(1000), 1000);
  CHECK(source.given.empty());
}
