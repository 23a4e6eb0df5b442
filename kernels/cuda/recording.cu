#include "kernels/cuda/recording.h"

#include "core/error.h"
#include "core/step_graph.h"

namespace graft::kernels::cuda {
namespace {

thread_local std::unique_ptr<Recording> recording;
thread_local Recording* renewing = nullptr;

}  // namespace

Recording* Recording::here() {
  return recording ? recording.get() : renewing;
}

void Recording::refuse(const std::string& what, const char* instead) {
  Recording* now = here();
  if (!now) return;
  const char* part = running_part();
  std::string place = part ? str(" in ", part) : "";
  if (recording && !now->kernels_.empty()) place += str(" after kernel ", now->kernels_.back().name);
  fail<DeviceError>("step graph: ", what, place, " cannot be part of a recorded step; ", instead);
}

const Recording::Kernel& Recording::next(const char* name, const void* function) {
  GRAFT_CHECK_AS(
      DeviceError, next_ < last_, "step graph: ", running_part(), " starts kernel ", name,
      ", one more than when the step was recorded. Such a part must do the same work in every step");
  const Kernel& recorded = kernels_[static_cast<size_t>(next_++)];
  GRAFT_CHECK_AS(DeviceError, recorded.function == function, "step graph: ", running_part(),
                 " starts kernel ", name, " where it started ", recorded.name,
                 " when the step was recorded. Such a part must do the same work in every step");
  return recorded;
}

void Recording::begin_renewing(int64_t first, int64_t count) {
  next_ = first;
  last_ = first + count;
  first_ = first;
  renewing = this;
}

int64_t Recording::end_renewing() {
  renewing = nullptr;
  return next_ - first_;
}

#ifdef GRAFT_SIM

Recording::~Recording() = default;

void Recording::begin(int device) {
  recording = std::make_unique<Recording>(device);
}

std::unique_ptr<Recording> Recording::end() {
  return std::move(recording);
}

void Recording::drop() noexcept {
  recording = nullptr;
}

void Recording::play() {
  for (const Play& play : plays_) play();
}

void Recording::kernel(const char* name, const void* function, Play play) {
  if (renewing) {
    plays_[next(name, function).place] = std::move(play);
  } else {
    kernels_.push_back({name, function, plays_.size()});
    plays_.push_back(std::move(play));
  }
}

#else

// May run while the process ends and CUDA is gone: an error has no one to go to.
Recording::~Recording() {
  if (executable_) cudaGraphExecDestroy(executable_);
  if (graph_) cudaGraphDestroy(graph_);
}

// Calls that could upset a capture are refused to this thread alone; others may go on.
void Recording::begin(int device) {
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal), "beginning to record a step");
  recording = std::make_unique<Recording>(device);
}

std::unique_ptr<Recording> Recording::end() {
  std::unique_ptr<Recording> done = std::move(recording);
  check(cudaStreamEndCapture(stream(), &done->graph_), "recording a step");
  check(cudaGraphInstantiate(&done->executable_, done->graph_, 0), "making a graph of a recorded step");
  return done;
}

void Recording::drop() noexcept {
  if (!recording) return;
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream(), &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
  cudaGetLastError();  // a capture that was spoilt says so once more
  recording = nullptr;
}

void Recording::play() {
  accelerator()->use(device_);
  check(cudaGraphLaunch(executable_, stream()), "playing a recorded step");
}

namespace {

// The node that the stream's capture ends with: the one that was added last.
cudaError_t last_node(cudaGraphNode_t& node) {
  cudaStreamCaptureStatus capturing{};
  const cudaGraphNode_t* nodes = nullptr;
  const cudaGraphEdgeData* edges = nullptr;
  size_t count = 0;
#if CUDART_VERSION >= 13000
  cudaError_t status =
      cudaStreamGetCaptureInfo(stream(), &capturing, nullptr, nullptr, &nodes, &edges, &count);
#else
  cudaError_t status =
      cudaStreamGetCaptureInfo_v3(stream(), &capturing, nullptr, nullptr, &nodes, &edges, &count);
#endif
  if (status != cudaSuccess) return status;
  if (capturing != cudaStreamCaptureStatusActive || count != 1) return cudaErrorStreamCaptureInvalidated;
  node = nodes[0];
  return cudaSuccess;
}

}  // namespace

cudaError_t Recording::kernel(const char* name, const void* function, const cudaLaunchConfig_t& config,
                              void** arguments) {
  if (renewing) {
    cudaKernelNodeParams parameters{};
    parameters.func = const_cast<void*>(function);
    parameters.gridDim = config.gridDim;
    parameters.blockDim = config.blockDim;
    parameters.sharedMemBytes = static_cast<unsigned>(config.dynamicSmemBytes);
    parameters.kernelParams = arguments;
    return cudaGraphExecKernelNodeSetParams(executable_, next(name, function).node, &parameters);
  }
  cudaError_t status = cudaLaunchKernelExC(&config, function, arguments);
  cudaGraphNode_t node = nullptr;
  if (status == cudaSuccess) status = last_node(node);
  if (status == cudaSuccess) kernels_.push_back({name, function, node});
  return status;
}

#endif

}  // namespace graft::kernels::cuda

namespace graft {
namespace {

class Recorder final : public StepRecorder {
 public:
  void begin(int index) override {
    accelerator()->use(index);
    kernels::cuda::Recording::begin(index);
  }
  int64_t kernels() override { return kernels::cuda::Recording::here()->kernels(); }
  std::unique_ptr<RecordedWork> end() override { return kernels::cuda::Recording::end(); }
  void drop() noexcept override { kernels::cuda::Recording::drop(); }
};

}  // namespace

StepRecorder* step_recorder() {
  static Recorder one;
  return &one;
}

}  // namespace graft
