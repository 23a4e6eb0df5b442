#include "bench/cuda/device.h"

#include <chrono>
#include <utility>

#include "core/accelerator.h"
#include "core/str.h"
#include "kernels/cuda/runtime.h"

namespace graft::bench {

void use_device() {
  accelerator_of(kDevice).use(kDevice.index);
}

#ifdef GRAFT_SIM

std::string driver_version() {
  return "";
}
std::string runtime_version() {
  return "";
}
void* device_stream() {
  return nullptr;
}

struct DeviceClock::State {
  std::vector<double> seconds;
  std::chrono::steady_clock::time_point begin;
};

DeviceClock::DeviceClock() : state_(std::make_unique<State>()) {}
DeviceClock::~DeviceClock() = default;
void DeviceClock::clear_cache() {}
void DeviceClock::start() {
  state_->begin = std::chrono::steady_clock::now();
}
void DeviceClock::stop() {
  synchronize(kDevice);
  std::chrono::duration<double> passed = std::chrono::steady_clock::now() - state_->begin;
  state_->seconds.push_back(passed.count());
}
std::vector<double> DeviceClock::seconds() {
  return std::exchange(state_->seconds, {});
}

#else

using kernels::cuda::check;

namespace {

std::string version_text(int number) {  // 13020 is 13.2
  return str(number / 1000, ".", number % 1000 / 10);
}

}  // namespace

std::string driver_version() {
  int number = 0;
  check(cudaDriverGetVersion(&number), "asking for the driver's version");
  return version_text(number);
}
std::string runtime_version() {
  int number = 0;
  check(cudaRuntimeGetVersion(&number), "asking for the runtime's version");
  return version_text(number);
}
void* device_stream() {
  return kernels::cuda::stream();
}

struct DeviceClock::State {
  struct Piece {
    cudaEvent_t begin, end;
  };
  std::vector<Piece> pieces;  // their events are used again
  size_t used = 0;
  void* memory = nullptr;
  size_t bytes = 0;

  State() {
    int device = 0, cache = 0;
    check(cudaGetDevice(&device), "asking for the device");
    check(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, device), "asking for the cache's size");
    // Long enough too for the CPU to hand over the next piece of work while the device is still busy here.
    bytes = static_cast<size_t>(cache) * 2 + (size_t{64} << 20);
    check(cudaMalloc(&memory, bytes), "getting memory to clear the cache");
  }
  // At the program's end: an error has no one to go to.
  ~State() {
    for (const Piece& p : pieces) {
      cudaEventDestroy(p.begin);
      cudaEventDestroy(p.end);
    }
    cudaFree(memory);
  }
};

DeviceClock::DeviceClock() : state_(std::make_unique<State>()) {}
DeviceClock::~DeviceClock() = default;

void DeviceClock::clear_cache() {
  check(cudaMemsetAsync(state_->memory, 1, state_->bytes, kernels::cuda::stream()), "clearing the cache");
}
void DeviceClock::start() {
  if (state_->used == state_->pieces.size()) {
    State::Piece piece{};
    check(cudaEventCreate(&piece.begin), "making an event");
    check(cudaEventCreate(&piece.end), "making an event");
    state_->pieces.push_back(piece);
  }
  check(cudaEventRecord(state_->pieces[state_->used].begin, kernels::cuda::stream()), "recording an event");
}
void DeviceClock::stop() {
  check(cudaEventRecord(state_->pieces[state_->used].end, kernels::cuda::stream()), "recording an event");
  ++state_->used;
}
std::vector<double> DeviceClock::seconds() {
  synchronize(kDevice);
  std::vector<double> all(std::exchange(state_->used, 0));
  for (size_t i = 0; i < all.size(); ++i) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, state_->pieces[i].begin, state_->pieces[i].end),
          "reading an event");
    all[i] = milliseconds * 1e-3;
  }
  return all;
}

#endif

}  // namespace graft::bench
