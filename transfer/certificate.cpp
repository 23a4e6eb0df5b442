#include "transfer/certificate.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/sha256.h"

namespace graft::transfer {
namespace {

// ||after - before|| / ||before||; the length of the change itself where the tensor was zero.
double relative_distance(const Tensor& before, const Tensor& after) {
  Tensor a = before.to(DType::f64).contiguous(), b = after.to(DType::f64).contiguous();
  double change = 0, length = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    double was = a.data<double>()[i], is = b.data<double>()[i];
    change += (is - was) * (is - was);
    length += was * was;
  }
  return std::sqrt(length > 0 ? change / length : change);
}

std::vector<std::string> hashes(const std::vector<Tensor>& tensors) {
  std::vector<std::string> out(tensors.size());
  parallel_for(static_cast<int64_t>(tensors.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      out[static_cast<size_t>(i)] = sha256(tensors[static_cast<size_t>(i)]);
  });
  return out;
}

// On the CPU, and the caller's own: it does not follow what becomes of `t`.
Tensor host_copy(const Tensor& t) {
  return t.device().is_cuda() ? t.to(kCpu) : t.clone();
}

int64_t bytes_changed(const Tensor& before, const Tensor& after) {
  Tensor a = before.contiguous(), b = after.contiguous();
  const char *x = static_cast<const char*>(a.raw()), *y = static_cast<const char*>(b.raw());
  int64_t changed = 0;
  for (int64_t i = 0; i < a.bytes(); ++i) changed += x[i] != y[i];
  return changed;
}

}  // namespace

Snapshot::Snapshot(const Plan& plan) {
  std::vector<Tensor> values;
  for (bool frozen : {true, false}) {
    for (const nn::NamedTensor& t : frozen ? plan.frozen : plan.moving) {
      lines_.push_back({t, frozen, "", host_copy(t.value())});
      values.push_back(lines_.back().before);
    }
  }
  std::vector<std::string> digests = hashes(values);
  for (size_t i = 0; i < lines_.size(); ++i) lines_[i].sha256 = digests[i];
}

Certificate Snapshot::certify() const {
  std::vector<Tensor> now;
  for (const Line& line : lines_) now.push_back(line.tensor.value().to(kCpu));
  std::vector<std::string> digests = hashes(now);

  Certificate out;
  Sha256 all;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    const std::string& name = line.tensor.name;
    all.add(str(name, " ", line.frozen ? "frozen " : "moving ", line.sha256, " ", digests[i], "\n"));
    bool moved = digests[i] != line.sha256;
    if (!line.frozen) {
      if (!moved) out.unmoved.push_back(name);
      continue;
    }
    out.frozen.push_back({name, now[i].bytes(), line.sha256, digests[i]});
    out.frozen_bytes += now[i].bytes();
    if (!moved) continue;
    out.broken.push_back(name);
    out.frozen_bytes_changed += bytes_changed(line.before, now[i]);
  }
  out.digest = all.hex();
  return out;
}

void Snapshot::require_still(const std::vector<nn::NamedTensor>& tensors, const std::string& when) const {
  for (const Line& line : lines_) {
    bool meant = std::any_of(tensors.begin(), tensors.end(),
                             [&](const nn::NamedTensor& t) { return t.name == line.tensor.name; });
    if (!meant || sha256(line.tensor.value().to(kCpu)) == line.sha256) continue;
    fail<CertificateError>("freeze certificate: ", line.tensor.name, " moved before ", when,
                           ", while it was frozen. Something outside the optimizer writes to it");
  }
}

std::vector<Moved> Snapshot::distances() const {
  std::vector<Moved> out;
  for (const Line& line : lines_) {
    Tensor now = line.tensor.value().to(kCpu);
    if (!is_float(now.dtype())) continue;  // a step counter has no length
    out.push_back({line.tensor.name, now.numel(), line.frozen, relative_distance(line.before, now)});
  }
  return out;
}

std::string weights_sha256(nn::Module& network) {
  std::vector<nn::NamedTensor> tensors = nn::named_tensors(network);
  std::vector<Tensor> values;
  for (const nn::NamedTensor& t : tensors) values.push_back(t.value().to(kCpu));
  std::vector<std::string> digests = hashes(values);
  Sha256 all;
  for (size_t i = 0; i < tensors.size(); ++i) all.add(str(tensors[i].name, " ", digests[i], "\n"));
  return all.hex();
}

void require_intact(const Certificate& certificate) {
  if (certificate.broken.empty()) return;
  std::string names;
  for (const std::string& name : certificate.broken) names += (names.empty() ? "" : ", ") + name;
  fail<CertificateError>("freeze certificate: ", certificate.broken.size(), " frozen tensors moved (",
                         certificate.frozen_bytes_changed, " bytes): ", names,
                         "; the network is not saved. Something outside the optimizer writes to them");
}

}  // namespace graft::transfer
