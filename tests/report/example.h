// A made-up run with everything in it that a report shows: five classes, some of their names hostile to HTML.
#pragma once

#include "transfer/result.h"

namespace graft::test {

transfer::RunResult example_run(const std::string& strategy = "head", double accuracy = 0.904);

}  // namespace graft::test
