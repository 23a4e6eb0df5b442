// The report: one HTML file that needs nothing else, neither a network nor a script.
#pragma once

#include <string>
#include <vector>

#include "transfer/report/sections.h"
#include "transfer/result.h"

namespace graft::transfer::report {

// One run.
std::string run_page(const RunResult& run, const Thumbnail& thumbnail);

// A picture to show, with its caption.
struct Sample {
  std::string png;      // the bytes of a PNG file
  std::string caption;  // its class
};

// The same task by several strategies, side by side. `runs` in the order in which they are to be shown;
// thumbnails are those of the held-out pictures, which all runs share.
std::string comparison_page(const std::string& title, const std::vector<RunResult>& runs,
                            const std::vector<Sample>& samples, const Thumbnail& thumbnail);

}  // namespace graft::transfer::report
