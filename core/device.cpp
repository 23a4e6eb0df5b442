#include "core/device.h"

#include "core/accelerator.h"
#include "core/str.h"

namespace graft {

std::string to_text(Device device) {
  return device.is_cuda() ? str("cuda:", device.index) : std::string("cpu");
}

bool has_cuda_backend() {
  return accelerator() != nullptr;
}

std::vector<Device> devices() {
  std::vector<Device> found = {kCpu};
  int count = accelerator() ? accelerator()->device_count() : 0;
  for (int i = 0; i < count; ++i) found.push_back({Device::Type::cuda, i});
  return found;
}

}  // namespace graft
