// ldmatrix and mma.sync on the CPU: the last lane to arrive does the work of the warp.
#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/half.h"
#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/ptx_twins.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

constexpr uint32_t kAll = 0xFFFFFFFFu;

struct LoadSlot {
  uint32_t* out;
  const void* row;
  int count;
  int exchange;  // 1 where lanes take their neighbours' rows for their own
};

template <bool kTransposed>
void complete_load(uint32_t, void* const slots[32]) {
  const int count = static_cast<LoadSlot*>(slots[0])->count;
  const int exchange = static_cast<LoadSlot*>(slots[0])->exchange;
  for (int m = 0; m < count; ++m) {
    uint16_t matrix[8][8];
    for (int row = 0; row < 8; ++row)
      std::memcpy(matrix[row], static_cast<LoadSlot*>(slots[8 * m + (row ^ exchange)])->row, 16);
    for (int lane = 0; lane < kWarpSize; ++lane) {
      const int i = lane / 4, j = 2 * (lane % 4);
      uint32_t first = kTransposed ? matrix[j][i] : matrix[i][j];
      uint32_t second = kTransposed ? matrix[j + 1][i] : matrix[i][j + 1];
      static_cast<LoadSlot*>(slots[lane])->out[m] = first | second << 16;
    }
  }
}

struct MultiplySlot {
  float* c;
  const uint32_t* a;
  const uint32_t* b;
};

// c [16, 8] += a [16, kDepth] b [kDepth, 8], in the order of the depth. A tensor core sums in another order,
// and not every one in the same: nothing may depend on the last bits.
template <int kDepth>
void multiply(void* const slots[32], const float (&a)[16][kDepth], const float (&b)[kDepth][8]) {
  float c[16][8];
  auto each = [&](auto&& f) {
    for (int lane = 0; lane < kWarpSize; ++lane) {
      float* own = static_cast<MultiplySlot*>(slots[lane])->c;
      for (int i = 0; i < 4; ++i) f(own[i], c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2]);
    }
  };
  each([](float& own, float& whole) { whole = own; });
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      for (int col = 0; col < 8; ++col) c[row][col] += a[row][k] * b[k][col];
    }
  }
  each([](float& own, float& whole) { own = whole; });
}

template <class T>
float half_of(uint32_t pair, int which) {
  T value;
  value.bits = static_cast<uint16_t>(pair >> (16 * which));
  return static_cast<float>(value);
}

template <class T>
void complete_half(uint32_t, void* const slots[32]) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const auto& slot = *static_cast<MultiplySlot*>(slots[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int which = 0; which < 2; ++which) {
      for (int i = 0; i < 4; ++i)
        a[g + 8 * (i % 2)][2 * t + which + 8 * (i / 2)] = half_of<T>(slot.a[i], which);
      for (int i = 0; i < 2; ++i) b[2 * t + which + 8 * i][g] = half_of<T>(slot.b[i], which);
    }
  }
  multiply(slots, a, b);
}

float of_tf32(uint32_t bits) {
  return std::bit_cast<float>(bits & 0xFFFFE000u);
}

void complete_tf32(uint32_t, void* const slots[32]) {
  float a[16][8], b[8][8];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const auto& slot = *static_cast<MultiplySlot*>(slots[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 4 * (i / 2)] = of_tf32(slot.a[i]);
    for (int i = 0; i < 2; ++i) b[t + 4 * i][g] = of_tf32(slot.b[i]);
  }
  multiply(slots, a, b);
}

// These are instructions of a whole warp.
void meet_all(const char* what, Complete complete, void* slot) {
  Thread& me = require_thread(what);
  if (me.block->warps[me.warp].exists != kAll)
    me.block->fail_here(str(what, " in a warp of fewer than 32 threads"));
  meet(kAll, complete, slot, false, {what, 0});
}

}  // namespace

void load_matrices(uint32_t* out, int count, const void* row, bool transposed, Site site) {
  Thread& me = require_thread("ldmatrix");
  if (me.lane < 8 * count) {
    if (reinterpret_cast<uintptr_t>(row) % 16)
      me.block->fail_here("ldmatrix: a row that is not aligned to 16 bytes");
    if (!me.block->arena.contains(row)) me.block->fail_here("ldmatrix: a row that is not in shared memory");
    note_access(row, 16, Kind::read, __builtin_return_address(0));
#ifdef GRAFT_SIM_TSAN
    __tsan_read_range(const_cast<void*>(row), 16);
#endif
  }
  LoadSlot slot{out, row, count, is_sabotaged(Mistake::wrong_lane, site)};
  meet_all("ldmatrix", transposed ? complete_load<true> : complete_load<false>, &slot);
}

void multiply_m16n8k16(float* c, const uint32_t* a, const uint32_t* b, Half type) {
  MultiplySlot slot{c, a, b};
  meet_all("mma_m16n8k16", type == Half::bf16 ? complete_half<bf16> : complete_half<f16>, &slot);
}

void multiply_m16n8k8_tf32(float* c, const uint32_t* a, const uint32_t* b) {
  MultiplySlot slot{c, a, b};
  meet_all("mma_m16n8k8_tf32", complete_tf32, &slot);
}

uint32_t to_tf32(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7F800000u) == 0x7F800000u) return bits;  // infinity and NaN
  return (bits + 0x1000u) & 0xFFFFE000u;
}

}  // namespace graft::sim
