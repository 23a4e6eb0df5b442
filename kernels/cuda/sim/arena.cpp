#include "kernels/cuda/sim/arena.h"

#include <sys/mman.h>

#include <cstring>

#include "core/error.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

constexpr size_t kAlignment = 128;  // and so all 32 banks begin together
constexpr unsigned char kPoison = 0xFF;
constexpr unsigned char kRedZoneFill = 0xCA;

char* map_memory(void* at, size_t bytes) {
  void* p =
      mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
  GRAFT_CHECK_AS(MemoryError, p != MAP_FAILED, "simulator: no memory for ", bytes, " bytes of shared memory");
  return static_cast<char*>(p);
}

size_t round_up(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Arena::Arena() : memory_(map_memory(nullptr, kBytes)) {}

Arena::~Arena() {
  unpoison(memory_, kBytes);
  munmap(memory_, kBytes);
}

void Arena::begin_block(size_t dynamic_bytes) {
  // A new mapping in the old place makes ThreadSanitizer forget the last block, whose memory this was.
  if (kThreadSanitizer) map_memory(memory_, kBytes);
  count_ = 0;
  next_ = memory_ + kTagBytes;
  // No more aligned than promised: what needs 1024 has to see to it itself, as on the GPU.
  size_t misalign = (reinterpret_cast<uintptr_t>(next_) + kRedZone) % 1024;
  next_ += (1024 + kAlignment - misalign) % 1024;
  unpoison(next_, kRedZone);
  std::memset(next_, kRedZoneFill, kRedZone);
  poison(next_, kRedZone);
  next_ += kRedZone;
  add(nullptr, dynamic_bytes);
}

char* Arena::add(const void* tag, size_t bytes) {
  char* data = next_;
  size_t with_zone = round_up(bytes) + kRedZone;
  UnseenWrites unseen;
  unpoison(data, with_zone);
  std::memset(data, kPoison, bytes);
  std::memset(data + bytes, kRedZoneFill, with_zone - bytes);
  poison(data + bytes, with_zone - bytes);
  next_ += with_zone;
  pieces_[count_++] = {tag, data, bytes};
  return data;
}

void* Arena::static_piece(const void* tag, size_t bytes) {
  size_t total = bytes;
  for (int i = 1; i < count_; ++i) {
    if (pieces_[i].tag == tag) return pieces_[i].data;
    total += pieces_[i].bytes;
  }
  GRAFT_CHECK(count_ < kMaxPieces, "shared: more than ", kMaxPieces - 1, " pieces in one kernel");
  GRAFT_CHECK(total <= kMaxStaticShared, "shared: ", total, " bytes of static shared memory; a block has ",
              kMaxStaticShared, "; use dynamic_shared");
  GRAFT_CHECK(total + pieces_[0].bytes <= kMaxShared, "shared: ", total, " bytes static and ",
              pieces_[0].bytes, " dynamic; a block has ", kMaxShared);
  return add(tag, bytes);
}

void Arena::check() const {
  if (kAddressSanitizer) return;  // has seen each access
  for (int i = 0; i < count_; ++i) {
    const Piece& piece = pieces_[i];
    const char* end = i + 1 < count_ ? pieces_[i + 1].data : next_;
    auto intact = [&](const char* from, const char* to) {
      for (; from < to; ++from) {
        if (static_cast<unsigned char>(*from) != kRedZoneFill) return false;
      }
      return true;
    };
    GRAFT_CHECK(intact(piece.data + piece.bytes, end) && intact(piece.data - kRedZone, piece.data),
                "shared: a write beside the ", piece.bytes, " bytes of ",
                i == 0 ? "dynamic shared memory" : "a shared<T>()");
  }
}

}  // namespace graft::sim
