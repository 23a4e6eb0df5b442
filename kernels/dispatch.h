// From one call to the kernel of the tensor's device and, on the CPU, of the machine's instruction level.
//
// A kernel's header declares it once:
//
//   GRAFT_KERNEL(softmax, (const Tensor& x, const Tensor& y), (x, y))
//
// which makes kernels::softmax(x, y): it calls cuda::softmax for a CUDA tensor, else the cpu::v2, v3 or v4
// twin. The first argument decides on the device; a tensor on another one is an error. Where a header says no
// more, the CPU's kernels take f32 and f64 and compute in that type, the CUDA kernels take f32 and bf16 and
// compute in float.
//
// A header's CUDA kernels are in kernels/cuda/<stem>.cu. Where a build has no such file, because it has no
// CUDA backend or the kernel is still to come, calling one throws DeviceError, naming it: cmake/backend.cmake
// has the compiler read the header once more, with GRAFT_CUDA_ABSENT, and GRAFT_KERNEL then defines the
// cuda:: functions that throw. So a file that arrives replaces them all, and which kernels there are is
// decided when the library is put together: everything above kernels/ compiles to the same object files
// with CUDA and without.
#pragma once

#include "core/accelerator.h"
#include "core/tensor.h"

namespace graft::kernels {

// The instruction levels that CPU kernels are compiled for: x86-64-v2 (SSE4.2), v3 (AVX2 and FMA), v4
// (AVX-512). On other processors there is one level, called v2, in plain C++.
enum class CpuLevel { v2 = 2, v3 = 3, v4 = 4 };

// The best level of this machine, or the one that GRAFT_CPU forces. Throws UsageError for a level it does not
// have.
CpuLevel cpu_level();
// For tests: kernels run at this level from now on.
void set_cpu_level(CpuLevel level);
// All levels that this machine can run.
std::vector<CpuLevel> cpu_levels();
constexpr std::string_view to_text(CpuLevel level) {
  return level == CpuLevel::v4 ? "v4" : level == CpuLevel::v3 ? "v3" : "v2";
}

// The device of a kernel's first argument: a tensor, or a struct of arguments whose lead() is one.
inline Device device_of(const Tensor& lead) {
  return lead.device();
}
template <class Struct>
requires requires(const Struct& s) {
  s.lead();
}
Device device_of(const Struct& s) {
  return device_of(s.lead());
}

// Throws DeviceError where a tensor among the arguments is not on `device`. Structs that hold tensors show
// them with for_each_tensor(f).
template <class Argument>
void require_device(const char* op, Device device, const Argument& argument) {
  if constexpr (std::is_same_v<Argument, Tensor>) {
    GRAFT_CHECK_AS(DeviceError, !argument.defined() || argument.device() == device, op, ": ", argument,
                   " is on ", argument.device(), ", the first argument on ", device, "; copy it with .to(",
                   device, ")");
  } else if constexpr (requires { argument.for_each_tensor([](const Tensor&) {}); }) {
    argument.for_each_tensor([&](const Tensor& t) { require_device(op, device, t); });
  }
}
struct Arguments {
  const char* op;
  Device device;
  template <class... Each>
  void check(const Each&... arguments) const {
    (require_device(op, device, arguments), ...);
  }
};

template <class First, class... Rest>
const First& first_of(const First& first, const Rest&...) {
  return first;
}

}  // namespace graft::kernels

#if defined(__x86_64__)
#define GRAFT_CPU_V3_V4_DECLARE(name, params) \
  namespace cpu::v3 {                         \
  void name params;                           \
  }                                           \
  namespace cpu::v4 {                         \
  void name params;                           \
  }
#define GRAFT_CPU_CALL(name, args)                                  \
  switch (::graft::kernels::cpu_level()) {                          \
    case ::graft::kernels::CpuLevel::v4: return cpu::v4::name args; \
    case ::graft::kernels::CpuLevel::v3: return cpu::v3::name args; \
    case ::graft::kernels::CpuLevel::v2: return cpu::v2::name args; \
  }
#else
#define GRAFT_CPU_V3_V4_DECLARE(name, params)
#define GRAFT_CPU_CALL(name, args) return cpu::v2::name args
#endif

#ifdef GRAFT_CUDA_ABSENT  // the reason
#define GRAFT_CUDA_DECLARE(name, params)                               \
  void name params {                                                   \
    ::graft::fail<::graft::DeviceError>(#name ": " GRAFT_CUDA_ABSENT); \
  }
#else
#define GRAFT_CUDA_DECLARE(name, params) void name params;
#endif

#define GRAFT_KERNEL(name, params, args)                                                    \
  namespace cpu::v2 {                                                                       \
  void name params;                                                                         \
  }                                                                                         \
  GRAFT_CPU_V3_V4_DECLARE(name, params)                                                     \
  namespace cuda {                                                                          \
  GRAFT_CUDA_DECLARE(name, params)                                                          \
  }                                                                                         \
  inline void name params {                                                                 \
    ::graft::Device device_ = ::graft::kernels::device_of(::graft::kernels::first_of args); \
    ::graft::kernels::Arguments{#name, device_}.check args;                                 \
    if (device_.is_cuda()) {                                                                \
      ::graft::accelerator_of(device_).use(device_.index);                                  \
      return cuda::name args;                                                               \
    }                                                                                       \
    GRAFT_CPU_CALL(name, args);                                                             \
  }
