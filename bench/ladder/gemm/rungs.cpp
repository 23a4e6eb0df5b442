#include "bench/ladder/gemm/rungs.h"

#include <cstdlib>
#include <string>

#include "core/env.h"
#include "core/error.h"
#include "kernels/matmul.h"

namespace graft::ladder {
namespace {

// Holds the engine back to an older device while it lives.
class HeldBack {
 public:
  explicit HeldBack(int capability) : before_(env::capability()) {
    ::setenv("GRAFT_CAPABILITY", str(capability).c_str(), 1);
  }
  ~HeldBack() {
    if (before_.empty())
      ::unsetenv("GRAFT_CAPABILITY");
    else
      ::setenv("GRAFT_CAPABILITY", before_.c_str(), 1);
  }
  HeldBack(const HeldBack&) = delete;
  HeldBack& operator=(const HeldBack&) = delete;

 private:
  std::string before_;
};

}  // namespace

const std::vector<Rung>& gemm_rungs() {
  constexpr DType f32 = DType::f32, bf16 = DType::bf16;
  static const std::vector<Rung> rungs = {
      {"01_naive.cu", "one thread for each result", "ladder 01", f32, 32, 1, 80, naive},
      {"02_coalesced.cu", "neighbours in a warp are neighbours in memory", "ladder 02", f32, 32, 1, 80,
       coalesced},
      {"03_shared_tile.cu", "a block reads once what its threads share", "ladder 03", f32, 32, 32, 80,
       shared_tile},
      {"04_register_column.cu", "eight results a thread, one below the other", "ladder 04", f32, 64, 8, 80,
       register_column},
      {"05_register_tile.cu", "8 x 8 results a thread", "ladder 05", f32, 128, 8, 80, register_tile},
      {"06_vector_loads.cu", "16 bytes at a time, no two lanes in a bank", "ladder 06", f32, 128, 8, 80,
       vector_loads},
      // The next step comes into registers while this one is multiplied, two stages take turns: one barrier a
      // step. Every size. In f32 the engine stays on this rung, which rounds as the CPU does.
      {"kernels/cuda/gemm.h", "the next step comes while this one is multiplied", "matmul_nn", f32, 1, 1, 80,
       engine},
      {"08_tensor_cores.cu", "mma.sync and ldmatrix", "ladder 08", bf16, 64, 32, 80, tensor_cores},
      {"kernels/cuda/gemm_mma.h", "swizzled runs, four stages of cp.async", "matmul_nn", bf16, 1, 1, 80,
       engine},
      {"kernels/cuda/gemm_wgmma.h", "one warp copies by TMA, eight multiply by wgmma", "matmul_nn", bf16, 64,
       64, 90, engine},
  };
  return rungs;
}

void multiply(const Rung& rung, const Tensor& a, const Tensor& b, const Tensor& c) {
  int64_t rows = a.dim(0), cols = b.dim(1), depth = a.dim(1);
  GRAFT_CHECK(rows % rung.tile == 0 && cols % rung.tile == 0 && depth % rung.step == 0, "ladder, ", rung.file,
              ": ", rows, " x ", cols, " x ", depth, ": rows and columns must be multiples of ", rung.tile,
              ", the depth of ", rung.step);
  HeldBack to(rung.capability);
  rung.run(a, b, c);
}

void engine(const Tensor& a, const Tensor& b, const Tensor& c) {
  kernels::matmul_nn(a, b, c);
}

}  // namespace graft::ladder
