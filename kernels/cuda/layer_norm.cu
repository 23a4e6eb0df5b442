#include "kernels/layer_norm.h"

#include "kernels/cuda/row_norm.h"

namespace graft::kernels::cuda {

void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Tensor& y,
                const Tensor& mean, const Tensor& inverse) {
  normalize_rows<LayerNorm>("layer_norm", x, weight, bias, eps, y, {data<float>(mean), data<float>(inverse)});
}

void layer_norm_grad_input(const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& mean,
                           const Tensor& inverse, const Tensor& dx) {
  normalize_rows_grad<LayerNorm>("layer_norm_grad_input", x, dy, weight,
                                 {data<float>(mean), data<float>(inverse)}, dx);
}

void layer_norm_grad_parameters(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
                                const Tensor& dweight, const Tensor& dbias) {
  normalize_rows_grad_parameters<LayerNorm>("layer_norm_grad_parameters", x, dy,
                                            {data<float>(mean), data<float>(inverse)}, dweight, dbias);
}

}  // namespace graft::kernels::cuda
