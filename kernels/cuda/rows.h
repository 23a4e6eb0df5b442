// A team's row of a matrix [rows, cols], read from memory once where it fits into the team's registers, else
// again for each traversal; up to 16 bytes at a time where the sizes allow. A kernel written for a row has
// one formula for all of these.
#pragma once

#include "kernels/cuda/divisor.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"

namespace graft::kernels::cuda {

// Floats of a row that a thread keeps.
inline constexpr int kHeldFloats = 32;

template <class TeamType, int kWide_, bool kHeld_>
struct RowKind {
  using Team = TeamType;
  static constexpr int kWide = kWide_;  // elements of a load
  static constexpr bool kHeld = kHeld_;
};

template <class T, class Kind>
class Row {
  using Team = typename Kind::Team;
  static constexpr int kWide = Kind::kWide, kStep = Team::kSize * kWide;
  static constexpr int kPacks = Kind::kHeld ? kHeldFloats / kWide : 1;
  template <class E>
  using Elements = Pack<E, kWide>;

 public:
  __device__ Row(const T* row, int cols) : row_(row), cols_(cols) {
    if constexpr (Kind::kHeld) {
      GRAFT_UNROLL
      for (int p = 0; p < kPacks; ++p) {
        if (column(p) < cols_) held_[p] = read(column(p));
      }
    }
  }

  // f(row[j], others[j]...) for this thread's columns j, all as float.
  template <class F, class... Others>
  __device__ void each(F f, const Others*... others) const {
    each_pack(
        [&](int, const Elements<T>& mine, const auto&... theirs) {
          GRAFT_UNROLL
          for (int k = 0; k < kWide; ++k) f(to_float(mine.values[k]), to_float(theirs.values[k])...);
        },
        others...);
  }

  // out[j] = f(row[j], others[j]...)
  template <class F, class... Others>
  __device__ void map(T* out, F f, const Others*... others) const {
    each_pack(
        [&](int c, const Elements<T>& mine, const auto&... theirs) {
          Elements<T> result;
          GRAFT_UNROLL
          for (int k = 0; k < kWide; ++k)
            result.values[k] = from_float<T>(f(to_float(mine.values[k]), to_float(theirs.values[k])...));
          *reinterpret_cast<Elements<T>*>(out + c) = result;
        },
        others...);
  }

 private:
  __device__ int column(int p) const { return p * kStep + Team::rank() * kWide; }
  __device__ Elements<T> read(int c) const { return *reinterpret_cast<const Elements<T>*>(row_ + c); }

  template <class F, class... Others>
  __device__ void each_pack(F f, const Others*... others) const {
    if constexpr (Kind::kHeld) {
      GRAFT_UNROLL
      for (int p = 0; p < kPacks; ++p) {
        int c = column(p);
        if (c < cols_) f(c, held_[p], *reinterpret_cast<const Elements<Others>*>(others + c)...);
      }
    } else {
      for (int c = column(0); c < cols_; c += kStep)
        f(c, read(c), *reinterpret_cast<const Elements<Others>*>(others + c)...);
    }
  }

  const T* row_;
  int cols_;
  Elements<T> held_[kPacks];
};

// f(RowKind): a warp has rows of up to 1024 columns and a block longer ones, up to 8192 in registers. The
// `pointers` are those of the whole matrix and of what is as long as a row; T is the matrix's type.
template <class T, class F>
void with_row_kind(int64_t cols, std::initializer_list<const void*> pointers, F&& f) {
  bool wide = cols % kPack<T> == 0;
  for (const void* p : pointers) wide = wide && is_aligned(p);
  auto with_wide = [&](auto team, auto held) {
    using Team = decltype(team);
    if (wide) {
      f(RowKind<Team, kPack<T>, held.value>{});
    } else {
      f(RowKind<Team, 1, held.value>{});
    }
  };
  if (cols <= kHeldFloats * WarpTeam::kSize) {
    with_wide(WarpTeam{}, std::true_type{});
  } else if (cols <= kHeldFloats * BlockTeam::kSize) {
    with_wide(BlockTeam{}, std::true_type{});
  } else {
    with_wide(BlockTeam{}, std::false_type{});
  }
}

}  // namespace graft::kernels::cuda
