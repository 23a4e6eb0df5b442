#include "nn/kv_cache.h"

#include <algorithm>

namespace graft::nn {
namespace {

constexpr int64_t kLeastCapacity = 16;

// The first `length` tokens of `old` in a tensor with room for `capacity`.
Tensor with_room(const Tensor& old, int64_t length, int64_t capacity) {
  Tensor grown = Tensor::empty({old.dim(0), capacity, old.dim(2), old.dim(3)}, old.dtype(), old.device());
  grown.slice(1, 0, length).copy_from(old.slice(1, 0, length));
  return grown;
}

Tensor selected(const Tensor& from, int64_t length, const std::vector<int64_t>& rows) {
  auto count = static_cast<int64_t>(rows.size());
  Tensor to = Tensor::empty({count, from.dim(1), from.dim(2), from.dim(3)}, from.dtype(), from.device());
  for (int64_t i = 0; i < count; ++i) {
    int64_t row = rows[static_cast<size_t>(i)];
    GRAFT_CHECK(row >= 0 && row < from.dim(0), "key and value cache: row ", row, " of ", from.dim(0));
    to.slice(0, i, i + 1).slice(1, 0, length).copy_from(from.slice(0, row, row + 1).slice(1, 0, length));
  }
  return to;
}

}  // namespace

std::pair<Tensor, Tensor> KeyValueCache::append(int64_t index, const Tensor& keys, const Tensor& values) {
  GRAFT_CHECK(index >= 0 && index < static_cast<int64_t>(layers_.size()), "key and value cache: layer ",
              index, " of ", layers_.size());
  GRAFT_CHECK(keys.rank() == 4 && keys.shape() == values.shape(), "key and value cache: keys ", keys,
              " and values ", values, " are not both [B, T, H, D]");
  Layer& layer = layers_[static_cast<size_t>(index)];
  int64_t end = layer.length + keys.dim(1);
  if (!layer.keys.defined()) {
    Shape shape{keys.dim(0), std::max(end, kLeastCapacity), keys.dim(2), keys.dim(3)};
    layer.keys = Tensor::empty(shape, keys.dtype(), keys.device());
    layer.values = layer.keys.empty_like();
  } else if (end > layer.keys.dim(1)) {
    int64_t capacity = std::max(end, 2 * layer.keys.dim(1));
    layer.keys = with_room(layer.keys, layer.length, capacity);
    layer.values = with_room(layer.values, layer.length, capacity);
  }
  layer.keys.slice(1, layer.length, end).copy_from(keys);
  layer.values.slice(1, layer.length, end).copy_from(values);
  layer.length = end;
  return tokens(index);
}

std::pair<Tensor, Tensor> KeyValueCache::tokens(int64_t index) const {
  const Layer& layer = layers_.at(static_cast<size_t>(index));
  GRAFT_CHECK(layer.keys.defined(), "key and value cache: layer ", index, " has no tokens");
  return {layer.keys.slice(1, 0, layer.length), layer.values.slice(1, 0, layer.length)};
}

void KeyValueCache::select(const std::vector<int64_t>& rows) {
  for (Layer& layer : layers_) {
    if (!layer.keys.defined()) continue;
    layer.keys = selected(layer.keys, layer.length, rows);
    layer.values = selected(layer.values, layer.length, rows);
  }
}

void KeyValueCache::truncate(int64_t length) {
  for (Layer& layer : layers_) {
    GRAFT_CHECK(length >= 0 && length <= layer.length, "key and value cache: cut to ", length, " of ",
                layer.length, " tokens");
    layer.length = length;
  }
}

int64_t KeyValueCache::capacity() const {
  int64_t elements = 0;
  for (const Layer& layer : layers_) {
    if (layer.keys.defined()) elements += layer.keys.numel() + layer.values.numel();
  }
  return elements;
}

}  // namespace graft::nn
