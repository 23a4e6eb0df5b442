#include "kernels/cuda/sim/block.h"

#include <sys/mman.h>

#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/rng.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

constexpr size_t kPage = 4096;
// A kernel's own frames are small; sanitizers make them larger.
constexpr size_t kStack = (kAddressSanitizer || kThreadSanitizer ? 256 : 64) * 1024;
constexpr size_t kStacks = kStack * kMaxThreads;

thread_local Thread* current = nullptr;

}  // namespace

Thread* current_thread() {
  return current;
}

Thread& require_thread(const char* what) {
  GRAFT_CHECK(current, what, ": called outside of a simulated kernel");
  return *current;
}

uint3 thread_index() {
  return require_thread("threadIdx").index;
}
uint3 block_index() {
  return require_thread("blockIdx").block->index;
}
uint3 block_size() {
  return require_thread("blockDim").block->launch->block;
}
uint3 grid_size() {
  return require_thread("gridDim").block->launch->grid;
}
unsigned lane() {
  return require_thread("lane").lane;
}

std::string to_text(uint3 index) {
  return str("(", index.x, ", ", index.y, ", ", index.z, ")");
}

Block::Block() {
  // Touched pages alone take memory. The lowest page of each stack is closed: an overflow stops at once.
  void* p =
      mmap(nullptr, kStacks, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  GRAFT_CHECK_AS(MemoryError, p != MAP_FAILED, "simulator: no memory for the threads' stacks");
  stacks = static_cast<char*>(p);
  for (int i = 0; i < kMaxThreads; ++i) {
    Thread& thread = threads[i];
    thread.block = this;
    thread.number = static_cast<uint16_t>(i);
    thread.warp = static_cast<uint8_t>(i / kWarpSize);
    thread.lane = static_cast<uint8_t>(i % kWarpSize);
  }
}

Block::~Block() {
#ifdef GRAFT_SIM_TSAN
  for (int i = 0; i < stacks_ready; ++i) __tsan_destroy_fiber(threads[i].fiber.tsan);
#endif
  unpoison(stacks, kStacks);
  munmap(stacks, kStacks);
}

void Block::prepare_threads() {
  for (; stacks_ready < count; ++stacks_ready) {
    Fiber& fiber = threads[stacks_ready].fiber;
    char* bottom = stacks + static_cast<size_t>(stacks_ready) * kStack;
    mprotect(bottom, kPage, PROT_NONE);
    fiber.stack = bottom + kPage;
    // Tops at different places of a page: at the same place all would share a few sets of the first-level
    // cache.
    fiber.stack_bytes = kStack - kPage - static_cast<size_t>(stacks_ready * 5 % 64) * 64;
#ifdef GRAFT_SIM_TSAN
    fiber.tsan = __tsan_create_fiber(0);
#endif
  }
#ifdef GRAFT_SIM_TSAN
  host.tsan = __tsan_get_current_fiber();
  // Thread i of the next block becomes another ThreadSanitizer fiber, with its stack, than thread i of this
  // one: what one fiber does is ordered, and would hide a race between the two blocks.
  Fiber first = threads[0].fiber;
  for (int i = 0; i + 1 < count; ++i) threads[i].fiber = threads[i + 1].fiber;
  threads[count - 1].fiber = first;
#endif
  const dim3& size = launch->block;
  uint3 at{0, 0, 0};
  for (int i = 0; i < count; ++i) {
    Thread& thread = threads[i];
    prepare(thread.fiber, thread_main);
    thread.index = at;
    thread.state = Thread::State::runnable;
    thread.barriers = 0;
    thread.copies.clear();
    thread.copy_group = 0;
    thread.fenced = false;
    thread.atomic = nullptr;
    if (++at.x == size.x) {
      at.x = 0;
      if (++at.y == size.y) at.y = 0, ++at.z;
    }
  }
  warp_count = (count + kWarpSize - 1) / kWarpSize;
  runnable_warps = 0;
  for (int w = 0; w < warp_count; ++w) {
    int lanes = std::min(kWarpSize, count - w * kWarpSize);
    uint32_t mask = lanes == kWarpSize ? ~0u : (1u << lanes) - 1;
    warps[w] = Warp{};
    warps[w].exists = mask;
    make_runnable(w, mask);
  }
}

void Block::make_runnable(int warp, uint32_t lanes) {
  warps[warp].runnable |= lanes;
  if (lanes) runnable_warps |= 1u << warp;
}

namespace {

// A set bit of `bits`, which is not 0.
int random_bit(uint32_t bits, uint64_t& state) {
  state ^= state << 13;  // xorshift64 (Marsaglia, 2003)
  state ^= state >> 7;
  state ^= state << 17;
  int skip = static_cast<int>((state >> 32) % static_cast<unsigned>(std::popcount(bits)));
  while (skip-- > 0) bits &= bits - 1;
  return std::countr_zero(bits);
}

}  // namespace

Thread* Block::next() {
  if (!runnable_warps) return nullptr;
  int warp = 0, lane = 0;
  switch (launch->schedule.order) {
    case Schedule::Order::forward:
      warp = std::countr_zero(runnable_warps);
      lane = std::countr_zero(warps[warp].runnable);
      break;
    case Schedule::Order::reversed:
      warp = 31 - std::countl_zero(runnable_warps);
      lane = 31 - std::countl_zero(warps[warp].runnable);
      break;
    case Schedule::Order::random:
      warp = runnable_warps & ahead ? std::countr_zero(ahead) : random_bit(runnable_warps, random);
      lane = random_bit(warps[warp].runnable, random);
      break;
  }
  return &at(warp, lane);
}

namespace {

// The frames of the fiber that is probably next: 256 stacks do not fit into the first-level cache.
void prefetch([[maybe_unused]] const Fiber& fiber) {
#ifndef GRAFT_SIM_UCONTEXT
  const char* frames = static_cast<const char*>(fiber.stack_pointer);
  for (int line = 0; line < 6; ++line) __builtin_prefetch(frames + 64 * line);
#endif
}

}  // namespace

void Block::go_on() {
  Thread& me = *current;
  Thread* to = error ? nullptr : next();
  while (!to && !error && mbarriers.land_one(*this)) to = next();
  if (to == &me) return;
  current = to;
  if (to && to->number + 1 < count) prefetch(to[1].fiber);
  switch_fiber(me.fiber, to ? to->fiber : host);
}

void Block::wait(Thread::State state, Site site) {
  Thread& me = *current;
  me.state = state;
  me.site = site;
  Warp& warp = warps[me.warp];
  warp.runnable &= ~(1u << me.lane);
  if (!warp.runnable) runnable_warps &= ~(1u << me.warp);
  go_on();
  me.state = Thread::State::runnable;
}

void Block::stop(std::exception_ptr why) {
  if (!error) error = std::move(why);
  wait(Thread::State::done, {});
  std::terminate();  // nobody switches to a thread once there is an error
}

void Block::thread_main() {
  entered();
  Thread& me = *current;
  Block& block = *me.block;
  acquire(block.arena.tag(Arena::kStartTag));
  try {
    block.launch->body.call(block.launch->body.object);
  } catch (...) {
    if (!block.error) block.error = std::current_exception();
  }
  release(&block.launch->finished);
  block.warps[me.warp].done |= 1u << me.lane;
  ++block.done;
  block.wait(Thread::State::done, {});
  std::terminate();  // nobody switches to a thread that is done
}

uint3 Block::index_of(uint64_t block_number) const {
  const dim3& grid = launch->grid;
  return {static_cast<unsigned>(block_number % grid.x), static_cast<unsigned>(block_number / grid.x % grid.y),
          static_cast<unsigned>(block_number / grid.x / grid.y)};
}

void Block::run(Launch& of, uint64_t block_number) {
  launch = &of;
  number = block_number;
  const bool repeated =
      number > 0 && is_sabotaged(Mistake::repeated_block, {of.name, static_cast<int>(number)});
  index = index_of(number - repeated);
  count = static_cast<int>(of.block.x * of.block.y * of.block.z);
  done = arrived = vote_sum = 0;
  error = nullptr;
  arena.begin_block(of.shared_bytes);
  mbarriers.begin_block();
  for (NamedBarrier& barrier : named) barrier = {};
  products.begin_block();
  prepare_threads();
  if (of.schedule.order == Schedule::Order::random) {
    auto words = philox(of.schedule.seed, number, 0x51);
    random = (uint64_t{words[0]} << 32 | words[1]) | 1;
    ahead = 1u << (words[2] % static_cast<unsigned>(warp_count));
  }
  if (recorder) recorder->begin_block(*this);
  release(arena.tag(Arena::kStartTag));
  current = next();
  switch_fiber(host, current->fiber);
  current = nullptr;
  if (error) {
    abandon();
    std::rethrow_exception(std::exchange(error, nullptr));
  }
  if (done < count) {
    std::string report = stuck();
    abandon();
    fail<DeviceError>(report);
  }
  try {
    products.end_block(*this);
  } catch (...) {
    abandon();
    throw;
  }
  if (recorder) recorder->end_block();
  try {
    arena.check();
  } catch (const Error& e) {
    fail<DeviceError>(where(), ": ", e.what());
  }
}

void Block::abandon() {
#ifdef GRAFT_SIM_TSAN
  for (int i = 0; i < count; ++i) {
    // There and back, with synchronisation: what the thread did happened before what the host does from here
    // on.
    void*& fiber = threads[i].fiber.tsan;
    __tsan_switch_to_fiber(fiber, 0);
    __tsan_switch_to_fiber(host.tsan, 0);
    __tsan_destroy_fiber(fiber);  // its call stack is in the middle of things
    fiber = __tsan_create_fiber(0);
  }
#endif
}

std::string Block::where() const {
  return str("kernel ", launch->name, ", block ", to_text(index));
}

void Block::fail_here(const std::string& what) {
  Thread& me = *current;
  fail<DeviceError>(where(), ", thread ", to_text(me.index), ": ", what);
}

std::string to_text(const Site& site) {
  std::string_view file = site.file;
  if (site.line == 0) return std::string(file);  // an instruction by its name
  // From the project's folder on: the path as in an #include.
  for (std::string_view folder : {"/kernels/", "/tests/", "/bench/"}) {
    if (size_t at = file.rfind(folder); at != file.npos) {
      file.remove_prefix(at + 1);
      break;
    }
  }
  return str(file, ":", site.line);
}

// Threads that wait for the same thing in one line.
std::string Block::stuck() const {
  std::string out = str(where(), ": a barrier or warp operation that not all of its threads reach");
  bool told[kMaxThreads] = {};
  for (int i = 0; i < count; ++i) {
    if (told[i]) continue;
    const Thread& first = threads[i];
    auto alike = [&](const Thread& other) {
      return other.state == first.state && other.site.line == first.site.line &&
             (first.state != Thread::State::in_warp ||
              (other.warp == first.warp && other.mask == first.mask));
    };
    int together = 0, last = i;
    for (int j = i; j < count; ++j) {
      if (!alike(threads[j])) continue;
      told[j] = true;
      last = j;
      ++together;
    }
    out += str("\n  ", together, together == 1 ? " thread, " : " threads, ", to_text(first.index));
    if (together > 1) out += str(" to ", to_text(threads[last].index));
    switch (first.state) {
      case Thread::State::done: out += ": returned"; break;
      case Thread::State::at_barrier: out += str(": at the barrier ", to_text(first.site)); break;
      case Thread::State::at_named:
      case Thread::State::at_mbarrier: out += str(": in ", to_text(first.site)); break;
      default: {
        char mask[16];
        std::snprintf(mask, sizeof mask, "0x%08x", first.mask);
        out += str(": waiting for the lanes ", mask, " at ", to_text(first.site));
      }
    }
  }
  return out;
}

}  // namespace graft::sim
