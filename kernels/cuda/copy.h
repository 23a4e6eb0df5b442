// Copies, casts and fills of tensors on one CUDA device: what stands behind Tensor's own methods.
#pragma once

#include "core/tensor.h"

namespace graft::kernels::cuda {

// Same shape and type, any strides.
void copy_strided(const Tensor& from, const Tensor& to);
// Contiguous, same shape, any two types; each element is converted as Tensor::to(DType) does on the CPU.
void convert(const Tensor& from, const Tensor& to);
// Any strides.
void fill(const Tensor& tensor, double value);

}  // namespace graft::kernels::cuda
