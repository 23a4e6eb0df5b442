#include "kernels/cuda/sim/wgmma.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"
#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

constexpr uint32_t kAll = 0xFFFFFFFFu;
constexpr int kGroupWarps = 4, kDepth = 16, kWarpRows = 16;
// A NaN that arithmetic does not make.
constexpr uint32_t kPoison = 0xFFF00BAD;

struct Slot {
  Product product;
  float* sums;
  const void* code;
  Products::Sums* fresh;  // whose values this lane must hand over
  int pending;
};

// Descriptor fields count in units of 16 bytes.
unsigned field(uint64_t descriptor, int bit) {
  return static_cast<unsigned>(descriptor >> bit & 0x3FFF) << 4;
}

// Where in shared memory the 16-byte piece with element (line, k) lies, as an offset. PTX ISA, "Strides": the
// layouts of the 128-byte swizzle, whose pieces change places by bits 7 to 9 of the address.
unsigned place(uint64_t descriptor, bool across, int line, int k) {
  const unsigned lead = field(descriptor, 16), stride = field(descriptor, 32);
  const unsigned l = static_cast<unsigned>(line), d = static_cast<unsigned>(k);
  unsigned plain = field(descriptor, 0);
  plain += across ? l / 64 * lead + l % 64 * 2 + d / 8 * stride + d % 8 * 128
                  : l / 8 * stride + l % 8 * 128 + d * 2;
  return (plain ^ (plain >> 7 & 7) << 4) & 0x3FFFF;
}

// f(operand, line, k, piece) for each 16 bytes that a warp reads: of a its own 16 lines, of b all. The piece
// holds eight neighbours along the depth, or across it eight lines.
template <class F>
void for_pieces(const Arena& arena, const Product& p, int warp, F&& f) {
  auto operand = [&](uint64_t descriptor, bool across, int first, int lines, bool is_a) {
    for (int line = 0; line < lines; line += across ? 8 : 1) {
      for (int k = 0; k < kDepth; k += across ? 1 : 8) {
        f(is_a, line, k, arena.at(place(descriptor, across, first + line, k)));
      }
    }
  };
  operand(p.a, p.across_a, warp % kGroupWarps * kWarpRows, kWarpRows, true);
  operand(p.b, p.across_b, 0, p.cols, false);
}

void check_descriptor(Block& block, uint64_t descriptor, bool across, const char* operand) {
  auto wrong = [&](auto... what) { block.fail_here(str("wgmma: the descriptor of ", operand, what...)); };
  if (descriptor >> 62 != 1) wrong(" is not of the 128-byte swizzle, the one layout that is simulated");
  if (descriptor >> 49 & 7 || field(descriptor, 0) & (across ? 0x3FF : 0x380)) {
    wrong(" begins at shared address ", field(descriptor, 0), ": the pattern repeats every 1024 bytes");
  }
}

// A piece must be shared memory that the kernel has.
void check_pieces(Block& block, const Product& p, int warp) {
  for_pieces(block.arena, p, warp, [&](bool is_a, int line, int k, const char* piece) {
    if (!block.arena.piece_of(piece, 16)) {
      block.fail_here(str("wgmma: line ", line, " of ", is_a ? "a" : "b", " at depth ", k,
                          " lies outside of the kernel's shared memory, at shared address ",
                          shared_address(piece)));
    }
  });
}

float to_float(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

// sums (of 32 lanes) += a b^T for a warp's 16 rows, in the order of the depth. A tensor core sums in another
// order: nothing may depend on the last bits.
void multiply(const Arena& arena, const Product& p, int warp, Products::Sums& sums,
              Products::Scratch& scratch) {
  auto& [a, b, c] = scratch;
  for_pieces(arena, p, warp, [&](bool is_a, int line, int k, const char* piece) {
    const bool across = is_a ? p.across_a : p.across_b;
    uint16_t bits[8];
    std::memcpy(bits, piece, sizeof bits);
    for (int i = 0; i < 8; ++i) {
      const int l = across ? line + i : line, d = across ? k : k + i;
      (is_a ? a[l][d] : b[d][l]) = to_float(bits[i]);
    }
  });
  auto each = [&](auto&& f) {
    for (int lane = 0; lane < kWarpSize; ++lane) {
      float* own = sums.values.data() + lane * sums.count;
      for (int i = 0; i < sums.count; ++i)
        f(own[i], c[lane / 4 + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2]);
    }
  };
  each([&](float& own, float& whole) { whole = p.add ? own : 0; });
  for (int row = 0; row < kWarpRows; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      const float factor = a[row][k];
      for (int col = 0; col < p.cols; ++col) c[row][col] += factor * b[k][col];
    }
  }
  each([](float& own, float& whole) { own = whole; });
}

