// The sizes among a kernel's parameters, for Mistake::bound: a kernel that is told of one more than there is
// does what one with <= for < does.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>

#include "kernels/cuda/sim/sabotage.h"

namespace graft::sim {

template <class T>
inline constexpr bool kIsSize =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, int64_t>;

// f(size) for a whole number, or for the members of a struct that by their names count something. Of a table
// of tensors (tensor_table.h) the last one's.
template <class P, class F>
void each_size(P& p, F&& f) {
  if constexpr (kIsSize<P>) {
    f(p);
  } else if constexpr (requires { p.entries[p.count - 1].n; }) {
    f(p.entries[p.count - 1].n);
  } else if constexpr (std::is_class_v<P>) {
#define GRAFT_SIZE(member) \
  if constexpr (requires { requires kIsSize<decltype(p.member)>; }) f(p.member);
    GRAFT_SIZE(n)
    GRAFT_SIZE(rows)
    GRAFT_SIZE(cols)
    GRAFT_SIZE(depth)
    GRAFT_SIZE(classes)
    GRAFT_SIZE(queries)
    GRAFT_SIZE(keys)
    GRAFT_SIZE(height)
    GRAFT_SIZE(width)
    GRAFT_SIZE(channels)
    GRAFT_SIZE(windows)
#undef GRAFT_SIZE
  }
}

// Before a launch: one size may be sabotaged.
template <class... Parameters>
void misjudge_sizes(const char* kernel, std::tuple<Parameters...>& parameters) {
  int number = 0;
  auto visit = [&](auto& size) {
    if (is_sabotaged(Mistake::bound, {kernel, number++})) ++size;
  };
  std::apply([&](auto&... p) { (each_size(p, visit), ...); }, parameters);
}

}  // namespace graft::sim
