#include "core/accelerator.h"

#include "core/error.h"

namespace graft {

Accelerator& accelerator_of(Device device) {
  Accelerator* found = accelerator();
  GRAFT_CHECK_AS(DeviceError, found, device, ": this build has no CUDA backend");
  GRAFT_CHECK_AS(DeviceError, device.index >= 0 && device.index < found->device_count(), device,
                 ": no such device; this machine has ", found->device_count(),
                 " that graft's kernels run on (compute capability 8.0 or newer)");
  return *found;
}

void synchronize(Device device) {
  if (device.is_cuda()) accelerator_of(device).synchronize(device.index);
}

}  // namespace graft
