#include "kernels/cuda/side_stream.h"

#include <deque>

#include "core/accelerator.h"
#include "core/error.h"
#include "core/step_graph.h"
#include "kernels/cuda/recording.h"
#include "kernels/cuda/runtime.h"

namespace graft::kernels::cuda {
namespace {

// A part's kernels are renewed, and nothing is added to the recording.
void refuse_in_part() {
  GRAFT_CHECK_AS(DeviceError, !running_part(), "mark: set in ", running_part(),
                 ", a part of a step that is recorded; set it outside of every_step");
}

#ifdef GRAFT_SIM

// The device has done what it was asked for as soon as it was asked, so a mark says no more than that it was
// set; and work beside it is put off for as long as it may be: who does not wait for it finds nothing done.
struct SimulatedMark final : Mark {
  void set() override {
    refuse_in_part();
    if (Recording* recording = Recording::here()) {
      recording->copy([count = times] { ++*count; });
    } else {
      ++*times;
    }
  }
  std::shared_ptr<int64_t> times = std::make_shared<int64_t>(0);
  mutable int64_t followed = 0;  // of times
};

class SimulatedStream final : public SideStream {
 public:
  std::unique_ptr<Mark> mark() override { return std::make_unique<SimulatedMark>(); }
  void run(const Mark& after, std::function<void()> work) override {
    Recording::refuse("work beside the device's order", kWait);
    const auto& mark = dynamic_cast<const SimulatedMark&>(after);
    GRAFT_CHECK_AS(DeviceError, *mark.times > mark.followed,
                   "side stream: work after a mark that was not set since the last time");
    mark.followed = *mark.times;
    work_.push_back(std::move(work));
  }
  void* handle() override { return this; }
  bool is_done() override {
    if (work_.empty()) return true;
    std::function<void()> next = std::move(work_.front());
    work_.pop_front();
    next();
    return work_.empty();
  }

 private:
  std::deque<std::function<void()>> work_;
};

#else

class GpuMark final : public Mark {
 public:
  explicit GpuMark(int device) : device_(device) {
    accelerator()->use(device_);
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  }
  // May run while the process ends and CUDA is gone: an error has no one to go to.
  ~GpuMark() override { cudaEventDestroy(event); }

  // An external event is a node of the graph that is captured, instead of an edge within it.
  void set() override {
    refuse_in_part();
    accelerator()->use(device_);
    unsigned flags = Recording::here() ? cudaEventRecordExternal : cudaEventRecordDefault;
    check(cudaEventRecordWithFlags(event, stream(), flags), "recording an event");
  }

  cudaEvent_t event = nullptr;

 private:
  int device_;
};

class GpuStream final : public SideStream {
 public:
  explicit GpuStream(int device) : device_(device) {
    accelerator()->use(device_);
    int lowest = 0, highest = 0;  // what others wait for comes first
    check(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "asking for priorities");
    check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, highest), "making a stream");
  }
  ~GpuStream() override { cudaStreamDestroy(stream_); }

  std::unique_ptr<Mark> mark() override { return std::make_unique<GpuMark>(device_); }
  void run(const Mark& after, std::function<void()> work) override {
    Recording::refuse("work beside the device's order", kWait);
    accelerator()->use(device_);
    check(cudaStreamWaitEvent(stream_, dynamic_cast<const GpuMark&>(after).event), "waiting for an event");
    OnStream here(stream_);
    work();
  }
  void* handle() override { return stream_; }
  bool is_done() override {
    accelerator()->use(device_);
    cudaError_t status = cudaStreamQuery(stream_);
    if (status == cudaErrorNotReady) {
      cudaGetLastError();  // forgets it: this is an answer and not an error
      return false;
    }
    check(status, "asking whether a stream is done");
    return true;
  }

 private:
  int device_;
  cudaStream_t stream_ = nullptr;
};

#endif

}  // namespace

std::unique_ptr<SideStream> new_side_stream([[maybe_unused]] int device) {
#ifdef GRAFT_SIM
  return std::make_unique<SimulatedStream>();
#else
  return std::make_unique<GpuStream>(device);
#endif
}

}  // namespace graft::kernels::cuda
