// What a run measured, as JSON: the program's --json files and a run's metrics.json. docs/json.md is the
// contract. Numbers are free of the locale; one that is not finite is null; text that is not UTF-8 has U+FFFD
// in its place.
#pragma once

#include <string>
#include <vector>

#include "transfer/adapt.h"
#include "transfer/compare.h"
#include "transfer/result.h"
#include "transfer/tune.h"
#include "transfer/zeroshot.h"

namespace graft::transfer::report {

std::string tune_json(const RunResult& run);
std::string evaluate_json(const EvaluateResult& result);
std::string predict_json(const std::vector<Prediction>& predictions, const Compute& compute = {});
// As predict_json; `accuracy` and `count` beside it where the folders of pictures are known to name classes.
std::string zeroshot_json(const std::vector<Prediction>& predictions, const Compute& compute,
                          const std::vector<std::string>& labels, const std::vector<std::string>& templates,
                          const FolderAccuracy& known);
// `seconds`: of the whole demo.
std::string comparison_json(const std::vector<RunResult>& runs, double seconds);
std::string compare_json(const CompareResult& result);
std::string adapt_json(const AdaptResult& result);

}  // namespace graft::transfer::report
