// A little work for every kernel that graft has, in every tier and for rows of every length that it tells
// apart. The mutants (mutants_test.cpp) and the schedules (schedules_test.cpp) are tried on all of it: a new
// kernel needs an entry here, and mutants_test.cpp fails without.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace graft::test {

struct Workload {
  std::string name;
  const char* capability;  // to which kernels are held (GRAFT_CAPABILITY); empty: the device's own
  // The results, on the CPU. The same bits every time. Throws what the kernels throw.
  std::function<std::vector<Tensor>()> run;
};

const std::vector<Workload>& workloads();

}  // namespace graft::test