// All four warps are there and full.
void check_warpgroup(Thread& me, const char* what) {
  Block& block = *me.block;
  const int first = me.warp / kGroupWarps * kGroupWarps;
  for (int w = first; w < first + kGroupWarps; ++w) {
    if (w >= block.warp_count || block.warps[w].exists != kAll) {
      block.fail_here(
          str(what, ": the warpgroup of warps ", first, " to ", first + 3, " has fewer than 128 threads"));
    }
  }
}

void meet_warp(Thread& me, const char* what, Complete complete, Slot& slot) {
  check_warpgroup(me, what);
  // ThreadSanitizer sees each operand's read in one lane; another may then tell others that it is over.
  meet(kAll, complete, &slot, kThreadSanitizer, {what, 0});
}

bool overlap(uintptr_t a, size_t a_bytes, uintptr_t b, size_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

}  // namespace

void Products::prepare(const Block& block) {
  if (used_) return;
  UnseenWrites unseen;
  used_ = true;
  under_way_ = 0;
  warps_.clear();
  warps_.resize(static_cast<size_t>(block.warp_count));
  said_.assign(static_cast<size_t>(block.warp_count + kGroupWarps - 1) / kGroupWarps, {});
  fenced_.assign(static_cast<size_t>(block.count), {});
}

void Products::end_block(const Block& block) const {
  if (!used_) return;
  for (size_t w = 0; w < warps_.size(); ++w) {
    const Warp& warp = warps_[w];
    if (!warp.started.empty()) {
      const bool committed = warp.started.front().group < warp.group;
      fail<DeviceError>(
          block.where(), ", warp ", w, ": ends with a wgmma ",
          committed ? "that nobody waits for (wgmma_wait)" : "that is not committed (wgmma_commit)");
    }
    if (warp.count != warps_[w / kGroupWarps * kGroupWarps].count) {
      fail<DeviceError>(block.where(), ", warp ", w, ": a wgmma that not all warps of its warpgroup execute");
    }
  }
}

bool Products::is_fenced(const Thread& me, const float* sums, int count) const {
  const auto& mine = fenced_[me.number];
  return std::any_of(mine.begin(), mine.end(),
                     [&](const Fenced& f) { return f.sums == sums && f.count == count; });
}

void Products::fence(Thread& me, float* sums, int count) {
  check_warpgroup(me, "wgmma_fence");
  prepare(*me.block);
  UnseenWrites unseen;
  if (count > 0 && !is_fenced(me, sums, count)) fenced_[me.number].push_back({sums, count});
}

// The n-th product of each warp of a warpgroup must be the same.
void Products::agree(Block& block, int w, const Product& product) {
  const int first = w / kGroupWarps * kGroupWarps;
  std::vector<Product>& said = said_[static_cast<size_t>(w / kGroupWarps)];
  Warp& warp = warps_[static_cast<size_t>(w)];
  if (warp.count == said.size()) said.push_back(product);
  if (said[warp.count] != product) {
    block.fail_here("wgmma: the warps of a warpgroup disagree on the operands or the shape");
  }
  ++warp.count;
  for (int i = first; i < first + kGroupWarps; ++i) {
    if (warps_[static_cast<size_t>(i)].count != said.size()) return;
  }
  said.clear();
  for (int i = first; i < first + kGroupWarps; ++i) warps_[static_cast<size_t>(i)].count = 0;
}

