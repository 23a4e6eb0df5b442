#include "kernels/rms_norm.h"

#include "kernels/cuda/row_norm.h"

namespace graft::kernels::cuda {

void rms_norm(const Tensor& x, const Tensor& weight, double eps, const Tensor& y, const Tensor& inverse) {
  normalize_rows<RmsNorm>("rms_norm", x, weight, Tensor(), eps, y, {nullptr, data<float>(inverse)});
}

void rms_norm_grad_input(const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& inverse,
                         const Tensor& dx) {
  normalize_rows_grad<RmsNorm>("rms_norm_grad_input", x, dy, weight, {nullptr, data<float>(inverse)}, dx);
}

void rms_norm_grad_weight(const Tensor& x, const Tensor& dy, const Tensor& inverse, const Tensor& dweight) {
  normalize_rows_grad_parameters<RmsNorm>("rms_norm_grad_weight", x, dy, {nullptr, data<float>(inverse)},
                                          dweight, Tensor());
}

}  // namespace graft::kernels::cuda
