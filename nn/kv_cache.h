// Keys and values of the tokens that a decoder has seen, so that a further token only adds its own.
#pragma once

#include <utility>
#include <vector>

#include "core/tensor.h"

namespace graft::nn {

class KeyValueCache {
 public:
  explicit KeyValueCache(int64_t layers) : layers_(static_cast<size_t>(layers)) {}

  // Keys and values [B, T, H, D] of new tokens in one layer -> those of all its tokens, [B, length + T, H,
  // D]: views, valid until the layer's next append. Room grows by doubling, so n tokens cost n copies in all.
  std::pair<Tensor, Tensor> append(int64_t layer, const Tensor& keys, const Tensor& values);
  // Those of all its tokens, without new ones. Throws Error where the layer has none.
  std::pair<Tensor, Tensor> tokens(int64_t layer) const;
  // Batch entry i becomes what entry rows[i] was, in all layers.
  void select(const std::vector<int64_t>& rows);
  // Forgets all but the first `length` tokens of every layer.
  void truncate(int64_t length);
  // Tokens in the first layer; the same in all between two forward passes.
  int64_t length() const { return layers_.empty() ? 0 : layers_[0].length; }
  // Elements that are held, free room included.
  int64_t capacity() const;

 private:
  struct Layer {
    Tensor keys, values;  // [B, capacity, H, D]
    int64_t length = 0;
  };
  std::vector<Layer> layers_;
};

}  // namespace graft::nn
