#include "core/accelerator.h"

#include "core/error.h"
#include "core/side_stream.h"

namespace graft {

Accelerator& accelerator_of(Device device) {
  Accelerator* found = accelerator();
  GRAFT_CHECK_AS(DeviceError, found, device, ": this build has no CUDA backend");
  GRAFT_CHECK_AS(DeviceError, device.index >= 0 && device.index < found->device_count(), device,
                 ": no such device; this machine has ", found->device_count(),
                 " that graft's kernels run on (compute capability 8.0 or newer)");
  return *found;
}

std::unique_ptr<SideStream> make_side_stream(Device device) {
  GRAFT_CHECK_AS(DeviceError, device.is_cuda(), "side stream: ", device, " has one order of work only");
  return accelerator_of(device).side_stream(device.index);
}

void synchronize(Device device) {
  if (device.is_cuda()) accelerator_of(device).synchronize(device.index);
}

}  // namespace graft
