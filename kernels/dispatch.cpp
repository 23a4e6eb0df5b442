#include "kernels/dispatch.h"

#include <algorithm>
#include <atomic>

#include "core/env.h"

namespace graft::kernels {
namespace {

CpuLevel best_level() {
#if defined(__x86_64__)
  auto has = [](const char* what) {
    // __builtin_cpu_supports needs a literal; these are all that the levels are made of.
    std::string_view w = what;
    if (w == "v3") {
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2");
    }
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
  };
  if (has("v3")) return has("v4") ? CpuLevel::v4 : CpuLevel::v3;
#endif
  return CpuLevel::v2;
}

CpuLevel chosen_level() {
  std::string wanted = env::cpu();
  if (wanted.empty()) return best_level();
  for (CpuLevel level : cpu_levels()) {
    if (wanted == to_text(level)) return level;
  }
  fail<UsageError>("GRAFT_CPU: \"", printable(wanted), "\" is not a level of this machine; it has up to ",
                   to_text(best_level()));
}

std::atomic<CpuLevel>& current_level() {
  static std::atomic<CpuLevel> level = chosen_level();
  return level;
}

}  // namespace

CpuLevel cpu_level() {
  return current_level().load(std::memory_order_relaxed);
}

void set_cpu_level(CpuLevel level) {
  GRAFT_CHECK(level <= best_level(), "cpu level: this machine has only ", to_text(best_level()));
  current_level() = level;
}

std::vector<CpuLevel> cpu_levels() {
  std::vector<CpuLevel> levels;
  for (CpuLevel level : {CpuLevel::v2, CpuLevel::v3, CpuLevel::v4}) {
    if (level <= best_level()) levels.push_back(level);
  }
  return levels;
}

}  // namespace graft::kernels
