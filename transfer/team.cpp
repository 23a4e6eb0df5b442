#include "transfer/team.h"

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace graft::transfer {
namespace {

template <class T>
std::span<std::byte> bytes_of(T* data, size_t count) {
  return {reinterpret_cast<std::byte*>(data), count * sizeof(T)};
}

}  // namespace

void broadcast(Team& team, std::span<double> values) {
  team.broadcast(bytes_of(values.data(), values.size()));
}

std::string broadcast(Team& team, const std::string& text) {
  uint64_t length = text.size();
  team.broadcast(bytes_of(&length, 1));
  std::string out = team.leads() ? text : std::string(length, '\0');
  team.broadcast(bytes_of(out.data(), out.size()));
  return out;
}

Tensor broadcast(Team& team, const Tensor& tensor) {
  std::vector<int64_t> form = {-1};  // rank (-1: undefined), type, sizes
  if (team.leads() && tensor.defined()) {
    form = {tensor.rank(), static_cast<int64_t>(tensor.dtype())};
    for (int axis = 0; axis < tensor.rank(); ++axis) form.push_back(tensor.dim(axis));
  }
  auto length = static_cast<int64_t>(form.size());
  team.broadcast(bytes_of(&length, 1));
  form.resize(static_cast<size_t>(length));
  team.broadcast(bytes_of(form.data(), form.size()));
  if (form[0] < 0) return {};
  Tensor out;
  if (team.leads()) {
    tensor.require_cpu("broadcast");
    out = tensor.contiguous();
  } else {
    Shape shape(std::span<const int64_t>(form).subspan(2));
    out = Tensor::empty(shape, static_cast<DType>(form[1]));
  }
  team.broadcast({static_cast<std::byte*>(out.raw()), static_cast<size_t>(out.bytes())});
  return out;
}

void require_same(Team& team, const std::string& what, const std::string& text) {
  std::string leaders = broadcast(team, text);
  Tensor differs = Tensor::zeros({team.size()}, DType::f64);
  differs.data<double>()[team.rank()] = leaders != text;
  team.sum(differs);
  auto found = differs.span<double>();
  auto first = std::find(found.begin(), found.end(), 1.0);
  if (first == found.end()) return;
  fail(what, " of process ", first - found.begin(),
       " and of process 0 differ: ", leaders == text ? "" : printable(text) + " against ", printable(leaders),
       "; all processes of a job need the same data, weights, options and processor level (GRAFT_CPU)");
}

Part part_of(int64_t count, int rank, int size) {
  auto begin_of = [&](int64_t r) { return (count * r + size - 1) / size; };
  return {begin_of(rank), begin_of(rank + 1)};
}

}  // namespace graft::transfer
