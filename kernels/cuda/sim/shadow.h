// Who last wrote and read each piece of memory, and whether that was ordered before a new access. Two
// accesses of one block are ordered by a barrier between them: each thread counts the barriers it has passed,
// its phase. Inside a phase __syncwarp and the like order some threads: Order holds a vector clock for each
// thread, as in FastTrack (Flanagan and Freund, PLDI 2009), empty until the first such meeting. Two blocks of
// a launch are not ordered at all, but for what one publishes by a fence and an atomic and the other then
// reads.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace graft::sim {

// async_write: a copy that goes on by itself until its thread waits for it, and is ordered with nothing till
// then; landing: that wait. unit_start, unit_read: an asynchronous unit may read from the one on, and has
// read by the other.
enum class Kind : uint8_t { read, write, atomic, async_write, landing, unit_start, unit_read };

// One access: by whom and when.
struct Access {
  uintptr_t code = 0;
  uint32_t block = 0;  // 1 and up; 0 is nobody
  uint32_t phase = 0;
  uint32_t clock = 0;     // within the phase
  uint16_t thread = 0;    // or a unit, see Order
  uint16_t asked_by = 0;  // the thread that the unit works for; else the same
  Kind kind = Kind::read;
};

// The running block's threads and what each has seen of the others. The numbers after the last thread are the
// copying unit and then a unit for each warp, which reads for its wgmma.
class Order {
 public:
  void begin_block(uint32_t block, int threads);
  void next_phase();
  // Each of these threads has now seen what all of them did before.
  void join(const uint16_t* threads, int count);
  // At an object such as an mbarrier: one leaves what it has seen, the other takes it.
  void release(int thread, const void* object);
  void acquire(int thread, const void* object);
  // The copying unit has done a thing, and leaves it at the object.
  Access unit_stamp(const void* object, int asked_by, uintptr_t code);
  // A warp's unit takes what its lanes have seen and done; or leaves with them what it has done.
  void unit_begins(int warp);
  void unit_ends(int warp);
  int unit_of(int warp) const { return threads_ + 1 + warp; }
  Access stamp(int thread, Kind kind, uintptr_t code) const;
  // Whether `earlier` was before everything that this thread does now.
  bool before(const Access& earlier, const Access& now) const;

  // A thread made a fence between the proxies: units may read what it wrote before.
  void proxy_fence(int thread);
  // Whether a unit reads now what a thread wrote without such a fence in between.
  bool unfenced(const Access& earlier, const Access& now) const;

  // After a fence a thread's atomic hands on, at its address, what its block did before; and what others
  // handed on where its atomics were is taken by its next fence.
  void fence(int thread);
  void atomic(const Access& by, uintptr_t address);
  void begin_launch() { published_.clear(); }

 private:
  struct Seen {
    uint32_t phase;  // everything of the block before this phase,
    uint16_t thread;
    uint32_t clock;  // and of this one thread up to this clock in it
  };
  using SeenBlocks = std::unordered_map<uint32_t, Seen>;
  void take(std::vector<uint32_t>& into, const std::vector<uint32_t>& from) const;
  static void merge(SeenBlocks& into, const SeenBlocks& from);

  uint32_t block_ = 0, phase_ = 0;
  int threads_ = 0;
  std::vector<uint32_t> clocks_;
  std::vector<std::vector<uint32_t>> seen_;
  std::vector<bool> fenced_;
  struct Time {
    uint32_t phase, clock;
  };
  std::vector<std::vector<Time>> proxy_fences_;                     // of each thread, the oldest first
  std::unordered_map<const void*, std::vector<uint32_t>> objects_;  // what was left there in this phase
  SeenBlocks block_seen_;                                // by the whole block, since its last barrier
  std::unordered_map<uint16_t, SeenBlocks> met_;         // by a thread's atomics since its last fence
  std::unordered_map<uint16_t, SeenBlocks> taken_;       // by one thread in this phase
  std::unordered_map<uintptr_t, SeenBlocks> published_;  // at an address
};

struct Race {
  bool found = false;
  bool unfenced = false;  // ordered, but for want of a fence between the proxies
  Access earlier;
};

class Shadow {
 public:
  void clear() {
    pages_.clear();
    last_ = nullptr;
  }
  // Records the access and says what it races with. `unwritten` becomes true for a read of a byte that nobody
  // wrote.
  Race access(uintptr_t address, size_t bytes, const Access& now, const Order& order, bool* unwritten);

 private:
  static constexpr int kReaders = 2;
  struct Cell {
    Access write, atomic;  // an atomic does not stand for a write before it: two atomics never race
    Access reads[kReaders];
  };
  // Cells of 4 bytes until an access is smaller.
  struct Page {
    int shift = 2;
    std::vector<Cell> cells;
  };
  static constexpr uintptr_t kPage = 1024;
  static void refine(Page& page, int shift);
  static void touch(Cell& cell, const Access& now, const Order& order, Race& race);

  std::unordered_map<uintptr_t, Page> pages_;
  uintptr_t last_number_ = ~uintptr_t{0};
  Page* last_ = nullptr;
};

}  // namespace graft::sim
