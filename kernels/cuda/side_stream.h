// What core/side_stream.h promises of a CUDA device.
#pragma once

#include "core/side_stream.h"
#include "kernels/cuda/cuda.h"

namespace graft::kernels::cuda {

std::unique_ptr<SideStream> new_side_stream(int device);

#ifndef GRAFT_SIM
// Kernels of this thread go to this stream while one is alive.
class OnStream {
 public:
  explicit OnStream(cudaStream_t stream);
  ~OnStream();
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  cudaStream_t before_;
};
#endif

}  // namespace graft::kernels::cuda
