// The parts of a report, each a piece of HTML made from plain data. Every string that came from a file is
// escaped.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "transfer/result.h"

namespace graft::transfer::report {

// The picture with this index in Evaluation::scored, as the bytes of a small PNG; empty where it cannot be
// shown.
using Thumbnail = std::function<std::string(size_t index)>;

// Accuracy in large figures, what was done in one sentence, the run's key figures.
std::string hero(const RunResult& run);
// A warning before all else, where the run is not what it should be: frozen tensors that moved, an artefact
// that scored differently. Empty where all is well.
std::string warnings(const RunResult& run);
// Loss and accuracy over the epochs.
std::string curves(const RunResult& run);
// Who was taken for whom: a table up to kMaxMatrix classes, the most frequent mistakes beyond.
std::string confusion(const Evaluation& test, const std::vector<std::string>& classes);
inline constexpr size_t kMaxMatrix = 16;
// Of each class, the share that was found, and the share of its predictions that were right.
std::string per_class(const Evaluation& test, const std::vector<std::string>& classes);
// Wrong pictures, the most confident first.
std::string most_wrong(const Evaluation& test, const std::vector<std::string>& classes,
                       const Thumbnail& thumbnail, size_t count = 12);
// The learning-rate finder's curve with its suggestion; empty where nobody looked.
std::string rate_finder(const RunResult& run);
// The stages from input to head: which train, from when on, and where gradients stop.
std::string gradient_stop(const RunResult& run);
// Held-out samples in the feature space, before and after; empty where there is no map.
std::string feature_maps(const RunResult& run);
// How far each tensor went from where it started.
std::string movement(const RunResult& run);
std::string certificate(const Certificate& certificate);
std::string ledger(const RunResult& run);
// What the memory plan foresaw, part by part, against what was measured.
std::string memory_plan(const MemoryPlan& plan);
// Timings, settings, receipt, notes.
std::string record(const RunResult& run);

// "Only a new head was trained; ...": a strategy in one sentence, already HTML.
std::string strategy_sentence(const RunResult& run);

}  // namespace graft::transfer::report
