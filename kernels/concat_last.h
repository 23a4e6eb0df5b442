// Columns from one matrix to another: to[r, to_column + j] = from[r, from_column + j] for `count` columns and
// every row. Both contiguous, of one type (any), the last axis being the columns and the other axes together
// the rows; as many rows in both. Joining along the last axis and taking apart again are both made of this.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

GRAFT_KERNEL(copy_columns,
             (const Tensor& from, int64_t from_column, const Tensor& to, int64_t to_column, int64_t count),
             (from, from_column, to, to_column, count))

}  // namespace graft::kernels
