#include "weights/layout.h"

namespace graft::weights {
namespace {

// [O, a b] with the two axes that the second stands for exchanged: [O, b a].
Tensor exchanged(const Tensor& t, int64_t a, int64_t b) {
  return t.contiguous().reshape({t.dim(0), a, b}).permute({0, 2, 1}).contiguous().reshape({t.dim(0), b * a});
}

}  // namespace

Shape published_shape(const Shape& engine, nn::Published published) {
  switch (published) {
    case nn::Published::same: return engine;
    case nn::Published::conv_oihw:
      GRAFT_CHECK(engine.rank() == 4, "a convolution's weight has 4 axes, got ", engine);
      return {engine[0], engine[3], engine[1], engine[2]};
    case nn::Published::linear_io:
      GRAFT_CHECK(engine.rank() == 2, "a linear layer's weight has 2 axes, got ", engine);
      return {engine[1], engine[0]};
    case nn::Published::flat_chw7:
      GRAFT_CHECK(engine.rank() == 2 && engine[1] % 49 == 0,
                  "a dense layer's weight over 7 x 7 pixels has 2 axes, the second a multiple of 49, got ",
                  engine);
      return engine;
  }
  return engine;
}

Tensor to_engine(const Tensor& file, nn::Published published) {
  switch (published) {
    case nn::Published::same: break;
    case nn::Published::conv_oihw: return file.permute({0, 2, 3, 1}).contiguous();
    case nn::Published::linear_io: return file.permute({1, 0}).contiguous();
    case nn::Published::flat_chw7: return exchanged(file, file.dim(1) / 49, 49);
  }
  return file.contiguous();
}

Tensor to_published(const Tensor& engine, nn::Published published) {
  switch (published) {
    case nn::Published::same: break;
    case nn::Published::conv_oihw: return engine.permute({0, 3, 1, 2}).contiguous();
    case nn::Published::linear_io: return engine.permute({1, 0}).contiguous();
    case nn::Published::flat_chw7: return exchanged(engine, 49, engine.dim(1) / 49);
  }
  return engine.contiguous();
}

void match_part(const Tensor& engine, nn::Published published, int axis, int64_t begin, int64_t end,
                const Tensor& part, const std::function<void(const Tensor&, const Tensor&)>& f) {
  Tensor view = engine.rank() == 0 ? engine.reshape({1}) : engine;  // in the published order of axes
  switch (published) {
    case nn::Published::same: break;
    case nn::Published::conv_oihw: view = engine.permute({0, 3, 1, 2}); break;
    case nn::Published::linear_io: view = engine.permute({1, 0}); break;
    case nn::Published::flat_chw7: {
      int64_t channels = engine.dim(1) / 49;
      for (int64_t c = axis == 1 ? begin : 0; c < (axis == 1 ? end : engine.dim(1)); ++c) {
        int64_t to = c % 49 * channels + c / 49, from = axis == 1 ? c - begin : c;
        Tensor rows = axis == 0 ? engine.slice(0, begin, end) : engine;
        f(rows.slice(1, to, to + 1), part.slice(1, from, from + 1));
      }
      return;
    }
  }
  f(view.slice(axis, begin, end), part);
}

}  // namespace graft::weights
