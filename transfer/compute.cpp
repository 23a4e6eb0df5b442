#include "transfer/compute.h"

#include <charconv>

#include "core/accelerator.h"
#include "core/error.h"

namespace graft::transfer {
namespace {

std::string present_devices() {
  std::string text;
  for (Device device : devices()) text += (text.empty() ? "" : ", ") + to_text(device);
  return text;
}

}  // namespace

Device parse_device(std::string_view text) {
  if (text == "cpu") return kCpu;
  if (text == "cuda") return {Device::Type::cuda, 0};
  int index = -1;
  if (text.starts_with("cuda:")) {
    std::string_view number = text.substr(5);
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (error != std::errc() || end != number.data() + number.size()) index = -1;
  }
  GRAFT_CHECK_AS(UsageError, index >= 0, "unknown device ", printable(text),
                 "; there are cpu, cuda (the first CUDA device) and cuda:N");
  return {Device::Type::cuda, index};
}

DType parse_precision(std::string_view text) {
  if (text == "f32") return DType::f32;
  if (text == "bf16") return DType::bf16;
  fail<UsageError>("unknown precision ", printable(text), "; there are f32 and bf16");
}

void check(const Compute& compute) {
  Device device = compute.device;
  if (device.is_cuda()) {
    GRAFT_CHECK_AS(DeviceError, has_cuda_backend(), "device ", device,
                   ": this build of graft is for the CPU alone; leave the device at cpu, or build the preset "
                   "cuda (needs nvcc) or sim (simulates a GPU)");
    int count = accelerator()->device_count();
    GRAFT_CHECK_AS(DeviceError, device.index < count, "device ", device, ": there is no such device; found ",
                   present_devices(),
                   ". graft needs a GPU of compute capability 8.0 or newer and its driver;",
                   " `graft doctor` tells what it sees");
  }
  GRAFT_CHECK_AS(UsageError, compute.precision == DType::f32 || compute.precision == DType::bf16,
                 "precision ", compute.precision, ": there are f32 and bf16");
  GRAFT_CHECK_AS(UsageError, compute.precision == DType::f32 || device.is_cuda(),
                 "precision bf16: the CPU's kernels compute in f32; use f32, or a CUDA device");
}

void place(nn::Headed& network, const Compute& compute) {
  network.compute_on(compute.device, compute.precision == DType::f32 ? network.dtype() : compute.precision);
}

std::string describe(Device device) {
  std::string text = to_text(device);
  return device.is_cuda() ? str(text, " (", accelerator_of(device).describe(device.index), ")") : text;
}

}  // namespace graft::transfer
