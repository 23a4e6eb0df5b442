#include "kernels/cuda/sim/watch.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "core/error.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"

namespace graft::sim {

constinit thread_local Recorder* recorder = nullptr;

Traffic& Traffic::operator+=(const Traffic& other) {
  bytes += other.bytes;
  requests += other.requests;
  sectors += other.sectors;
  conflicts += other.conflicts;
  return *this;
}

Counters& Counters::operator+=(const Counters& other) {
  global_load += other.global_load;
  global_store += other.global_store;
  shared_load += other.shared_load;
  shared_store += other.shared_store;
  bulk_bytes += other.bulk_bytes;
  atomics += other.atomics;
  barriers += other.barriers;
  launches += other.launches;
  return *this;
}

Watch::Watch(After first_report) : recorder_(new Recorder) {
  recorder_->stops = first_report == After::stop;
  if (recorder) {
    delete recorder_;
    fail("sim: a Watch inside of a Watch");
  }
  if (kWatchBuilt) recorder = recorder_;
}

Watch::~Watch() {
  recorder = nullptr;
  delete recorder_;
}

Counters Watch::total() const {
  Counters sum;
  for (const auto& [name, record] : recorder_->kernels) sum += record.counters;
  return sum;
}

const std::map<std::string, KernelRecord>& Watch::kernels() const {
  return recorder_->kernels;
}

const std::vector<std::string>& Watch::reports() const {
  return recorder_->reports;
}

void Recorder::begin_launch(const Launch& launch, const void* frame) {
  launch_ = &launch;
  frame_ = frame;
  counters_ = {};
  counters_.launches = 1;
  global_.clear();
  order_.begin_launch();
  last_ = {};
  reported_.clear();
  launch_reports_ = 0;
}

void Recorder::begin_block(Block& block) {
  block_ = &block;
  shared_.clear();
  order_.begin_block(static_cast<uint32_t>(block.number) + 1, block.count);
  requests_.begin_block(block.warp_count);
  lost_ = {};
}

void Recorder::block_met() {
  take_back_lost_store();
  ++counters_.barriers;
  requests_.all_met();
  order_.next_phase();
}

void Recorder::warp_met(int warp, uint32_t mask, bool ordered) {
  take_back_lost_store();
  // Only when all lanes meet are those that lag behind known to have come.
  if (mask == block_->warps[warp].exists) requests_.warp_met(warp);
  if (!ordered) return;
  uint16_t threads[kWarpSize];
  int count = 0;
  for (int i = 0; i < kWarpSize; ++i) {
    if (mask >> i & 1) threads[count++] = static_cast<uint16_t>(warp * kWarpSize + i);
  }
  order_.join(threads, count);
}

void Recorder::named_met(const uint32_t (&lanes)[32]) {
  std::vector<uint16_t> threads;
  for (int i = 0; i < block_->count; ++i) {
    if (lanes[i / kWarpSize] >> i % kWarpSize & 1) threads.push_back(static_cast<uint16_t>(i));
  }
  order_.join(threads.data(), static_cast<int>(threads.size()));
}

void Recorder::end_block() {
  requests_.all_met();
  block_ = nullptr;
}

void Recorder::end_launch() {
  KernelRecord& record = kernels[launch_->name];
  requests_.hand_over(record);
  record.counters += counters_;
  launch_ = nullptr;
}

// The hooks are called before the access: what was there then, there again.
void Recorder::take_back_lost_store() {
  if (lost_.before.empty()) return;
  std::memcpy(reinterpret_cast<void*>(lost_.address), lost_.before.data(), lost_.before.size());
  lost_.before.clear();
}

void Recorder::access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
  const Thread* thread = current_thread();
  if (!thread || !block_) return;  // the host's own
  take_back_lost_store();
  uintptr_t stack = reinterpret_cast<uintptr_t>(thread->fiber.stack);
  if (address - stack < thread->fiber.stack_bytes) {  // the thread's own variables
    std::string wrong = block_->products.touch(*thread, address, bytes);
    if (!wrong.empty()) report(order_.stamp(thread->number, kind, code), wrong);
    return;
  }
  Access now = order_.stamp(thread->number, kind, code);
  const bool shared = block_->arena.contains(reinterpret_cast<const void*>(address));
  if (shared) {
    const Arena::Piece* piece = block_->arena.piece_of(reinterpret_cast<const void*>(address), bytes);
    if (!piece) return report(now, "outside of its shared memory");
    if (kind == Kind::write && is_sabotaged(Mistake::lost_store, {launch_->name, thread->number})) {
      const char* here = reinterpret_cast<const char*>(address);
      lost_ = {address, {here, here + bytes}};
      return;
    }
    bool unwritten = false;
    Race race = shared_.access(address, bytes, now, order_, &unwritten);
    uintptr_t offset = address - reinterpret_cast<uintptr_t>(piece->data);
    if (unwritten) report(now, str("of shared memory that nobody wrote, byte ", offset));
    if (race.found) report_race(now, "shared", offset, race);
    if (kind != Kind::read) check_readers(now, address, bytes);
  } else {
    if (!check_global(now, address, bytes)) return;
    Race race = global_.access(address, bytes, now, order_, nullptr);
    if (race.found) report_race(now, "global", address - last_.begin, race);
  }
  if (kind == Kind::atomic) {
    ++counters_.atomics;
    order_.atomic(now, address);
  } else if (kind != Kind::landing) {
    requests_.add(thread->warp, thread->lane, block_->warps[thread->warp].exists, code, address, bytes,
                  shared, kind != Kind::read);
  }
}

