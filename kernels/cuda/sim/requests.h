// Puts the accesses of single lanes together into the requests that a warp makes. The lanes of a simulated
// warp run one after another, so the n-th time that one lane comes to an instruction belongs to the n-th time
// of the others, counted since the warp last met.
#pragma once

#include <array>
#include <deque>
#include <unordered_map>
#include <vector>

#include "kernels/cuda/sim/watch.h"

namespace graft::sim {

struct Request {
  uint32_t lanes = 0;
  std::array<uintptr_t, 32> address;
};

// Distinct sectors of 32 bytes that the request touches.
int sectors_of(const Request& request, size_t bytes);
// Passes beyond the first for the 32 banks of 4 bytes. A pass serves 128 bytes: 32 lanes of up to 4 bytes, 16
// of 8, 8 of 16; lanes that want the same word share it.
int bank_conflicts_of(const Request& request, size_t bytes);

class Requests {
 public:
  void begin_block(int warps) { streams_.assign(static_cast<size_t>(warps), {}); }
  void add(int warp, int lane, uint32_t exists, uintptr_t code, uintptr_t address, size_t bytes, bool shared,
           bool store);
  void warp_met(int warp);
  void all_met();
  // Adds what has been counted since the last call.
  void hand_over(KernelRecord& to);

 private:
  struct Key {
    uintptr_t code;
    uint8_t bytes;
    bool shared, store;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return key.code * 0x9E3779B97F4A7C15u + key.bytes * 4u + key.shared * 2u + key.store;
    }
  };
  struct Total {
    Traffic traffic;
    Request first;
  };
  // Requests of one instruction that lanes are still to join, the oldest first.
  struct Stream {
    std::deque<Request> open;
    uint64_t closed = 0;
    std::array<uint64_t, 32> came{};
    Total* total = nullptr;
  };
  static void close(const Key& key, const Request& request, Total& total);
  static void close_all(const Key& key, Stream& stream);

  std::vector<std::unordered_map<Key, Stream, Hash>> streams_;  // by warp
  std::unordered_map<Key, Total, Hash> totals_;
};

}  // namespace graft::sim
