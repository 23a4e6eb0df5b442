#include "kernels/cuda/sim/memory.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "core/error.h"

namespace graft::sim {
namespace {

struct Allocations {
  std::mutex mutex;
  std::map<uintptr_t, uintptr_t> ends;  // by begin
};

// Never destroyed: memory of static lifetime may be given back after main has returned.
Allocations& allocations() {
  static Allocations* all = new Allocations;
  return *all;
}

std::string hex(uintptr_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

void allow_memory(const void* p, size_t bytes) {
  uintptr_t begin = reinterpret_cast<uintptr_t>(p);
  std::lock_guard lock(allocations().mutex);
  allocations().ends[begin] = begin + bytes;
}

void forbid_memory(const void* p) {
  std::lock_guard lock(allocations().mutex);
  allocations().ends.erase(reinterpret_cast<uintptr_t>(p));
}

Allocation find_allocation(uintptr_t address) {
  std::lock_guard lock(allocations().mutex);
  auto after = allocations().ends.upper_bound(address);
  if (after == allocations().ends.begin()) return {};
  auto [begin, end] = *--after;
  return address < end ? Allocation{begin, end} : Allocation{};
}

std::string describe_outside(uintptr_t address) {
  std::lock_guard lock(allocations().mutex);
  auto after = allocations().ends.upper_bound(address);
  constexpr uintptr_t kNear = 4096;
  auto bytes_of = [](const auto& entry) { return entry.second - entry.first; };
  if (after != allocations().ends.begin()) {
    auto before = std::prev(after);
    if (address - before->second < kNear) {
      return str(address - before->second, " bytes after the end of an allocation of ", bytes_of(*before),
                 " bytes");
    }
  }
  if (after != allocations().ends.end() && after->first - address < kNear) {
    return str(after->first - address, " bytes before an allocation of ", bytes_of(*after), " bytes");
  }
  return str(hex(address), ", near no allocation");
}

bool in_program(uintptr_t address) {
  auto visit = [](dl_phdr_info* info, size_t, void* data) {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const auto& part = info->dlpi_phdr[i];
      uintptr_t begin = info->dlpi_addr + part.p_vaddr;
      uintptr_t wanted = *static_cast<uintptr_t*>(data);
      if (part.p_type == PT_LOAD && wanted >= begin && wanted < begin + part.p_memsz) return 1;
    }
    return 0;
  };
  return dl_iterate_phdr(visit, &address) != 0;
}

std::string describe_code(uintptr_t address) {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<void*>(address), &info)) return hex(address);
  std::string out;
  if (info.dli_sname) {
    int status = 0;
    char* name = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    out = str(status == 0 ? name : info.dli_sname, "+",
              hex(address - reinterpret_cast<uintptr_t>(info.dli_saddr)), ", ");
    std::free(name);
  }
  std::string_view file = info.dli_fname;
  file.remove_prefix(file.rfind('/') + 1);
  return str(out, file, "+", hex(address - reinterpret_cast<uintptr_t>(info.dli_fbase)));
}

}  // namespace graft::sim
