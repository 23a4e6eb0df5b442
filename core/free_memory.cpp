#include "core/free_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#include "core/error.h"

namespace graft {
namespace {

// The number behind `key` in a file of lines "key: value ..."; the whole file's number where key is empty. -1
// where there is none.
int64_t number_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(key)) continue;
    std::istringstream rest(line.substr(key.size()));
    int64_t value = -1;
    return rest >> value ? value : -1;
  }
  return -1;
}

// What a control group of version 2 still allows: its limit less what it has taken, but for file pages that
// can be dropped.
int64_t left_in_group(int64_t otherwise) {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  int64_t left = otherwise;
  while (std::getline(file, line)) {
    if (!line.starts_with("0::/")) continue;
    std::string folder = "/sys/fs/cgroup" + line.substr(3);
    int64_t limit = number_in(folder + "/memory.max", "");
    int64_t taken = number_in(folder + "/memory.current", "");
    int64_t files = std::max<int64_t>(0, number_in(folder + "/memory.stat", "inactive_file "));
    if (limit >= 0 && taken >= 0) left = std::min(left, std::max<int64_t>(0, limit - taken + files));
  }
  return left;
}

}  // namespace

int64_t free_cpu_memory() {
  int64_t page = ::sysconf(_SC_PAGESIZE);
  int64_t kibibytes = number_in("/proc/meminfo", "MemAvailable:");
  int64_t left = kibibytes >= 0 ? kibibytes * 1024 : ::sysconf(_SC_PHYS_PAGES) * page;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    int64_t pages = std::max<int64_t>(0, number_in("/proc/self/statm", ""));
    left = std::min(left, std::max<int64_t>(0, static_cast<int64_t>(limit.rlim_cur) - pages * page));
  }
  return left_in_group(left);
}

int64_t parse_bytes(const std::string& flag, const std::string& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(static_cast<const char*>(end), text.data() + text.size());
  for (const char* tail : {"iB", "B"}) {
    if (unit.size() > std::string(tail).size() && unit.ends_with(tail))
      unit.resize(unit.size() - std::string(tail).size());
  }
  const std::string units = "KMGT";
  size_t power = unit.size() == 1 ? units.find(unit) : std::string::npos;
  bool known = unit.empty() || power != std::string::npos;
  double bytes = unit.empty() ? value : value * std::pow(1024.0, static_cast<double>(power + 1));
  GRAFT_CHECK_AS(UsageError, error == std::errc() && known && bytes >= 1 && bytes < 0x1p60, flag, " ",
                 printable(text), ": an amount of memory is expected, such as 4G or 512M");
  return static_cast<int64_t>(bytes);
}

}  // namespace graft
