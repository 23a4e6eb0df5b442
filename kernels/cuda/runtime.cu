// The GPUs of this machine, behind core's Accelerator. Not part of a simulator build, which has
// kernels/cuda/sim/runtime.cpp.
#include "kernels/cuda/runtime.h"

#include <deque>
#include <mutex>

#include "core/accelerator.h"
#include "core/env.h"
#include "core/error.h"
#include "core/step_graph.h"
#include "kernels/cuda/copy.h"
#include "kernels/cuda/recording.h"
#include "kernels/cuda/side_stream.h"

namespace graft {
namespace {

using kernels::cuda::check;
using kernels::cuda::DeviceFacts;
using kernels::cuda::Fault;
using kernels::cuda::kCopyInPart;
using kernels::cuda::kDownload;
using kernels::cuda::kUpload;
using kernels::cuda::kWait;
using kernels::cuda::Recording;

// What CUDA calls the device; graft counts only those that its kernels run on.
struct Gpu : BlockSource {
  int ordinal = 0;
  int index = 0;
  cudaDeviceProp properties{};
  cudaStream_t stream = nullptr;
  Fault* fault = nullptr;  // in the CPU's memory, mapped, so that a look at it needs no copy
  std::once_flag prepared;

  void activate() const { check(cudaSetDevice(ordinal), "choosing the device"); }

  // The first use makes the CUDA context, which takes a while.
  void prepare() {
    std::call_once(prepared, [&] {
      activate();
      check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
      check(cudaHostAlloc(&fault, sizeof(Fault), cudaHostAllocMapped), "getting pinned memory");
      *fault = {};
    });
    activate();
  }

  void* take(int64_t bytes) override {
    prepare();
    void* block = nullptr;
    // While a step is recorded CUDA refuses to allocate, for fear that it is meant to be a part of the step.
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    check(cudaThreadExchangeStreamCaptureMode(&mode), "allowing memory to be got");
    cudaError_t status = cudaMalloc(&block, static_cast<size_t>(bytes));
    check(cudaThreadExchangeStreamCaptureMode(&mode), "allowing memory no more to be got");
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // forgets it: the caller may give memory back and try again
      return nullptr;
    }
    check(status, "getting memory");
    return block;
  }
  // May run while the process ends and CUDA is gone: an error has no one to go to.
  void give(void* block) override {
    if (cudaSetDevice(ordinal) == cudaSuccess) cudaFree(block);
  }
  int64_t most_cached() const override { return static_cast<int64_t>(properties.totalGlobalMem); }
  std::string name() const override { return to_text(Device{Device::Type::cuda, index}); }

  void synchronize() {
    Recording::refuse("waiting for the device", kWait);
    prepare();
    check(cudaStreamSynchronize(stream), "waiting for the device");
    Fault found = *fault;
    *fault = {};
    if (found.raise) found.raise(found.values);
  }
};

thread_local int current_index = 0;
thread_local cudaStream_t stream_beside = nullptr;  // null: the device's own

class Gpus : public Accelerator {
 public:
  Gpus() {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess) {  // no driver, or one that is too old
      cudaGetLastError();
      return;
    }
    for (int ordinal = 0; ordinal < count; ++ordinal) {
      cudaDeviceProp properties{};
      check(cudaGetDeviceProperties(&properties, ordinal), "asking for the device's properties");
      if (properties.major < 8) continue;
      Gpu& gpu = gpus_.emplace_back();
      gpu.ordinal = ordinal;
      gpu.index = static_cast<int>(gpus_.size()) - 1;
      gpu.properties = properties;
    }
  }

  Gpu& gpu(int index) {
    GRAFT_CHECK_AS(DeviceError, index >= 0 && index < device_count(), "cuda:", index, ": no such device");
    return gpus_[static_cast<size_t>(index)];
  }
  Gpu& current() { return gpu(current_index); }

