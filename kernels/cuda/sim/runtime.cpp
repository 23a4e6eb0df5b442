// The simulated device, behind core's Accelerator: the CPU's own memory, and copies that are done when they
// return.
#include "kernels/cuda/runtime.h"

#include <cstdlib>
#include <cstring>

#include "core/accelerator.h"
#include "core/error.h"
#include "core/step_graph.h"
#include "kernels/cuda/copy.h"
#include "kernels/cuda/recording.h"
#include "kernels/cuda/side_stream.h"
#include "kernels/cuda/sim/arena.h"
#include "kernels/cuda/sim/memory.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft {
namespace {

using kernels::cuda::Fault;
using kernels::cuda::kCopyInPart;
using kernels::cuda::kDownload;
using kernels::cuda::kUpload;
using kernels::cuda::kWait;
using kernels::cuda::Recording;

// cudaMalloc aligns to 256 bytes, and kernels may count on it. No block is larger than a GPU's memory.
struct Memory : BlockSource {
  void* take(int64_t bytes) override {
    if (bytes > int64_t{64} << 30) return nullptr;
    return std::aligned_alloc(256, static_cast<size_t>((bytes + 255) / 256 * 256));
  }
  void give(void* block) override { std::free(block); }
  // A watched kernel, or AddressSanitizer, finds an access beyond the bytes that were asked for, and one
  // after they were given back. New memory is NaN and -1, not what somebody left there.
  void lend(void* block, int64_t bytes, int64_t reserved) override {
    sim::unpoison(block, static_cast<size_t>(bytes));
    std::memset(block, 0xFF, static_cast<size_t>(bytes));
    sim::poison(static_cast<char*>(block) + bytes, static_cast<size_t>(reserved - bytes));
    sim::allow_memory(block, static_cast<size_t>(bytes));
  }
  void take_back(void* block, int64_t reserved) override {
    sim::forbid_memory(block);
    sim::poison(block, static_cast<size_t>(reserved));
  }
  int64_t most_cached() const override { return int64_t{1} << 30; }
  std::string name() const override { return to_text(Device{Device::Type::cuda, 0}); }
};

class SimulatedDevice : public Accelerator {
 public:
  SimulatedDevice() { sim::allow_memory(&fault_, sizeof fault_); }

  int device_count() override { return 1; }
  std::string describe(int) override { return "simulated on the CPU"; }
  bool is_hardware() const override { return false; }
  void use(int) override {}
  BlockSource& memory(int) override { return memory_; }

  void synchronize(int) override {
    Recording::refuse("waiting for the device", kWait);
    Fault found = fault_;
    fault_ = {};
    if (found.raise) found.raise(found.values);
  }
  std::unique_ptr<SideStream> side_stream(int index) override {
    return kernels::cuda::new_side_stream(index);
  }
  void upload(int, void* to, const void* from, int64_t bytes) override {
    Recording::refuse(str("a copy of ", bytes, " bytes from the CPU"), kUpload);
    move(to, from, bytes);
  }
  void download(int index, void* to, const void* from, int64_t bytes) override {
    Recording::refuse(str("a copy of ", bytes, " bytes to the CPU"), kDownload);
    move(to, from, bytes);
    synchronize(index);
  }
  void copy(int, void* to, int, const void* from, int64_t bytes) override {
    if (running_part()) Recording::refuse("a copy from tensor to tensor", kCopyInPart);
    if (Recording* recording = Recording::here()) {
      recording->copy([=] { move(to, from, bytes); });
    } else {
      move(to, from, bytes);
    }
  }

  void copy_strided(const Tensor& from, const Tensor& to) override { kernels::cuda::copy_strided(from, to); }
  void convert(const Tensor& from, const Tensor& to) override { kernels::cuda::convert(from, to); }
  void fill(const Tensor& tensor, double value) override { kernels::cuda::fill(tensor, value); }

  Fault* fault() { return &fault_; }

 private:
  static void move(void* to, const void* from, int64_t bytes) {
    std::memmove(to, from, static_cast<size_t>(bytes));
  }

  Memory memory_;
  Fault fault_{};
};

// Never destroyed: tensors of static lifetime may be freed after main has returned.
SimulatedDevice& device() {
  static SimulatedDevice* one = new SimulatedDevice;
  return *one;
}

}  // namespace

Accelerator* accelerator() {
  return &device();
}

namespace kernels::cuda {

// The multiprocessors are few, so that a kernel which counts on them has more than one round of work in a
// test.
DeviceFacts facts() {
  return {allowed_capability(90), 4, static_cast<int64_t>(sim::kMaxShared)};
}

Fault* fault_slot() {
  return device().fault();
}

}  // namespace kernels::cuda
}  // namespace graft
