// Small examples of every op that has CUDA kernels, for `graft kernels`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/device.h"

namespace graft::app {

struct KernelExample {
  std::string name;   // "softmax"
  std::string sizes;  // "64 rows of 1000, f32"
  // Makes the inputs on the device and returns what is to be looked at: the op, forward and backward.
  std::function<std::function<void()>(Device)> prepare;
};

std::vector<KernelExample> kernel_examples();

}  // namespace graft::app
