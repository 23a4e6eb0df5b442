#include "core/device.h"

#include "core/str.h"

namespace graft {

std::string to_text(Device device) {
  return device.is_cuda() ? str("cuda:", device.index) : std::string("cpu");
}

std::vector<Device> devices() {
  return {kCpu};
}

}  // namespace graft
