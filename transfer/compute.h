// Where a run computes, and in what type.
#pragma once

#include <string>
#include <string_view>

#include "core/device.h"
#include "core/dtype.h"
#include "nn/models/headed.h"

namespace graft::transfer {

struct Compute {
  Device device = kCpu;
  DType precision = DType::f32;  // or bf16, on an accelerator; docs/precision.md says what then stays f32
};

// "cpu", "cuda" (the first CUDA device) or "cuda:1". Throws UsageError for anything else.
Device parse_device(std::string_view text);
// "f32" or "bf16". Throws UsageError for anything else.
DType parse_precision(std::string_view text);
// Throws DeviceError where there is no such device, UsageError where it does not compute in this type.
void check(const Compute& compute);
// The network computes so from now on: f32 stands for the type of its tensors.
void place(nn::Headed& network, const Compute& compute);
// "cpu", "cuda:0 (simulated on the CPU)"
std::string describe(Device device);

}  // namespace graft::transfer
