// A run in a few lines for the terminal.
#pragma once

#include <string>
#include <vector>

#include "transfer/compare.h"
#include "transfer/result.h"
#include "transfer/tune.h"

namespace graft::transfer::report {

std::vector<std::string> summary(const RunResult& run);
std::vector<std::string> summary(const EvaluateResult& result);
// "owl.jpg: great grey owl 93.1 %, screech owl 2.0 %, ...", or why it could not be read.
std::string summary(const Prediction& prediction, size_t guesses = 3);
// The methods as a table: accuracy by training samples a class; the rest with the most of them.
std::vector<std::string> summary(const CompareResult& result);
// "lora, 20 a class: 85.6 %, 155,101 trained, 24.1 s, 1.2 GiB, LoRA of rank 8": one row of that table.
std::string summary(const CompareRow& row);
// The strategies as a table with a bar each, no wider than `width` columns.
std::vector<std::string> comparison_table_text(const std::vector<RunResult>& runs, int width, bool unicode);

}  // namespace graft::transfer::report
