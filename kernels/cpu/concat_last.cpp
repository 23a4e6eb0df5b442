#include "kernels/concat_last.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

void copy_columns(const Tensor& from, int64_t from_column, const Tensor& to, int64_t to_column,
                  int64_t count) {
  if (count == 0 || to.numel() == 0) return;
  int64_t size = size_of(from.dtype());
  int64_t from_row = from.dim(-1) * size, to_row = to.dim(-1) * size, bytes = count * size;
  const char* source = static_cast<const char*>(from.raw()) + from_column * size;
  char* target = static_cast<char*>(to.raw()) + to_column * size;
  parallel_for(to.numel() / to.dim(-1), std::max<int64_t>(1, 131072 / bytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   std::memcpy(target + r * to_row, source + r * from_row, static_cast<size_t>(bytes));
                 }
               });
}

#include "kernels/cpu/level_end.h"
