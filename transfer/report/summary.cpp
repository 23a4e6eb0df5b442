#include "transfer/report/summary.h"

#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "transfer/report/ladder.h"
#include "transfer/report/progress.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

std::string score_line(const std::string& model, const std::string& strategy, const Evaluation& test) {
  auto [low, high] = wilson_interval(test.accuracy, test.count);
  Noun what = noun(test.samples);
  return str(printable(model), ", ", printable(strategy), ": ", percent(test.accuracy), " of ",
             counted(test.count, str("held-out ", what.one), str("held-out ", what.many)),
             " right (95 % interval ", percent(low, 0), " to ", percent(high, 0), "), loss ",
             short_number(test.loss),
             test.samples == Samples::tokens ? ", perplexity " + short_number(std::exp(test.loss)) : "");
}

std::string padded(std::string text, int width, bool to_the_right = false) {
  int gap = std::max(0, width - display_width(text));
  text.insert(to_the_right ? 0 : text.size(), static_cast<size_t>(gap), ' ');
  return text;
}

}  // namespace

std::vector<std::string> summary(const RunResult& run) {
  std::vector<std::string> lines{score_line(run.model, run.strategy, run.test)};
  lines.push_back(str("trained ", count_text(run.trainable_parameters), " of ", count_text(run.parameters),
                      " parameters; ", counted(run.frozen_tensors, "tensor", "tensors"), " frozen, ",
                      counted(run.certificate.frozen_bytes_changed, "byte", "bytes"), " changed"));
  std::string time = seconds_text(run.seconds.total);
  const std::pair<const char*, double> phases[] = {{"load", run.seconds.load},
                                                   {"features", run.seconds.features},
                                                   {"train", run.seconds.train},
                                                   {"evaluate", run.seconds.evaluate}};
  const char* between = ": ";
  for (auto& [name, seconds] : phases) {
    if (seconds < 0.005) continue;
    time += str(between, name, " ", seconds_text(seconds));
    between = ", ";
  }
  if (run.peak_memory_bytes > 0) {
    time += str("; at most ", bytes_text(static_cast<double>(run.peak_memory_bytes)), " in tensors");
  }
  lines.push_back(time);
  if (run.memory_plan.known()) {
    lines.push_back(str("memory: planned ", bytes_text(static_cast<double>(run.memory_plan.peak)),
                        ", measured ", bytes_text(static_cast<double>(run.memory_plan.measured))));
  }
  return lines;
}

std::vector<std::string> summary(const EvaluateResult& result) {
  std::vector<std::string> lines{score_line(result.model, result.strategy, result.evaluation)};
  const auto& confusion = result.evaluation.confusion;
  int width = 0;
  for (const std::string& name : result.classes) width = std::max(width, display_width(printable(name, 40)));
  for (size_t c = 0; c < confusion.size() && c < result.classes.size() && confusion.size() <= 20; ++c) {
    int64_t total = 0;
    for (int64_t n : confusion[c]) total += n;
    if (total == 0) continue;
    double share = static_cast<double>(confusion[c][c]) / static_cast<double>(total);
    lines.push_back(str("  ", padded(printable(result.classes[c], 40), width), "  ",
                        padded(percent(share), 7, true), "  ", confusion[c][c], " of ", total));
  }
  return lines;
}

std::string summary(const Prediction& prediction, size_t guesses) {
  if (!prediction.error.empty()) return prediction.error;
  std::string line = printable(prediction.text.empty() ? prediction.file : prediction.text, 4096) + ": ";
  for (size_t i = 0; i < prediction.top.size() && i < guesses; ++i) {
    line +=
        str(i ? ", " : "", printable(prediction.top[i].label), " ", percent(prediction.top[i].probability));
  }
  return line;
}

std::vector<std::string> summary(const CompareResult& result) {
  std::vector<std::vector<std::string>> rows(1);
  rows[0] = {"method"};
  for (int64_t per_class : result.per_class) rows[0].push_back(str(per_class, " a class"));
  for (const char* name : {"trained", "time", "memory"}) rows[0].emplace_back(name);
  for (const std::string& method : result.methods) {
    std::vector<std::string> cells{method};
    const CompareRow* row = nullptr;
    for (int64_t per_class : result.per_class) {
      row = row_of(result, method, per_class);
      bool best = row == best_of(result, per_class);
      cells.push_back(percent(row->accuracy) + (best ? " *" : "  "));
    }
    cells.push_back(count_text(row->trainable_parameters));
    cells.push_back(seconds_text(row->seconds));
    cells.push_back(bytes_text(static_cast<double>(row->peak_memory_bytes)));
    rows.push_back(std::move(cells));
  }
  std::vector<std::string> lines;
  for (const auto& cells : rows) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
      int width = 0;
      for (const auto& other : rows) width = std::max(width, display_width(other[c]));
      line += str(c ? "  " : "", padded(cells[c], width, c > 0));
    }
    lines.push_back(line);
  }
  Noun what = noun(result.samples);
  lines.push_back(str("of ", counted(result.count, str("held-out ", what.one), str("held-out ", what.many)),
                      "; * the best; time and memory with ", result.per_class.back(), " a class; ",
                      seconds_text(result.seconds), " in all"));
  return lines;
}

std::string summary(const CompareRow& row) {
  std::string line = row.method;
  if (row.per_class > 0) line += str(", ", row.per_class, " a class");
  line += str(": ", percent(row.accuracy), ", ", count_text(row.trainable_parameters), " trained, ",
              seconds_text(row.seconds), ", ", bytes_text(static_cast<double>(row.peak_memory_bytes)));
  return row.note.empty() ? line : str(line, ", ", row.note);
}

std::vector<std::string> comparison_table_text(const std::vector<RunResult>& runs, int width, bool unicode) {
  std::vector<std::vector<std::string>> rows{
      {"strategy", "accuracy", "trained", "frozen", "changed", "epochs", "time"}};
  for (const RunResult& run : runs) {
    rows.push_back({printable(run.strategy), percent(run.test.accuracy), count_text(run.trainable_parameters),
                    counted(run.frozen_tensors, "tensor", "tensors"),
                    counted(run.certificate.frozen_bytes_changed, "byte", "bytes"), str(run.epochs.size()),
                    seconds_text(run.seconds.total)});
  }
  std::vector<int> columns(rows[0].size(), 0);
  int used = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    for (auto& row : rows) columns[c] = std::max(columns[c], display_width(row[c]));
    used += columns[c] + 2;
  }
  int bar = std::clamp(width - used, 0, 30);
  std::vector<std::string> lines;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line = padded(rows[r][0], columns[0]);
    for (size_t c = 1; c < columns.size(); ++c) line += str("  ", padded(rows[r][c], columns[c], true));
    if (r > 0 && bar >= 8) {
      line += "  ";
      auto cells = static_cast<int>(std::lround(runs[r - 1].test.accuracy * bar));
      for (int i = 0; i < cells; ++i) line += unicode ? "█" : "#";
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace graft::transfer::report
