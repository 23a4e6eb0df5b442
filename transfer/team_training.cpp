#include "transfer/team_training.h"

#include <algorithm>

#include "core/sha256.h"

namespace graft::transfer {

bool statistics_move(const Plan& plan) {
  auto any = [](const std::vector<nn::NamedTensor>& tensors) {
    return std::any_of(tensors.begin(), tensors.end(), [](const nn::NamedTensor& t) { return t.buffer; });
  };
  return any(plan.moving) || std::any_of(plan.milestones.begin(), plan.milestones.end(),
                                         [&](const Milestone& m) { return any(m.tensors); });
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
