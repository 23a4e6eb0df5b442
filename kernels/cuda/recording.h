// Recording a step's launches instead of running them (core/step_graph.h): on a GPU a CUDA graph, in the
// simulator a list of the same launches.
#pragma once

#include <functional>
#include <vector>

#include "core/accelerator.h"
#include "core/step_recorder.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

// What to do instead of what cannot be recorded.
inline constexpr const char* kWait = "do it after the step";
inline constexpr const char* kDownload = "return the tensor from the step and read it afterwards";
inline constexpr const char* kUpload = "make the tensor before the first step and feed() it before each";
inline constexpr const char* kCopyInPart = "move the copy out of every_step";

class Recording final : public RecordedWork {
 public:
  explicit Recording(int device) : device_(device) {}
  ~Recording() override;

  // What this thread records or renews; null where kernels run as they are started.
  static Recording* here();
  // Throws DeviceError where this thread records or renews a step: `what` ("a copy of 4 bytes to the CPU")
  // cannot be part of it, and `instead` says what to do.
  static void refuse(const std::string& what, const char* instead);

  // All on the device in use.
  static void begin(int device);
  static std::unique_ptr<Recording> end();
  static void drop() noexcept;

  int64_t kernels() const { return static_cast<int64_t>(kernels_.size()); }
  void play() override;
  void begin_renewing(int64_t first, int64_t count) override;
  int64_t end_renewing() override;

#ifdef GRAFT_SIM
  using Play = std::function<void()>;
  void kernel(const char* name, const void* function, Play play);
  void copy(Play play) {  // or whatever else is no kernel
    plays_.push_back(std::move(play));
  }
#else
  // Starts the kernel into the stream that is captured, or gives a recorded one its new arguments.
  cudaError_t kernel(const char* name, const void* function, const cudaLaunchConfig_t& config,
                     void** arguments);
#endif

 private:
  struct Kernel {
    const char* name;
    const void* function;
#ifdef GRAFT_SIM
    size_t place;  // in plays_
#else
    cudaGraphNode_t node;
#endif
  };
  // The recorded kernel whose place `name` takes.
  const Kernel& next(const char* name, const void* function);

  int device_;
  std::vector<Kernel> kernels_;
  int64_t first_ = 0, next_ = 0, last_ = 0;  // while renewing: of the part, and the next one's place
#ifdef GRAFT_SIM
  std::vector<Play> plays_;
#else
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
#endif
};

}  // namespace graft::kernels::cuda
