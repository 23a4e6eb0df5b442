#include "weights/layout.h"

namespace graft::weights {

Shape published_shape(const Shape& engine, nn::Published published) {
  switch (published) {
    case nn::Published::same: return engine;
    case nn::Published::conv_oihw:
      GRAFT_CHECK(engine.rank() == 4, "a convolution's weight has 4 axes, got ", engine);
      return {engine[0], engine[3], engine[1], engine[2]};
    case nn::Published::linear_io:
      GRAFT_CHECK(engine.rank() == 2, "a linear layer's weight has 2 axes, got ", engine);
      return {engine[1], engine[0]};
  }
  return engine;
}

Tensor to_engine(const Tensor& file, nn::Published published) {
  switch (published) {
    case nn::Published::same: break;
    case nn::Published::conv_oihw: return file.permute({0, 2, 3, 1}).contiguous();
    case nn::Published::linear_io: return file.permute({1, 0}).contiguous();
  }
  return file.contiguous();
}

Tensor to_published(const Tensor& engine, nn::Published published) {
  switch (published) {
    case nn::Published::same: break;
    case nn::Published::conv_oihw: return engine.permute({0, 3, 1, 2}).contiguous();
    case nn::Published::linear_io: return engine.permute({1, 0}).contiguous();
  }
  return engine.contiguous();
}

}  // namespace graft::weights