  int device_count() override { return static_cast<int>(gpus_.size()); }
  std::string describe(int index) override {
    const cudaDeviceProp& p = gpu(index).properties;
    return str(static_cast<const char*>(p.name), ", sm_", p.major, p.minor, ", ",
               bytes_text(static_cast<double>(p.totalGlobalMem)));
  }
  bool is_hardware() const override { return true; }
  void use(int index) override {
    gpu(index).prepare();
    current_index = index;
  }
  BlockSource& memory(int index) override { return gpu(index); }
  void synchronize(int index) override { gpu(index).synchronize(); }
  std::unique_ptr<SideStream> side_stream(int index) override {
    return kernels::cuda::new_side_stream(index);
  }

  // The CPU's memory is pageable: CUDA has read `from` when the call returns, but for a GPU that shares the
  // CPU's page tables and may read it in its own time.
  void upload(int index, void* to, const void* from, int64_t bytes) override {
    Recording::refuse(str("a copy of ", bytes, " bytes from the CPU"), kUpload);
    Gpu& on = gpu(index);
    on.prepare();
    check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, on.stream),
          "copying to the device");
    if (on.properties.pageableMemoryAccessUsesHostPageTables) {
      check(cudaStreamSynchronize(on.stream), "waiting for the device");
    }
  }
  void download(int index, void* to, const void* from, int64_t bytes) override {
    Recording::refuse(str("a copy of ", bytes, " bytes to the CPU"), kDownload);
    Gpu& on = gpu(index);
    on.prepare();
    check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, on.stream),
          "copying to the CPU");
    on.synchronize();
  }
  void copy(int to_index, void* to, int from_index, const void* from, int64_t bytes) override {
    if (running_part()) Recording::refuse("a copy from tensor to tensor", kCopyInPart);
    if (to_index != from_index) Recording::refuse("a copy between devices", kWait);
    Gpu &target = gpu(to_index), &source = gpu(from_index);
    target.prepare();
    if (&target == &source) {
      check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, target.stream),
            "copying on the device");
      return;
    }
    source.prepare();
    wait(target, source);
    target.activate();
    check(cudaMemcpyPeerAsync(to, target.ordinal, from, source.ordinal, static_cast<size_t>(bytes),
                              target.stream),
          "copying between devices");
    wait(source, target);  // or the source might be freed and overwritten before it is read
  }

  void copy_strided(const Tensor& from, const Tensor& to) override {
    use(from.device().index);
    kernels::cuda::copy_strided(from, to);
  }
  void convert(const Tensor& from, const Tensor& to) override {
    use(from.device().index);
    kernels::cuda::convert(from, to);
  }
  void fill(const Tensor& tensor, double value) override {
    use(tensor.device().index);
    kernels::cuda::fill(tensor, value);
  }

 private:
  // Later work of `waiter` comes after what `other` has been asked to do so far.
  static void wait(Gpu& waiter, Gpu& other) {
    cudaEvent_t done;
    other.activate();
    check(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), "making an event");
    check(cudaEventRecord(done, other.stream), "recording an event");
    waiter.activate();
    check(cudaStreamWaitEvent(waiter.stream, done), "waiting for an event");
    check(cudaEventDestroy(done), "destroying an event");
  }

  std::deque<Gpu> gpus_;  // a Gpu has a once_flag and must stay where it is
};

// Never destroyed: tensors of static lifetime may be freed after main has returned.
Gpus& gpus() {
  static Gpus* all = new Gpus;
  return *all;
}

}  // namespace

Accelerator* accelerator() {
  return &gpus();
}

namespace kernels::cuda {

DeviceFacts facts() {
  const cudaDeviceProp& p = gpus().current().properties;
  return {allowed_capability(p.major * 10 + p.minor), p.multiProcessorCount,
          static_cast<int64_t>(p.sharedMemPerBlockOptin)};
}

Fault* fault_slot() {
  return gpus().current().fault;
}

cudaStream_t stream() {
  return stream_beside ? stream_beside : gpus().current().stream;
}

OnStream::OnStream(cudaStream_t stream) : before_(stream_beside) {
  stream_beside = stream;
}
OnStream::~OnStream() {
  stream_beside = before_;
}

void check(cudaError_t status, const char* what) {
  GRAFT_CHECK_AS(DeviceError, status == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(status),
                 "; if an earlier kernel is to blame, GRAFT_SYNC=1 names it");
}

}  // namespace kernels::cuda
}  // namespace graft
