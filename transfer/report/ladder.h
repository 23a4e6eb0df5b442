// compare.html: the ladder of methods on one page, as a plot and as a table.
#pragma once

#include <string>

#include "transfer/compare.h"

namespace graft::transfer::report {

std::string ladder_page(const CompareResult& result);

// The method's row with so many samples of each class, of zeroshot its only one; nullptr where there is none.
const CompareRow* row_of(const CompareResult& result, const std::string& method, int64_t per_class);
// The best with so many samples of each class; of equals the one lower on the ladder.
const CompareRow* best_of(const CompareResult& result, int64_t per_class);

}  // namespace graft::transfer::report
