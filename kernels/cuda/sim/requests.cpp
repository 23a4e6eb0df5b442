#include "kernels/cuda/sim/requests.h"

#include <algorithm>

#include "kernels/cuda/sim/memory.h"

namespace graft::sim {
namespace {

// Distinct values among the first `count`, which this sorts.
template <size_t N>
int distinct(std::array<uintptr_t, N>& values, int count) {
  auto end = values.begin() + count;
  std::sort(values.begin(), end);
  return static_cast<int>(std::unique(values.begin(), end) - values.begin());
}

}  // namespace

int sectors_of(const Request& request, size_t bytes) {
  std::array<uintptr_t, 64> sectors;
  int count = 0;
  for (size_t i = 0; i < 32; ++i) {
    if (!(request.lanes >> i & 1)) continue;
    uintptr_t first = request.address[i] / 32, last = (request.address[i] + bytes - 1) / 32;
    sectors[static_cast<size_t>(count++)] = first;
    if (last != first) sectors[static_cast<size_t>(count++)] = last;
  }
  return distinct(sectors, count);
}

int bank_conflicts_of(const Request& request, size_t bytes) {
  const size_t words = std::max<size_t>(1, bytes / 4), lanes_a_pass = 32 / std::min<size_t>(words, 32);
  int conflicts = 0;
  for (size_t first = 0; first < 32; first += lanes_a_pass) {
    std::array<uintptr_t, 64> wanted;
    int count = 0;
    for (size_t i = first; i < first + lanes_a_pass; ++i) {
      if (!(request.lanes >> i & 1)) continue;
      for (size_t word = 0; word < words; ++word) {
        wanted[static_cast<size_t>(count++)] = request.address[i] / 4 + word;
      }
    }
    count = distinct(wanted, count);
    std::array<int, 32> in_bank{};
    int most = 1;
    for (int i = 0; i < count; ++i) most = std::max(most, ++in_bank[wanted[static_cast<size_t>(i)] % 32]);
    conflicts += most - 1;
  }
  return conflicts;
}

void Requests::close(const Key& key, const Request& request, Total& total) {
  if (total.traffic.requests++ == 0) total.first = request;
  total.traffic.bytes += __builtin_popcount(request.lanes) * int64_t{key.bytes};
  if (key.shared) {
    total.traffic.conflicts += bank_conflicts_of(request, key.bytes);
  } else {
    total.traffic.sectors += sectors_of(request, key.bytes);
  }
}

void Requests::close_all(const Key& key, Stream& stream) {
  for (const Request& request : stream.open) close(key, request, *stream.total);
  stream.open.clear();
  stream.closed = 0;
  stream.came = {};
}

void Requests::add(int warp, int lane, uint32_t exists, uintptr_t code, uintptr_t address, size_t bytes,
                   bool shared, bool store) {
  // A copy of a large struct is as many instructions of at most 16 bytes.
  for (; bytes > 16; bytes -= 16, address += 16) add(warp, lane, exists, code, address, 16, shared, store);
  Key key{code, static_cast<uint8_t>(bytes), shared, store};
  Stream& stream = streams_[static_cast<size_t>(warp)][key];
  if (!stream.total) stream.total = &totals_[key];
  size_t place = stream.came[static_cast<size_t>(lane)]++ - stream.closed;
  if (place == stream.open.size()) stream.open.emplace_back();
  Request& request = stream.open[place];
  request.lanes |= 1u << lane;
  request.address[static_cast<size_t>(lane)] = address;
  if (request.lanes == exists && place == 0) {
    close(key, request, *stream.total);
    stream.open.pop_front();
    ++stream.closed;
  }
}

void Requests::warp_met(int warp) {
  for (auto& [key, stream] : streams_[static_cast<size_t>(warp)]) close_all(key, stream);
}

void Requests::all_met() {
  for (size_t warp = 0; warp < streams_.size(); ++warp) warp_met(static_cast<int>(warp));
}

void Requests::hand_over(KernelRecord& to) {
  for (const auto& entry : totals_) {
    const auto& key = entry.first;
    const auto& total = entry.second;
    Traffic& sum = key.shared ? (key.store ? to.counters.shared_store : to.counters.shared_load)
                              : (key.store ? to.counters.global_store : to.counters.global_load);
    sum += total.traffic;
    std::string code = describe_code(key.code);
    auto same = [&](const Instruction& i) {
      return i.code == code && i.shared == key.shared && i.store == key.store && i.bytes == key.bytes;
    };
    auto known = std::find_if(to.instructions.begin(), to.instructions.end(), same);
    if (known != to.instructions.end()) {
      known->traffic += total.traffic;
      continue;
    }
    Instruction made{code, key.shared, key.store, key.bytes, total.traffic, {}};
    uintptr_t lowest = ~uintptr_t{0};
    for (size_t i = 0; i < 32; ++i) {
      if (total.first.lanes >> i & 1) lowest = std::min(lowest, total.first.address[i]);
    }
    for (size_t i = 0; i < 32; ++i) {
      bool took_part = total.first.lanes >> i & 1;
      made.first[i] = took_part ? static_cast<int64_t>(total.first.address[i] - lowest) : -1;
    }
    to.instructions.push_back(std::move(made));
  }
  totals_.clear();
  streams_.clear();
}

}  // namespace graft::sim
