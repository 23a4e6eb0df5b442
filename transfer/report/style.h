// The report's looks: one style sheet, light and dark, from a phone's width to a wide screen; and on paper.
#pragma once

namespace graft::transfer::report {

extern const char* const kStyle;
// A sprout on a stock, beside the title.
extern const char* const kMark;

}  // namespace graft::transfer::report
