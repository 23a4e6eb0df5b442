#include "transfer/team_training.h"

#include "core/error.h"
#include "core/sha256.h"

namespace graft::transfer {
namespace {

void require_no_statistics(const std::vector<nn::NamedTensor>& tensors) {
  for (const nn::NamedTensor& t : tensors) {
    GRAFT_CHECK_AS(
        UsageError, !t.buffer, "several processes: ", t.name,
        " would go by each process's own part of a batch, and not by the batch; freeze the statistics "
        "of batch norms (freeze_bn=true, and another strategy than scratch), or start one process");
  }
}

}  // namespace

void require_divisible(const Task& task, const Plan& plan, const Recipe& recipe) {
  require_no_statistics(plan.moving);
  for (const Milestone& milestone : plan.milestones) require_no_statistics(milestone.tensors);
  bool mixes = recipe.mixup > 0 || recipe.cutmix > 0;
  GRAFT_CHECK_AS(
      UsageError, !mixes || !task.class_weights.defined(),
      "several processes: class weights count a mixed batch's two labels differently, so its parts do "
      "not add up; leave out class_weights, or mixup and cutmix, or start one process");
}

void require_same_weights(Team& team, const Plan& plan, const std::string& when) {
  Sha256 hash;
  for (const nn::NamedTensor& t : plan.moving) hash.add(t.value().to(kCpu));
  require_same(team, "the weights " + when, hash.hex());
}

std::optional<TrainingState> broadcast(Team& team, std::optional<TrainingState> state) {
  double head[] = {state ? 1.0 : 0.0, state ? static_cast<double>(state->step) : 0.0,
                   state ? static_cast<double>(state->tensors.size()) : 0.0};
  broadcast(team, head);
  if (head[0] == 0) return std::nullopt;
  TrainingState out;
  out.step = static_cast<int64_t>(head[1]);
  for (size_t i = 0; i < static_cast<size_t>(head[2]); ++i) {
    bool leads = team.leads();
    std::string name = broadcast(team, leads ? state->tensors[i].name : std::string());
    out.tensors.push_back({name, broadcast(team, leads ? state->tensors[i].value : Tensor())});
  }
  return out;
}

uint64_t draws_of_member(uint64_t leaders, int rank) {
  constexpr int kBits = 40;  // more draws than a training takes
  return leaders + (static_cast<uint64_t>(rank) << kBits);
}

}  // namespace graft::transfer
