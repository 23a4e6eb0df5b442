// What a training owes its team: that all can take the same steps, and that all did.
#pragma once

#include <optional>

#include "transfer/team.h"
#include "transfer/train.h"

namespace graft::transfer {

// Whether the statistics of any batch norm follow the batches, now or after a milestone.
bool statistics_move(const Plan& plan);
// Throws Error, on every member, where what trains is not the same to the bit.
void require_same_weights(Team& team, const Plan& plan, const std::string& when);
// The leader's state, or its lack of one.
std::optional<TrainingState> broadcast(Team& team, std::optional<TrainingState> state);

// Counts of a dropout's draws, which no two members have in common: their masks are independent.
uint64_t draws_of_member(uint64_t leaders, int rank);

}  // namespace graft::transfer
