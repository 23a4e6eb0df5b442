// From one call to the kernel of the tensor's device and, on the CPU, of the machine's instruction level.
//
// A kernel's header declares it once:
//
//   GRAFT_KERNEL(softmax, (const Tensor& x, const Tensor& y), (x, y))
//
// which makes kernels::softmax(x, y): it calls cuda::softmax for a CUDA tensor, else the cpu::v2, v3 or v4
// twin. The first argument decides on the device.
#pragma once

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

inline bool on_cuda(const Tensor& lead) {
  return lead.device().is_cuda();
}
template <class Struct>
requires requires(const Struct& s) {
  s.lead();
}  // argument structs say which tensor leads
bool on_cuda(const Struct& s) {
  return on_cuda(s.lead());
}

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

#ifdef GRAFT_CUDA
#define GRAFT_CUDA_CALL(name, args) return cuda::name args
#else
#define GRAFT_CUDA_CALL(name, args) \
  ::graft::fail<::graft::DeviceError>(#name ": this build has no CUDA backend")
#endif

#define GRAFT_KERNEL(name, params, args)                                                         \
  namespace cpu::v2 {                                                                            \
  void name params;                                                                              \
  }                                                                                              \
  GRAFT_CPU_V3_V4_DECLARE(name, params)                                                          \
  namespace cuda {                                                                               \
  void name params;                                                                              \
  }                                                                                              \
  inline void name params {                                                                      \
    if (::graft::kernels::on_cuda(::graft::kernels::first_of args)) GRAFT_CUDA_CALL(name, args); \
    GRAFT_CPU_CALL(name, args);                                                                  \
  }