void Products::complete_start(uint32_t, void* const slots[32]) {
  UnseenWrites unseen;
  Thread& last = *current_thread();
  Block& block = *last.block;
  Products& all = block.products;
  Warp& warp = all.warps_[last.warp];
  auto slot = [&](int lane) -> Slot& { return *static_cast<Slot*>(slots[lane]); };
  const Product product = slot(0).product;
  for (int lane = 1; lane < kWarpSize; ++lane) {
    if (slot(lane).product != product) {
      block.fail_here("wgmma: the lanes of a warp disagree on the operands or the shape");
    }
  }
  all.agree(block, last.warp, product);
  check_pieces(block, product, last.warp);

  const int count = product.cols / 2;
  auto known = std::find_if(warp.sums.begin(), warp.sums.end(),
                            [&](const Sums& s) { return s.pending > 0 && s.registers[0] == slot(0).sums; });
  if (known == warp.sums.end()) {
    known = std::find_if(warp.sums.begin(), warp.sums.end(), [](const Sums& s) { return s.pending == 0; });
    if (known == warp.sums.end()) known = warp.sums.emplace(warp.sums.end());
    known->count = count;
    known->values.resize(static_cast<size_t>(kWarpSize * count));
    for (int lane = 0; lane < kWarpSize; ++lane) {
      known->registers[lane] = slot(lane).sums;
      slot(lane).fresh = &*known;
    }
  } else if (known->count != count) {
    block.fail_here("wgmma: another shape into the same sums before wgmma_wait");
  }
  ++known->pending;
  ++all.under_way_;
  warp.started.push_back({product, warp.group, static_cast<size_t>(known - warp.sums.begin()), slot(0).code});
  if (!recorder) return;
  recorder->unit_begins(last.warp);
  for_pieces(block.arena, product, last.warp, [&](bool, int, int, const char* piece) {
    recorder->unit_reads(last.warp, piece, 16, Kind::unit_start, slot(0).code);
  });
}

void Products::start(Thread& me, float* sums, const Product& product, const void* code) {
  Block& block = *me.block;
  check_descriptor(block, product.a, product.across_a, "a");
  check_descriptor(block, product.b, product.across_b, "b");
  const int count = product.cols / 2;
  prepare(block);
  const Warp& warp = warps_[me.warp];
  const bool under_way = std::any_of(warp.sums.begin(), warp.sums.end(), [&](const Sums& s) {
    return s.pending > 0 && s.registers[me.lane] == sums;
  });
  if (!under_way && !is_fenced(me, sums, count)) {
    block.fail_here("wgmma: no wgmma_fence since this thread touched the sums");
  }
#ifdef GRAFT_SIM_TSAN
  if (me.lane == 0) {
    for_pieces(block.arena, product, me.warp,
               [](bool, int, int, const char* piece) { __tsan_read_range(const_cast<char*>(piece), 16); });
  }
#endif
  Slot slot{product, sums, code, nullptr, 0};
  meet_warp(me, "wgmma", complete_start, slot);
  if (!slot.fresh) return;
  UnseenWrites unseen;
  float* kept = slot.fresh->values.data() + me.lane * count;
  for (int i = 0; i < count; ++i) {
    kept[i] = sums[i];
    sums[i] = std::bit_cast<float>(kPoison);
  }
}

void Products::complete_commit(uint32_t, void* const*) {
  Thread& last = *current_thread();
  ++last.block->products.warps_[last.warp].group;
}

void Products::commit(Thread& me) {
  prepare(*me.block);
  Slot slot{};
  meet_warp(me, "wgmma_commit", complete_commit, slot);
}

