// A build without the CUDA backend has no accelerator. What stands in for the kernels is generated:
// cmake/backend.cmake.
#include "core/accelerator.h"
#include "core/step_recorder.h"

namespace graft {

Accelerator* accelerator() {
  return nullptr;
}

StepRecorder* step_recorder() {
  return nullptr;
}

}  // namespace graft
