#include "tests/crash/kept.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "weights/checkpoint.h"

namespace graft::test {

namespace fs = std::filesystem;
using transfer::Checkpoints;
using transfer::TrainingState;

TrainingState small_state(int64_t step) {
  auto s = static_cast<double>(step);
  TrainingState out{step, {}};
  out.tensors.push_back({"network/weight", Tensor::from(std::vector<float>{float(step), 1, -2}, {3})});
  out.tensors.push_back({"network/none", Tensor::zeros({0}, DType::f32)});
  out.tensors.push_back({"step_losses", Tensor::from(std::vector<double>(static_cast<size_t>(step), s / 3),
                                                     {static_cast<int64_t>(step)})});
  return out;
}

Checkpoints::Identity small_identity() {
  return {{"model", "small"}, {"seed", "0"}};
}

bool equal(const TrainingState& a, const TrainingState& b) {
  return a.step == b.step && a.tensors.size() == b.tensors.size() &&
         std::all_of(b.tensors.begin(), b.tensors.end(), [&](const weights::SavedTensor& saved) {
           return bit_equal(a.tensor(saved.name), saved.value);
         });
}

std::string file_of(const std::string& folder, int step) {
  return str(folder, "/step-0000000", step, ".checkpoint");
}

void save_steps(const std::string& folder, int last) {
  Checkpoints checkpoints(folder, 1);
  checkpoints.begin(small_identity());
  for (int step = 1; step <= last; ++step) checkpoints.save(small_state(step));
}

void save_three(const std::string& folder, Report& report) {
  Checkpoints checkpoints(folder, 1);
  checkpoints.begin(small_identity());
  for (int step = 1; step <= 3; ++step) {
    checkpoints.save(small_state(step));
    report.completed = step;
  }
}

std::string problem_with(const std::string& folder, int completed) {
  try {
    Checkpoints next(folder, 1);
    next.begin(small_identity());
    size_t states = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::string name = entry.path().filename().string();
      if (name == "lock") continue;
      if (!name.ends_with(".checkpoint")) return name + " is left";
      weights::Checkpoint::open(entry.path().string());  // throws where it is not whole
      ++states;
    }
    // Two are kept; one more where the run ended between a save and its clearing up, and again one where
    // the power went before the last clearing up was on the disk.
    if (states > 4) return str(states, " states are left");
    std::vector<std::string> notes;
    std::optional<TrainingState> newest = next.newest(notes);
    if (!notes.empty()) return notes[0];
    if (!newest) return completed == 0 ? "" : str("no state; ", completed, " was saved");
    if (newest->step != completed && newest->step != completed + 1)
      return str("the newest state is ", newest->step, "; ", completed, " was saved");
    return equal(*newest, small_state(newest->step)) ? "" : str("state ", newest->step, " has other numbers");
  } catch (const std::exception& e) {
    return e.what();
  }
}

std::string problem_with_next_run(const std::string& folder) {
  try {
    {
      Checkpoints next(folder, 1);
      next.begin(small_identity());
      next.save(small_state(4));
      std::vector<std::string> notes;
      std::optional<TrainingState> newest = next.newest(notes);
      if (!newest || !equal(*newest, small_state(4))) return "the next run's state is not the newest";
      next.remove();
    }
    return fs::exists(folder) ? "the folder is left" : "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace graft::test
