#include "core/tensor.h"

#include <cstring>

#include "core/accelerator.h"
#include "core/memory_trace.h"

namespace graft {
namespace {

// Calls f(offset_a, offset_b) for every element, row-major, with element offsets under two sets of strides.
template <class F>
void for_each_offset(const Shape& shape, const Shape& a, const Shape& b, F f) {
  if (shape.numel() == 0) return;
  int64_t index[Shape::kMaxRank] = {};
  int64_t pa = 0, pb = 0;
  for (;;) {
    f(pa, pb);
    int axis = shape.rank() - 1;
    for (; axis >= 0; --axis) {
      pa += a[axis];
      pb += b[axis];
      if (++index[axis] < shape[axis]) break;
      pa -= a[axis] * shape[axis];
      pb -= b[axis] * shape[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

void copy_strided(const Tensor& from, const Tensor& to) {
  int64_t size = size_of(from.dtype());
  const char* source = static_cast<const char*>(from.raw());
  char* target = static_cast<char*>(to.raw());
  for_each_offset(from.shape(), from.strides(), to.strides(),
                  [&](int64_t a, int64_t b) { std::memcpy(target + b * size, source + a * size, size); });
}

template <class F>
void with_any(DType t, F f) {
  switch (t) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::bf16: return f(bf16{});
    case DType::f16: return f(f16{});
    case DType::i64: return f(int64_t{});
    case DType::i32: return f(int32_t{});
    case DType::u8: return f(uint8_t{});
    case DType::b8: return f(bool{});
  }
}

template <class To, class From>
To convert(From value) {
  constexpr bool from_half = std::is_same_v<From, bf16> || std::is_same_v<From, f16>;
  constexpr bool to_half = std::is_same_v<To, bf16> || std::is_same_v<To, f16>;
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (from_half) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (to_half) {
    return To(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

// Sizes may come from a file: the byte count is computed with overflow checks.
int64_t bytes_of(const Shape& shape, DType dtype) {
  int64_t bytes = size_of(dtype);
  for (int64_t s : shape) {
    if (s == 0) return 0;
    GRAFT_CHECK_AS(MemoryError, !__builtin_mul_overflow(bytes, s, &bytes), "tensor: shape ", shape,
                   " is too large");
  }
  return bytes;
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  MemoryTrace::before_tensor(device);
  int64_t bytes = bytes_of(shape, dtype);
  try {
    Tensor made = of(Storage::allocate(bytes, device), shape, dtype);
    MemoryTrace::tensor_made(device);
    return made;
  } catch (const MemoryError& e) {
    fail<MemoryError>(e.what(), ", for a tensor ", dtype, shape);
  }
}

Tensor Tensor::untouched_zeros(const Shape& shape, DType dtype) {
  return of(Storage::allocate_zeros(bytes_of(shape, dtype)), shape, dtype);
}

Tensor Tensor::of(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype) {
  Tensor t;
  t.storage_ = std::move(storage);
  t.shape_ = shape;
  t.strides_ = contiguous_strides(shape);
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  if (device.is_cuda()) {
    t.fill(0);
  } else if (t.bytes() > 0) {
    std::memset(t.raw(), 0, static_cast<size_t>(t.bytes()));
  }
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill(value);
  return t;
}

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

double Tensor::item() const {
  GRAFT_CHECK(defined() && numel() == 1, "item: needs one element, got ", *this);
  require_cpu("item");
  double value = 0;
  with_any(dtype_, [&](auto zero) { value = convert<double>(*data<decltype(zero)>()); });
  return value;
}

Tensor Tensor::reshape(const Shape& shape) const {
  GRAFT_CHECK(shape.numel() == numel(), "reshape: ", shape_, " has ", numel(), " elements, ", shape, " has ",
              shape.numel());
  GRAFT_CHECK(is_contiguous(), "reshape: ", shape_, " is not contiguous; call contiguous() first");
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = contiguous_strides(shape);
  return t;
}

Tensor Tensor::slice(int axis, int64_t begin, int64_t end) const {
  GRAFT_CHECK(begin >= 0 && begin <= end && end <= dim(axis), "slice: [", begin, ", ", end, ") of axis ",
              axis, " of ", shape_);
  Tensor t = *this;
  t.offset_ += begin * strides_[axis];
  t.shape_[axis] = end - begin;
  return t;
}

Tensor Tensor::transpose(int a, int b) const {
  Tensor t = *this;
  std::swap(t.shape_[a], t.shape_[b]);
  std::swap(t.strides_[a], t.strides_[b]);
  return t;
}

Tensor Tensor::permute(std::span<const int> axes) const {
  GRAFT_CHECK(static_cast<int>(axes.size()) == rank(), "permute: ", axes.size(), " axes for ", shape_);
  Tensor t = *this;
  int i = 0;
  unsigned seen = 0;
  for (int axis : axes) {
    t.shape_[i] = shape_[axis];
    t.strides_[i] = strides_[axis];
    seen |= 1u << (axis < 0 ? axis + rank() : axis);
    ++i;
  }
  GRAFT_CHECK(seen == (1u << rank()) - 1, "permute: each axis of ", shape_, " must appear once");
  return t;
}

Tensor Tensor::as_strided(const Shape& shape, const Shape& strides, int64_t offset) const {
  GRAFT_CHECK(defined() && shape.rank() == strides.rank(), "as_strided: rank of sizes and strides differ");
  int64_t last = offset_ + offset;
  GRAFT_CHECK(last >= 0, "as_strided: negative offset");
  for (int i = 0; i < shape.rank(); ++i) {
    int64_t reach = 0;
    GRAFT_CHECK(!__builtin_mul_overflow(std::max<int64_t>(shape[i] - 1, 0), strides[i], &reach) &&
                    !__builtin_add_overflow(last, reach, &last),
                "as_strided: sizes overflow");
  }
  GRAFT_CHECK(shape.numel() == 0 || last < storage_->bytes() / size_of(dtype_), "as_strided: ", shape,
              " reaches beyond the storage");
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.offset_ = offset_ + offset;
  return t;
}

Tensor Tensor::contiguous() const {
  return is_contiguous() ? *this : clone();
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor t = empty_like();
  t.copy_from(*this);
  return t;
}

Tensor Tensor::to(Device device) const {
  if (!defined() || device == this->device()) return *this;
  Tensor source = contiguous(), result = empty(shape_, dtype_, device);
  int64_t n = bytes();
  if (n == 0) return result;
  if (!device.is_cuda()) {
    accelerator_of(source.device()).download(source.device().index, result.raw(), source.raw(), n);
  } else if (!source.device().is_cuda()) {
    accelerator_of(device).upload(device.index, result.raw(), source.raw(), n);
  } else {
    accelerator_of(device).copy(device.index, result.raw(), source.device().index, source.raw(), n);
  }
  return result;
}

void Tensor::require_cpu(const char* what) const {
  GRAFT_CHECK_AS(DeviceError, !device().is_cuda(), what, ": ", *this, " is on ", device(),
                 "; copy it with .to(kCpu) first");
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result = empty(shape_, dtype, device());
  Tensor source = contiguous();
  if (device().is_cuda()) {
    if (numel() > 0) accelerator_of(device()).convert(source, result);
    return result;
  }
  with_any(dtype_, [&](auto from) {
    with_any(dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      const From* a = source.data<From>();
      To* b = result.data<To>();
      for (int64_t i = 0, n = numel(); i < n; ++i) b[i] = convert<To>(a[i]);
    });
  });
  return result;
}

void Tensor::copy_from(const Tensor& source) const {
  GRAFT_CHECK(shape_ == source.shape_ && dtype_ == source.dtype_, "copy: ", source, " into ", *this);
  GRAFT_CHECK_AS(DeviceError, device() == source.device(), "copy: from ", source.device(), " to ", device(),
                 "; call .to(", device(), ") first");
  if (numel() == 0) return;
  if (device().is_cuda()) {
    Accelerator& on = accelerator_of(device());
    if (is_contiguous() && source.is_contiguous()) {
      on.copy(device().index, raw(), device().index, source.raw(), bytes());
    } else {
      on.copy_strided(source, *this);
    }
  } else if (is_contiguous() && source.is_contiguous()) {
    std::memmove(raw(), source.raw(), static_cast<size_t>(bytes()));
  } else {
    copy_strided(source, *this);
  }
}

void Tensor::fill(double value) const {
  if (device().is_cuda()) {
    if (numel() > 0) accelerator_of(device()).fill(*this, value);
    return;
  }
  with_any(dtype_, [&](auto zero) {
    using T = decltype(zero);
    T v = convert<T>(value);
    T* target = data<T>();
    for_each_offset(shape_, strides_, strides_, [&](int64_t a, int64_t) { target[a] = v; });
  });
}

std::string to_text(const Tensor& tensor) {
  return tensor.defined() ? str(tensor.dtype(), tensor.shape()) : std::string("undefined");
}

bool bit_equal(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return false;
  a.require_cpu("bit_equal");
  b.require_cpu("bit_equal");
  Tensor x = a.contiguous(), y = b.contiguous();
  return x.numel() == 0 || std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0;
}

}  // namespace graft
