#include "transfer/gradient_sum.h"

#include <cstring>

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/binary.h"
#include "kernels/clip.h"

namespace graft::transfer {
namespace {

constexpr int64_t kBucketBytes = 1 << 20;
constexpr int64_t kAligned = 64;  // elements: on a device places begin where its allocations would

// y = x, or y += x; an undefined x is 0.
template <class T>
void write(const Tensor& x, bool adds, T* y, int64_t count) {
  const T* values = x.defined() ? x.data<T>() : nullptr;
  parallel_for(count, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T own = values ? values[i] : T{0};
      y[i] = adds ? y[i] + own : own;
    }
  });
}

// The same of tensors on a device, of one bucket; allocates nothing.
void write_all(const std::vector<Tensor>& x, bool adds, const std::vector<Tensor>& y) {
  kernels::TensorList from, to;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!x[i].defined()) {
      if (!adds) y[i].fill(0);
    } else if (adds) {
      kernels::add(y[i], x[i], y[i]);
    } else {
      from.of.push_back(x[i]);
      to.of.push_back(y[i]);
    }
  }
  if (!from.of.empty()) kernels::scale_all(from, 1, to);
}

}  // namespace

GradientSum::GradientSum(Team& team, const std::vector<Var>& parameters)
    : team_(team), parameters_(parameters) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    DType type = parameters[i].value().dtype();
    GRAFT_CHECK(type == DType::f32 || type == DType::f64, "team: gradients in ", type,
                " cannot be summed; f32 or f64 is expected");
    index_of_[parameters[i].id()] = i;
  }
  Device device = parameters.empty() ? kCpu : parameters[0].value().device();
  if (device.is_cuda()) on_device_ = team.device_sums(device);
  if (on_device_) device_ = device;
  forget();
}

void GradientSum::forget() {
  places_.assign(parameters_.size(), {});
  buckets_.clear();
  finished_.clear();
}

void GradientSum::begin(bool counts, bool last) {
  counts_ = counts;
  last_ = last;
  next_ = 0;
  for (Place& place : places_) place.added = false;
  for (Bucket& bucket : buckets_) {
    bucket.missing = static_cast<int64_t>(bucket.parameters.size());
    bucket.marked = false;
    if (step_begins_) bucket.written = false;
  }
  step_begins_ = false;
}

LeafDone GradientSum::leaf_done() {
  bool too_early = !on_device_ && !parameters_.empty() && parameters_[0].value().device().is_cuda();
  if (too_early) return {};
  return [this](const Var& leaf) {
    auto found = index_of_.find(leaf.id());
    if (found == index_of_.end()) return;
    size_t index = found->second;
    if (buckets_.empty()) {
      finished_.push_back(static_cast<int64_t>(index));
    } else if (places_[index].used && !on_device_) {
      put(index, leaf.grad());
    } else if (places_[index].used) {
      Bucket& bucket = buckets_[places_[index].bucket];
      if (--bucket.missing == 0) bucket.complete->set(), bucket.marked = true;
    }
  };
}

// Every recorded step sets every bucket's mark.
void GradientSum::backward_is_over() {
  for (Bucket& bucket : buckets_) {
    if (on_device_ && !bucket.marked) bucket.complete->set(), bucket.marked = true;
  }
}

void GradientSum::add(std::span<const Tensor> gradients) {
  if (buckets_.empty()) {
    bool unseen = finished_.empty();
    for (size_t i = gradients.size(); unseen && i > 0; --i) {
      if (gradients[i - 1].defined()) finished_.push_back(static_cast<int64_t>(i - 1));
    }
    lay_out(finished_);
    step_begins_ = true;
    begin(counts_, last_);
    backward_is_over();
  }
  for (size_t i = 0; i < places_.size(); ++i) {
    GRAFT_CHECK(places_[i].used || !gradients[i].defined(), "team: parameter ", i,
                " has a gradient in process ", team_.rank(), " and none in process 0");
    if (!on_device_ && places_[i].used && !places_[i].added) put(i, gradients[i]);
  }
  if (!on_device_) return;
  for (Bucket& bucket : buckets_) put_on_device(bucket, gradients);
}

// Buckets for these parameters, as the leader says.
void GradientSum::lay_out(const std::vector<int64_t>& order) {
  Tensor leaders = broadcast(team_, Tensor::from(order, {static_cast<int64_t>(order.size())}));
  std::vector<size_t> parameters;
  int64_t count = 0;
  DType type = DType::f32;
  for (int64_t each : leaders.span<int64_t>()) {
    auto index = static_cast<size_t>(each);
    const Tensor& value = parameters_[index].value();
    if (!parameters.empty() && (value.dtype() != type || count * size_of(type) >= kBucketBytes)) {
      add_bucket(parameters, type, count);
      parameters.clear();
      count = 0;
    }
    type = value.dtype();
    places_[index] = {buckets_.size(), count, true, false};
    parameters.push_back(index);
    int64_t end = count + value.numel();
    count = on_device_ ? (end + kAligned - 1) / kAligned * kAligned : end;
  }
  if (!parameters.empty()) add_bucket(parameters, type, count);
}

void GradientSum::add_bucket(const std::vector<size_t>& parameters, DType type, int64_t count) {
  Bucket bucket{Tensor::zeros({count}, type, device_), parameters};
  if (on_device_) bucket.complete = on_device_->mark();
  buckets_.push_back(std::move(bucket));
}

Tensor GradientSum::part(size_t index) const {
  const Place& place = places_[index];
  int64_t count = parameters_[index].value().numel();
  return buckets_[place.bucket].values.slice(0, place.offset, place.offset + count);
}

void GradientSum::put(size_t index, const Tensor& gradient) {
  Place& place = places_[index];
  Bucket& bucket = buckets_[place.bucket];
  int64_t count = parameters_[index].value().numel();
  Tensor here = gradient.defined() && counts_ ? gradient.to(kCpu).contiguous() : Tensor();
  if (bucket.values.dtype() == DType::f64) {
    write(here, bucket.written, bucket.values.data<double>() + place.offset, count);
  } else {
    write(here, bucket.written, bucket.values.data<float>() + place.offset, count);
  }
  place.added = true;
  if (--bucket.missing == 0) bucket.written = true;
  while (last_ && next_ < buckets_.size() && buckets_[next_].missing == 0) {
    team_.start_sum(buckets_[next_++].values);
  }
}

void GradientSum::put_on_device(Bucket& bucket, std::span<const Tensor> gradients) {
  std::vector<Tensor> from, to;
  for (size_t index : bucket.parameters) {
    Tensor own = counts_ ? gradients[index] : Tensor();
    if (own.defined() && !own.is_contiguous()) {
      own = own.contiguous();
      held_.push_back(own);
      bucket.complete->set();
    }
    from.push_back(own);
    to.push_back(part(index).reshape(parameters_[index].value().shape()));
  }
  auto fill = [from, to, adds = bucket.written] { write_all(from, adds, to); };
  bucket.written = true;
  if (last_) {
    on_device_->start(*bucket.complete, fill, bucket.values);
  } else {
    fill();
  }
}

std::vector<Tensor> GradientSum::take() {
  team_.wait();
  if (on_device_) on_device_->wait();
  held_.clear();
  step_begins_ = true;
  std::vector<Tensor> out;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i].value();
    out.emplace_back();
    if (places_[i].used) out.back() = part(i).reshape(value.shape()).to(value.device());
  }
  return out;
}

}  // namespace graft::transfer
