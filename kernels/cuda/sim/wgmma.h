// The warpgroup products of one simulated block. Internal to the simulator.
//
// A product is carried out by each of the four warps for its own 16 rows, when that warp waits for it and no
// earlier. From its start until then the threads' registers hold NaNs, and the sums are kept here: a kernel
// that reads them too early gets NaN on every run, and one that writes to them is found out by the wait. A
// Watch sees the access itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/sim/wgmma_twins.h"

namespace graft::sim {

struct Block;
struct Thread;

class Products {
 public:
  void begin_block() { used_ = false; }
  // Throws where a product was started that nobody waited for, or not by all warps of a warpgroup.
  void end_block(const Block& block) const;

  void fence(Thread& me, float* sums, int count);
  void start(Thread& me, float* sums, const Product& product, const void* code);
  void commit(Thread& me);
  void wait(Thread& me, int pending);

  // For a Watch. A thread touches its own stack: what is wrong with that, or nothing.
  std::string touch(const Thread& me, uintptr_t address, size_t bytes) {
    return used_ ? touch_sums(me, address, bytes) : std::string();
  }
  // A thread of a product under way that reads some of these bytes of shared memory; -1 where there is none.
  int reader_of(const Block& block, uintptr_t address, size_t bytes) const {
    return used_ && under_way_ > 0 ? find_reader(block, address, bytes) : -1;
  }

  struct Started {
    Product product;
    int group;
    size_t sums;  // in Warp::sums
    const void* code;
  };
  // Where the sums of a warp live while products into them are under way.
  struct Sums {
    float* registers[32];
    int count = 0;
    int pending = 0;            // products under way
    uint64_t landed_at = 0;     // the warp's wait that brought the last of them
    std::vector<float> values;  // of each lane
  };
  struct Warp {
    std::vector<Started> started;  // the oldest first
    std::vector<Sums> sums;
    int group = 0;  // that the next product belongs to
    uint64_t waits = 0;
    size_t count = 0;  // products since all four warps had started as many
  };
  // Of one warp's product, in float. Not on the stack, which is a simulated thread's.
  struct Scratch {
    float a[16][16], b[16][256], c[16][256];
  };

 private:
  struct Fenced {
    float* sums;
    int count;
  };
  static void complete_start(uint32_t mask, void* const slots[32]);
  static void complete_commit(uint32_t mask, void* const slots[32]);
  static void complete_wait(uint32_t mask, void* const slots[32]);
  void prepare(const Block& block);
  void agree(Block& block, int warp, const Product& product);
  bool is_fenced(const Thread& me, const float* sums, int count) const;
  std::string touch_sums(const Thread& me, uintptr_t address, size_t bytes);
  int find_reader(const Block& block, uintptr_t address, size_t bytes) const;

  std::vector<Warp> warps_;
  std::vector<std::vector<Product>> said_;   // by the first warps of each warpgroup, for the others
  std::vector<std::vector<Fenced>> fenced_;  // of each thread
  bool used_ = false;                        // by this block
  int under_way_ = 0;
  Scratch scratch_;
};

}  // namespace graft::sim
