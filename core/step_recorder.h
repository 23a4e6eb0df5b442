// How a device records work instead of doing it: what a StepGraph (core/step_graph.h) asks of the CUDA
// backend.
#pragma once

#include <cstdint>
#include <memory>

namespace graft {

// What a device was asked to do while its work was recorded, to be done any number of times.
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  virtual void play() = 0;
  // Between the two, a kernel that this thread starts does not run: it takes, with its arguments, the place
  // of recorded kernel `first`, the next one that of the one after it, `count` at most. Another kernel than
  // the one that was recorded, one too many, or a copy is a DeviceError. end_renewing says how many there
  // were.
  virtual void begin_renewing(int64_t first, int64_t count) = 0;
  virtual int64_t end_renewing() = 0;
};

class StepRecorder {
 public:
  virtual ~StepRecorder() = default;
  // Between begin and end, what this thread asks of the device is recorded and not done. What cannot be
  // recorded, such as a copy to or from the CPU, is a DeviceError that names the kernel before it.
  virtual void begin(int index) = 0;
  virtual int64_t kernels() = 0;  // recorded so far
  virtual std::unique_ptr<RecordedWork> end() = 0;
  virtual void drop() noexcept = 0;  // forgets what was recorded
};

// Null in a build without an accelerator. Defined by the CUDA backend, or by what stands in for it.
StepRecorder* step_recorder();

}  // namespace graft
