#include "transfer/gradient_sum.h"

#include "core/error.h"
#include "core/parallel.h"

namespace graft::transfer {
namespace {

constexpr int64_t kBucketBytes = 1 << 20;

// y = share x, or y += share x; an undefined x is 0.
template <class T>
void write_share(const Tensor& x, double share, bool adds, T* y, int64_t count) {
  const T* values = x.defined() && share != 0 ? x.data<T>() : nullptr;
  parallel_for(count, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T part = values ? static_cast<T>(share * static_cast<double>(values[i])) : T{0};
      y[i] = adds ? y[i] + part : part;
    }
  });
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
  forget();
}

void GradientSum::forget() {
  places_.assign(parameters_.size(), {});
  buckets_.clear();
  finished_.clear();
}

void GradientSum::begin(double share, bool last) {
  share_ = share;
  last_ = last;
  next_ = 0;
  for (Place& place : places_) {
    if (step_begins_) place.written = false;
    place.added = false;
  }
  step_begins_ = false;
  for (Bucket& bucket : buckets_) bucket.missing = 0;
  for (const Place& place : places_) {
    if (place.used) ++buckets_[place.bucket].missing;
  }
}

LeafDone GradientSum::leaf_done() {
  return [this](const Var& leaf) {
    auto found = index_of_.find(leaf.id());
    if (found == index_of_.end()) return;
    size_t index = found->second;
    if (buckets_.empty()) {
      finished_.push_back(static_cast<int64_t>(index));
    } else if (places_[index].used) {
      put(index, leaf.grad());
    }
  };
}

void GradientSum::add(std::span<const Tensor> gradients) {
  if (buckets_.empty()) {
    for (size_t i = gradients.size(); finished_.empty() && i > 0; --i) {
      if (gradients[i - 1].defined()) finished_.push_back(static_cast<int64_t>(i - 1));
    }
    lay_out(finished_);
    begin(share_, last_);
  }
  for (size_t i = 0; i < places_.size(); ++i) {
    GRAFT_CHECK(places_[i].used || !gradients[i].defined(), "team: parameter ", i,
                " has a gradient in process ", team_.rank(), " and none in process 0");
    if (places_[i].used && !places_[i].added) put(i, gradients[i]);
  }
}

// Buckets for these parameters, as the leader says.
void GradientSum::lay_out(std::vector<int64_t> order) {
  Tensor leaders = broadcast(team_, Tensor::from(order, {static_cast<int64_t>(order.size())}));
  std::vector<int64_t> sizes;
  DType type = DType::f32;
  for (int64_t index : leaders.span<int64_t>()) {
    const Tensor& value = parameters_[static_cast<size_t>(index)].value();
    bool full = sizes.empty() || value.dtype() != type || sizes.back() * size_of(type) >= kBucketBytes;
    if (full) {
      if (!sizes.empty()) buckets_.push_back({Tensor::zeros({sizes.back()}, type), 0});
      sizes.push_back(0);
    }
    type = value.dtype();
    places_[static_cast<size_t>(index)] = {sizes.size() - 1, sizes.back(), true, false, false};
    sizes.back() += value.numel();
  }
  if (!sizes.empty()) buckets_.push_back({Tensor::zeros({sizes.back()}, type), 0});
}

void GradientSum::put(size_t index, const Tensor& gradient) {
  Place& place = places_[index];
  Bucket& bucket = buckets_[place.bucket];
  int64_t count = parameters_[index].value().numel();
  Tensor here = gradient.defined() ? gradient.to(kCpu).contiguous() : gradient;
  if (bucket.values.dtype() == DType::f64) {
    write_share(here, share_, place.written, bucket.values.data<double>() + place.offset, count);
  } else {
    write_share(here, share_, place.written, bucket.values.data<float>() + place.offset, count);
  }
  place.written = place.added = true;
  --bucket.missing;
  while (last_ && next_ < buckets_.size() && buckets_[next_].missing == 0) {
    team_.start_sum(buckets_[next_++].values);
  }
}

std::vector<Tensor> GradientSum::take() {
  team_.wait();
  step_begins_ = true;
  std::vector<Tensor> out;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Place& place = places_[i];
    const Tensor& value = parameters_[i].value();
    out.emplace_back();
    if (!place.used) continue;
    Tensor part = buckets_[place.bucket].values.slice(0, place.offset, place.offset + value.numel());
    out.back() = part.reshape(value.shape()).to(value.device());
  }
  return out;
}

}  // namespace graft::transfer