void Products::complete_wait(uint32_t, void* const slots[32]) {
  UnseenWrites unseen;
  Thread& last = *current_thread();
  Block& block = *last.block;
  Products& all = block.products;
  Warp& warp = all.warps_[last.warp];
  const int pending = static_cast<Slot*>(slots[0])->pending;
  ++warp.waits;
  size_t landed = 0;
  for (; landed < warp.started.size() && warp.started[landed].group + pending < warp.group; ++landed) {
    const Started& one = warp.started[landed];
    Sums& sums = warp.sums[one.sums];
    check_pieces(block, one.product, last.warp);
    multiply(block.arena, one.product, last.warp, sums, all.scratch_);
    if (--sums.pending == 0) sums.landed_at = warp.waits;
    --all.under_way_;
    if (!recorder) continue;
    for_pieces(block.arena, one.product, last.warp, [&](bool, int, int, const char* piece) {
      recorder->unit_reads(last.warp, piece, 16, Kind::unit_read, one.code);
    });
  }
  warp.started.erase(warp.started.begin(), warp.started.begin() + static_cast<std::ptrdiff_t>(landed));
  if (recorder && landed) recorder->unit_ends(last.warp);
}

void Products::wait(Thread& me, int pending) {
  prepare(*me.block);
  Slot slot{};
  slot.pending = pending;
  meet_warp(me, "wgmma_wait", complete_wait, slot);
  UnseenWrites unseen;
  Warp& warp = warps_[me.warp];
  for (Sums& sums : warp.sums) {
    if (sums.pending || sums.landed_at != warp.waits) continue;
    float* to = sums.registers[me.lane];
    const float* from = sums.values.data() + me.lane * sums.count;
    for (int i = 0; i < sums.count; ++i) {
      if (std::bit_cast<uint32_t>(to[i]) != kPoison) {
        me.block->fail_here(str("sums[", i, "] of a wgmma were written before wgmma_wait"));
      }
      to[i] = from[i];
    }
  }
}

std::string Products::touch_sums(const Thread& me, uintptr_t address, size_t bytes) {
  const Warp& warp = warps_[me.warp];
  for (size_t i = 0; i < warp.sums.size(); ++i) {
    const Sums& sums = warp.sums[i];
    const uintptr_t begin = reinterpret_cast<uintptr_t>(sums.registers[me.lane]);
    if (sums.pending == 0 || !overlap(address, bytes, begin, static_cast<size_t>(sums.count) * 4)) continue;
    const bool committed = std::none_of(warp.started.begin(), warp.started.end(), [&](const Started& s) {
      return s.sums == i && s.group == warp.group;
    });
    return str("of sums[", (std::max(address, begin) - begin) / 4, "] of a wgmma ",
               committed ? "before its wgmma_wait" : "that is not committed (wgmma_commit)");
  }
  std::erase_if(fenced_[me.number], [&](const Fenced& f) {
    return overlap(address, bytes, reinterpret_cast<uintptr_t>(f.sums), static_cast<size_t>(f.count) * 4);
  });
  return {};
}

int Products::find_reader(const Block& block, uintptr_t address, size_t bytes) const {
  for (size_t w = 0; w < warps_.size(); ++w) {
    for (const Started& one : warps_[w].started) {
      bool found = false;
      for_pieces(block.arena, one.product, static_cast<int>(w), [&](bool, int, int, const char* piece) {
        found = found || overlap(address, bytes, reinterpret_cast<uintptr_t>(piece), 16);
      });
      if (found) return static_cast<int>(w) * kWarpSize;
    }
  }
  return -1;
}

unsigned shared_address(const void* p) {
  Block& block = *require_thread("shared_address").block;
  if (!block.arena.contains(p)) block.fail_here("a shared address of what is not in shared memory");
  return block.arena.offset(p);
}

void wgmma_fence(float* sums, int count, Site site) {
  if (is_sabotaged(Mistake::no_fence, site)) return;
  Thread& me = require_thread("wgmma_fence");
  me.block->products.fence(me, sums, count);
}

void wgmma(float* sums, const Product& product) {
  Thread& me = require_thread("wgmma");
  me.block->products.start(me, sums, product, __builtin_return_address(0));
}

void wgmma_commit(Site site) {
  if (is_sabotaged(Mistake::no_commit, site)) return;
  Thread& me = require_thread("wgmma_commit");
  me.block->products.commit(me);
}

void wgmma_wait(int pending, Site site) {
  if (is_sabotaged(Mistake::no_wait, site)) return;
  Thread& me = require_thread("wgmma_wait");
  me.block->products.wait(me, pending);
}

}  // namespace graft::sim
