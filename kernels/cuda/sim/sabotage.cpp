#include "kernels/cuda/sim/sabotage.h"

#include <string_view>

#include "core/error.h"

namespace graft::sim {
namespace {

std::atomic<Sabotage*> present{nullptr};

}  // namespace

Sabotage::Sabotage(Kind kind, std::string file, int line) : kind_(kind), file_(std::move(file)), line_(line) {
  Sabotage* nobody = nullptr;
  GRAFT_CHECK(present.compare_exchange_strong(nobody, this), "sabotage: there is one already");
}

Sabotage::~Sabotage() {
  present = nullptr;
}

bool is_sabotaged(Sabotage::Kind kind, Site site) {
  Sabotage* sabotage = present.load(std::memory_order_relaxed);
  if (!sabotage || sabotage->kind_ != kind || sabotage->line_ != site.line) return false;
  if (!std::string_view(site.file).ends_with(sabotage->file_)) return false;
  sabotage->strikes_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace graft::sim