void Recorder::land(int thread, const void* shared, size_t bytes, const void* barrier, const void* code) {
  Access now = order_.unit_stamp(barrier, thread, reinterpret_cast<uintptr_t>(code));
  uintptr_t address = reinterpret_cast<uintptr_t>(shared);
  Race race = shared_.access(address, bytes, now, order_, nullptr);
  if (race.found) report_race(now, "shared", shared_byte(address), race);
  check_readers(now, address, bytes);
}

void Recorder::unit_begins(int warp) {
  order_.unit_begins(warp);
}

void Recorder::unit_ends(int warp) {
  order_.unit_ends(warp);
}

void Recorder::unit_reads(int warp, const void* shared, size_t bytes, Kind kind, const void* code) {
  Access now = order_.stamp(order_.unit_of(warp), kind, reinterpret_cast<uintptr_t>(code));
  now.asked_by = static_cast<uint16_t>(warp * kWarpSize);
  const uintptr_t address = reinterpret_cast<uintptr_t>(shared);
  bool unwritten = false;
  Race race = shared_.access(address, bytes, now, order_, &unwritten);
  if (unwritten) report(now, str("of shared memory that nobody wrote, byte ", shared_byte(address)));
  if (race.found) report_race(now, "shared", shared_byte(address), race);
}

// A wgmma under way reads until it is waited for.
void Recorder::check_readers(const Access& now, uintptr_t address, size_t bytes) {
  const int reader = block_->products.reader_of(*block_, address, bytes);
  if (reader < 0) return;
  report(now, str("of shared memory, byte ", shared_byte(address), ", that a wgmma of thread ",
                  to_text(block_->threads[reader].index), " still reads: wgmma_wait comes first"));
}

// Counted from the beginning of the piece that it lies in.
uintptr_t Recorder::shared_byte(uintptr_t address) const {
  const Arena::Piece* piece = block_->arena.piece_of(reinterpret_cast<const void*>(address), 1);
  return address - reinterpret_cast<uintptr_t>(piece ? piece->data : block_->arena.base());
}

void Recorder::read_by_unit(const void* from, size_t bytes, const void* code) {
  Access now = order_.stamp(0, Kind::read, reinterpret_cast<uintptr_t>(code));
  if (check_global(now, reinterpret_cast<uintptr_t>(from), bytes)) {
    counters_.bulk_bytes += static_cast<int64_t>(bytes);
  }
}

// Whether this is device memory whose traffic counts; says so where a kernel may not be there at all.
bool Recorder::check_global(const Access& now, uintptr_t address, size_t bytes) {
  if (!(address >= last_.begin && address + bytes <= last_.end)) {
    Allocation found = find_allocation(address);
    if (found.end == 0) {
      constexpr uintptr_t kParameters = 1 << 20;
      bool parameter = now.kind == Kind::read && address - reinterpret_cast<uintptr_t>(frame_) < kParameters;
      if (!parameter && !in_program(address)) {
        report(now, str("outside of every allocation: ", describe_outside(address)));
        stop_where_unmapped(address, bytes);
      }
      return false;
    }
    last_ = found;
    if (address + bytes > found.end) {
      report(now, str("outside of every allocation: ", address + bytes - found.end,
                      " bytes over the end of an allocation of ", found.end - found.begin, " bytes"));
      stop_where_unmapped(address, bytes);
      return false;
    }
  }
  return true;
}

// The access itself is still to come. Where it would end the program, the block ends instead, and the reports
// are not lost.
void Recorder::stop_where_unmapped(uintptr_t address, size_t bytes) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)), first = address & ~(page - 1);
  unsigned char unused[2];
  if (mincore(reinterpret_cast<void*>(first), address + bytes - first, unused) == 0) return;
  block_->stop(std::make_exception_ptr(DeviceError(
      str(block_->where(), ": an access of memory that does not exist, ", describe_outside(address)))));
}

namespace {

std::string_view noun(Kind kind) {
  switch (kind) {
    case Kind::read: return "a read";
    case Kind::write: return "a write";
    case Kind::atomic: return "an atomic update";
    case Kind::unit_start:
    case Kind::unit_read: return "a wgmma's read";
    default: return "an asynchronous copy";
  }
}

}  // namespace

void Recorder::report(const Access& now, const std::string& what, uintptr_t other_code) {
  constexpr int kMost = 20;
  if (!reported_.emplace(now.code, other_code).second || ++launch_reports_ > kMost) return;
  reports.push_back(str(block_->where(), ", thread ", to_text(block_->threads[now.asked_by].index), ": ",
                        noun(now.kind), " ", what, "\n  at ", describe_code(now.code)));
  if (other_code) reports.back() += str("\n  and ", describe_code(other_code));
  if (stops) block_->stop(std::make_exception_ptr(DeviceError(reports.back())));
}

void Recorder::report_race(const Access& now, const char* memory, uintptr_t offset, const Race& race) {
  const Access& earlier = race.earlier;
  std::string other =
      earlier.block == now.block
          ? str("thread ", to_text(block_->threads[earlier.asked_by].index))
          : str("thread ", earlier.asked_by, " of block ", to_text(block_->index_of(earlier.block - 1)));
  if (race.unfenced) {
    return report(now,
                  str("of ", memory, " memory, byte ", offset, ", that ", other,
                      " wrote without a fence_proxy_async after it"),
                  earlier.code);
  }
  report(now,
         str("of ", memory, " memory, byte ", offset, ", in a race with ", noun(earlier.kind), " of ", other),
         earlier.code);
}

}  // namespace graft::sim
