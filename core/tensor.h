// A typed, strided view of shared storage. Cheap to copy: a copy sees the same elements. Knows no gradient.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/storage.h"

namespace graft {

class Tensor {
 public:
  // No tensor: defined() is false. Stands for "no bias", "no gradient".
  Tensor() = default;

  static Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = kCpu);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = kCpu);
  // Zeros on the CPU that take no memory before somebody reads or writes them: for what a file will fill.
  static Tensor untouched_zeros(const Shape& shape, DType dtype = DType::f32);
  // Every element the same value, converted to dtype.
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = kCpu);
  // A CPU tensor with a copy of the values, in row-major order.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape) {
    Tensor t = empty(shape, DTypeOf<T>::value);
    GRAFT_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), "tensor: ", values.size(),
                " values for shape ", shape);
    std::copy(values.begin(), values.end(), t.data<T>());
    return t;
  }
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  // No elements of its own: the same sizes, type and device, contiguous, uninitialised.
  Tensor empty_like() const { return empty(shape_, dtype_, device()); }
  Tensor zeros_like() const { return zeros(shape_, dtype_, device()); }

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }  // in elements
  int rank() const { return shape_.rank(); }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t numel() const { return shape_.numel(); }
  int64_t bytes() const { return numel() * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : kCpu; }
  bool is_contiguous() const;
  bool shares_storage(const Tensor& other) const { return storage_ == other.storage_; }

  // The first element. The element type must be the tensor's: no silent reinterpretation.
  template <class T>
  T* data() const {
    GRAFT_CHECK(DTypeOf<T>::value == dtype_, "tensor: asked for ", DTypeOf<T>::value, " elements of a ",
                dtype_, " tensor");
    return static_cast<T*>(raw());
  }
  void* raw() const {
    return storage_ ? static_cast<char*>(storage_->data()) + offset_ * size_of(dtype_) : nullptr;
  }
  // The elements of a contiguous CPU tensor.
  template <class T>
  std::span<T> span() const {
    require_cpu("span");
    GRAFT_CHECK(is_contiguous(), "tensor: span of a tensor that is not contiguous");
    return {data<T>(), static_cast<size_t>(numel())};
  }
  // The value of a CPU tensor with one element, of a float or integer type.
  double item() const;

  // Views: the same elements under other sizes. reshape needs a contiguous tensor.
  Tensor reshape(const Shape& shape) const;
  Tensor slice(int axis, int64_t begin, int64_t end) const;  // [begin, end) of one axis
  Tensor transpose(int a, int b) const;
  Tensor permute(std::span<const int> axes) const;
  Tensor permute(std::initializer_list<int> axes) const { return permute({axes.begin(), axes.size()}); }
  Tensor as_strided(const Shape& shape, const Shape& strides, int64_t offset) const;  // bounds are checked

  // Copies. contiguous() is free where the tensor is contiguous already. to(device) is the only way from one
  // device to another: everything else throws DeviceError rather than copy, or wait, behind the caller's
  // back.
  Tensor contiguous() const;
  Tensor clone() const;
  Tensor to(Device device) const;  // free where it is there already; else contiguous
  Tensor to(DType dtype) const;    // rounds to nearest, ties to even; free where the type is the same
  void copy_from(const Tensor& source) const;  // same shape, type, device; writes this tensor's elements
  void fill(double value) const;

  // Throws DeviceError where the elements cannot be read by the program itself.
  void require_cpu(const char* what) const;

 private:
  static Tensor of(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype);

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Shape strides_;
  int64_t offset_ = 0;  // in elements
  DType dtype_ = DType::f32;
};

// "f32[2, 3]", "undefined"
std::string to_text(const Tensor& tensor);

// Same type, shape and bits, of two CPU tensors. NaN equals NaN of the same bits; 0 and -0 differ.
bool bit_equal(const Tensor& a, const Tensor& b);

}  // namespace graft
