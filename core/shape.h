// Sizes of a tensor's axes, outermost first. Rank 0 is a scalar. No heap and trivially copyable, so that a
// shape goes into a kernel by value.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "core/error.h"

namespace graft {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes) {
    GRAFT_CHECK(sizes.size() <= kMaxRank, "shape: rank ", sizes.size(), " is above ", kMaxRank);
    for (int64_t s : sizes) push_back(s);
  }

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return sizes_[check(axis)]; }
  int64_t& operator[](int axis) { return sizes_[check(axis)]; }
  int64_t front() const { return (*this)[0]; }
  int64_t back() const { return (*this)[-1]; }
  void push_back(int64_t size) {
    GRAFT_CHECK(rank_ < kMaxRank, "shape: rank is above ", kMaxRank);
    GRAFT_CHECK(size >= 0, "shape: size ", size, " is negative");
    sizes_[rank_++] = size;
  }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }

  // Product of the sizes; 1 for a scalar.
  int64_t numel() const {
    int64_t n = 1;
    for (int64_t s : *this) n *= s;
    return n;
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a.sizes_[i] != b.sizes_[i]) return false;
    }
    return true;
  }

 private:
  // A negative axis counts from the end.
  int check(int axis) const {
    int a = axis < 0 ? axis + rank_ : axis;
    GRAFT_CHECK(a >= 0 && a < rank_, "shape: axis ", axis, " of rank ", rank_);
    return a;
  }

  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

// "[2, 3]"
inline std::string to_text(const Shape& shape) {
  std::string out = "[";
  for (int64_t s : shape) out += (out.size() > 1 ? ", " : "") + str(s);
  return out + "]";
}

// Strides, in elements, of a contiguous tensor: the last axis is next to itself.
inline Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

}  // namespace graft
