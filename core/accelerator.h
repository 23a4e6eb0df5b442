// What core needs of an accelerator: memory, copies, and the elementwise work behind Tensor's own methods.
// The CUDA backend implements it (kernels/cuda/runtime.cu) and is found when the program is linked, so core
// includes no CUDA header, nothing registers itself at start, and the same object files serve builds with and
// without it (cmake/cuda_absent.cpp.in).
//
// All work of a device is in one order, the order of the calls: a copy or kernel sees what earlier ones
// wrote, and memory that is freed may be handed out at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/block_cache.h"
#include "core/device.h"

namespace graft {

class Tensor;
class SideStream;

class Accelerator {
 public:
  virtual ~Accelerator() = default;

  // Devices that this build's kernels run on. The first call looks; none is looked for during static
  // initialisation.
  virtual int device_count() = 0;
  // "NVIDIA H100, sm_90, 79.1 GiB" or "simulated on the CPU"
  virtual std::string describe(int index) = 0;
  // False for the simulator, which is no GPU.
  virtual bool is_hardware() const = 0;
  // The device that kernels of this thread run on from now on.
  virtual void use(int index) = 0;
  virtual BlockSource& memory(int index) = 0;
  // Returns when the device has done all that was asked of it. Throws what went wrong on the way.
  virtual void synchronize(int index) = 0;
  // core/side_stream.h
  virtual std::unique_ptr<SideStream> side_stream(int index) = 0;

  // Bytes, between contiguous tensors. upload may return before the device has them, but `from` may change.
  virtual void upload(int index, void* to, const void* from, int64_t bytes) = 0;
  // Waits for the device, so it throws what earlier work did wrong.
  virtual void download(int index, void* to, const void* from, int64_t bytes) = 0;
  virtual void copy(int to_index, void* to, int from_index, const void* from, int64_t bytes) = 0;

  // Tensors on one device. The elements in row-major order; same shape and type, any strides.
  virtual void copy_strided(const Tensor& from, const Tensor& to) = 0;
  // Contiguous, same shape; converted as Tensor::to(DType) says.
  virtual void convert(const Tensor& from, const Tensor& to) = 0;
  virtual void fill(const Tensor& tensor, double value) = 0;
};

// Null in a build without one. Defined by the CUDA backend, or by what stands in for it.
Accelerator* accelerator();
// The accelerator that `device` belongs to. Throws DeviceError where there is no such device.
Accelerator& accelerator_of(Device device);
// Waits for the device. There is nothing to wait for on the CPU.
void synchronize(Device device);

}  // namespace graft
