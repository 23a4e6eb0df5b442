// Small states of a training, and what must hold of a folder of them whatever happened to who wrote it.
#pragma once

#include <string>

#include "tests/crash/traced.h"
#include "transfer/training_state.h"

namespace graft::test {

// A few hundred bytes, different for each step.
transfer::TrainingState small_state(int64_t step);
transfer::Checkpoints::Identity small_identity();
bool equal(const transfer::TrainingState& a, const transfer::TrainingState& b);

// Where small_state(step) is kept in a folder, of steps below 10.
std::string file_of(const std::string& folder, int step);
// Saves the states of the steps 1 to `last` there, of which the newest two stay.
void save_steps(const std::string& folder, int last);

// The work that is disturbed: the states of the steps 1, 2 and 3, each reported when it is saved. The third
// takes the first one away.
void save_three(const std::string& folder, Report& report);

// Empty where the newest state of the folder is one of the steps `completed` and the one after, whole, no
// other state is broken, and nothing else is left once the next run begins; otherwise what is wrong.
std::string problem_with(const std::string& folder, int completed);
// The next run can save and finish, and takes the folder away. Empty, or what is wrong.
std::string problem_with_next_run(const std::string& folder);

}  // namespace graft::test
