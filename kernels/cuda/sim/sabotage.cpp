#include "kernels/cuda/sim/sabotage.h"

#include <string_view>

#include "core/error.h"

namespace graft::sim {
namespace {

std::atomic<Visitor*> present{nullptr};

}  // namespace

std::string to_text(Mistake mistake) {
  switch (mistake) {
    case Mistake::no_barrier: return "missing barrier";
    case Mistake::no_fence: return "missing fence";
    case Mistake::no_wait: return "missing wait";
    case Mistake::no_commit: return "missing commit";
    case Mistake::no_arrival: return "missing arrival";
    case Mistake::wrong_phase: return "wrong phase";
    case Mistake::wrong_lane: return "wrong lane";
    case Mistake::lost_store: return "unwritten shared memory";
    case Mistake::repeated_block: return "race between blocks";
    case Mistake::bound: return "wrong bound";
  }
  return {};
}

Visitor::Visitor() {
  Visitor* nobody = nullptr;
  GRAFT_CHECK(present.compare_exchange_strong(nobody, this), "sabotage: there is one already");
}

Visitor::~Visitor() {
  present = nullptr;
}

bool Sabotage::comes_to(Mistake mistake, Site site) {
  if (place_.mistake != mistake || place_.number != site.line) return false;
  if (!std::string_view(site.file).ends_with(place_.where)) return false;
  strikes_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Survey::comes_to(Mistake mistake, Site site) {
  places_.insert({mistake, site.file, site.line});
  return false;
}

bool is_sabotaged(Mistake mistake, Site site) {
  Visitor* visitor = present.load(std::memory_order_relaxed);
  return visitor && visitor->comes_to(mistake, site);
}

}  // namespace graft::sim
