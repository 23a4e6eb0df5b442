#include "weights/layout.h"

namespace graft::weights {

Shape published_shape(const Shape& engine, nn::Published published) {
  switch (published) {
    case nn::Published::same: return engine;
    case nn::Published::conv_oihw:
      GRAFT_CHECK(engine.rank() == 4, "a convolution's weight has 4 axes, got ", engine);
      return {engine[0], engine[3], engine[1], engine[2]};
  }
  return engine;
}

Tensor to_engine(const Tensor& file, nn::Published published) {
  return published == nn::Published::conv_oihw ? file.permute({0, 2, 3, 1}).contiguous() : file.contiguous();
}

Tensor to_published(const Tensor& engine, nn::Published published) {
  return published == nn::Published::conv_oihw ? engine.permute({0, 3, 1, 2}).contiguous()
                                               : engine.contiguous();
}

}  // namespace graft::weights
