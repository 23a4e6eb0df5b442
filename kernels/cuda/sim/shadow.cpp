#include "kernels/cuda/sim/shadow.h"

#include <algorithm>

namespace graft::sim {

void Order::begin_block(uint32_t block, int threads) {
  block_ = block;
  phase_ = 0;
  threads_ = threads;
  const size_t with_units = static_cast<size_t>(threads + 1 + (threads + 31) / 32);
  clocks_.assign(with_units, 1);
  seen_.assign(with_units, {});
  proxy_fences_.assign(static_cast<size_t>(threads), {});
  objects_.clear();
  fenced_.assign(static_cast<size_t>(threads), false);
  block_seen_.clear();
  taken_.clear();
  met_.clear();
}

void Order::next_phase() {
  ++phase_;
  std::fill(clocks_.begin(), clocks_.end(), 1u);
  objects_.clear();
  for (auto& seen : seen_) seen.clear();
  for (auto& [thread, blocks] : taken_) merge(block_seen_, blocks);
  taken_.clear();
}

void Order::join(const uint16_t* threads, int count) {
  std::vector<uint32_t> all;
  for (int i = 0; i < count; ++i) {
    take(all, seen_[threads[i]]);
    all[threads[i]] = clocks_[threads[i]];
  }
  for (int i = 0; i < count; ++i) {
    seen_[threads[i]] = all;
    ++clocks_[threads[i]];
  }
}

void Order::take(std::vector<uint32_t>& into, const std::vector<uint32_t>& from) const {
  into.resize(clocks_.size(), 0);
  for (size_t t = 0; t < from.size(); ++t) into[t] = std::max(into[t], from[t]);
}

void Order::release(int thread, const void* object) {
  const auto number = static_cast<size_t>(thread);
  auto& left = objects_[object];
  take(left, seen_[number]);
  left[number] = clocks_[number]++;
}

void Order::acquire(int thread, const void* object) {
  take(seen_[static_cast<size_t>(thread)], objects_[object]);
}

Access Order::unit_stamp(const void* object, int asked_by, uintptr_t code) {
  const int unit = threads_;
  Access now = stamp(unit, Kind::landing, code);
  now.asked_by = static_cast<uint16_t>(asked_by);
  release(unit, object);
  return now;
}

void Order::unit_begins(int warp) {
  std::vector<uint32_t>& mine = seen_[static_cast<size_t>(unit_of(warp))];
  for (int t = 32 * warp; t < std::min(32 * warp + 32, threads_); ++t) {
    const auto lane = static_cast<size_t>(t);
    take(mine, seen_[lane]);
    mine[lane] = clocks_[lane]++;
  }
}

void Order::unit_ends(int warp) {
  const auto unit = static_cast<size_t>(unit_of(warp));
  for (int t = 32 * warp; t < std::min(32 * warp + 32, threads_); ++t) {
    std::vector<uint32_t>& seen = seen_[static_cast<size_t>(t)];
    seen.resize(clocks_.size(), 0);
    seen[unit] = clocks_[unit];
  }
  ++clocks_[unit];
}

void Order::proxy_fence(int thread) {
  const auto number = static_cast<size_t>(thread);
  proxy_fences_[number].push_back({phase_, clocks_[number]++});
}

bool Order::unfenced(const Access& earlier, const Access& now) const {
  if (earlier.block != block_ || earlier.thread >= threads_) return false;  // a unit's own
  const std::vector<Time>& fences = proxy_fences_[earlier.thread];
  auto next = std::find_if(fences.begin(), fences.end(), [&](const Time& t) {
    return t.phase > earlier.phase || (t.phase == earlier.phase && t.clock >= earlier.clock);
  });
  if (next == fences.end()) return true;
  Access fence = earlier;
  fence.phase = next->phase;
  fence.clock = next->clock;
  return !before(fence, now);
}

Access Order::stamp(int thread, Kind kind, uintptr_t code) const {
  auto number = static_cast<uint16_t>(thread);
  return {code, block_, phase_, clocks_[number], number, number, kind};
}

bool Order::before(const Access& earlier, const Access& now) const {
  if (earlier.kind == Kind::async_write) return now.kind == Kind::landing && earlier.asked_by == now.asked_by;
  if (earlier.block == block_) {
    if (earlier.thread == now.thread || earlier.phase < phase_) return true;
    const auto& seen = seen_[now.thread];
    return !seen.empty() && seen[earlier.thread] >= earlier.clock;
  }
  auto handed_on = [&](const SeenBlocks& blocks) {
    auto found = blocks.find(earlier.block);
    if (found == blocks.end()) return false;
    const Seen& until = found->second;
    return earlier.phase < until.phase ||
           (earlier.phase == until.phase && earlier.thread == until.thread && earlier.clock <= until.clock);
  };
  if (handed_on(block_seen_)) return true;
  auto mine = taken_.find(now.thread);
  return mine != taken_.end() && handed_on(mine->second);
}

void Order::merge(SeenBlocks& into, const SeenBlocks& from) {
  for (const auto& [block, seen] : from) {
    auto [at, fresh] = into.try_emplace(block, seen);
    if (!fresh && at->second.phase < seen.phase) at->second = seen;
  }
}

void Order::atomic(const Access& by, uintptr_t address) {
  auto found = published_.find(address);
  if (found != published_.end()) merge(met_[by.thread], found->second);
  if (!fenced_[by.thread]) return;  // an atomic alone orders nothing
  SeenBlocks& here = published_[address];
  merge(here, taken_[by.thread]);
  merge(here, block_seen_);
  here[block_] = {phase_, by.thread, by.clock};
}

void Order::fence(int thread) {
  fenced_[static_cast<size_t>(thread)] = true;
  auto met = met_.find(static_cast<uint16_t>(thread));
  if (met == met_.end()) return;
  merge(taken_[met->first], met->second);
  met_.erase(met);
}

void Shadow::refine(Page& page, int shift) {
  std::vector<Cell> cells(kPage >> shift);
  for (size_t i = 0; i < cells.size(); ++i) cells[i] = page.cells[i >> (page.shift - shift)];
  page.cells = std::move(cells);
  page.shift = shift;
}

void Shadow::touch(Cell& cell, const Access& now, const Order& order, Race& race) {
  auto check = [&](const Access& earlier) {
    if (race.found || earlier.block == 0 || order.before(earlier, now)) return;
    race = {true, false, earlier};
  };
  check(cell.write);
  if (now.kind != Kind::atomic) check(cell.atomic);
  if (now.kind == Kind::unit_start) {
    for (const Access& earlier : {cell.write, cell.atomic}) {
      if (!race.found && earlier.block != 0 && order.unfenced(earlier, now)) race = {true, true, earlier};
    }
    return;
  }
  if (now.kind == Kind::read || now.kind == Kind::unit_read) {
    // A reader that this one follows need not be remembered: what races with it races with this one too.
    for (Access& read : cell.reads) {
      if (read.block == 0 || order.before(read, now)) {
        read = now;
        return;
      }
    }
    return;
  }
  for (const Access& read : cell.reads) check(read);
  if (now.kind == Kind::atomic) {
    cell.atomic = now;
  } else {
    cell = {now, {}, {}};  // what races with the earlier ones races with this write
    if (now.kind == Kind::landing) cell.write.kind = Kind::write;
  }
}

Race Shadow::access(uintptr_t address, size_t bytes, const Access& now, const Order& order, bool* unwritten) {
  Race race;
  while (bytes > 0) {
    uintptr_t number = address / kPage, offset = address % kPage;
    if (number != last_number_ || !last_) {
      last_ = &pages_[number];
      last_number_ = number;
      if (last_->cells.empty()) last_->cells.resize(kPage >> last_->shift);
    }
    size_t here = std::min(bytes, kPage - offset);
    while (((offset | here) & ((size_t{1} << last_->shift) - 1)) != 0) refine(*last_, last_->shift - 1);
    for (size_t i = offset >> last_->shift; i < (offset + here) >> last_->shift; ++i) {
      const bool reads = now.kind == Kind::read || now.kind == Kind::atomic || now.kind == Kind::unit_start;
      if (unwritten && reads && last_->cells[i].write.block == 0) *unwritten = true;
      touch(last_->cells[i], now, order, race);
    }
    address += here;
    bytes -= here;
  }
  return race;
}

}  // namespace graft::sim
