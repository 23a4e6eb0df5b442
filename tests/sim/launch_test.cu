// What launch() refuses, and that its errors name the kernel; faults that a kernel reports.
#include "kernels/cuda/launch.h"

#include <cstdio>
#include <cstdlib>

#include "core/accelerator.h"
#include "kernels/cuda/elements.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using namespace graft::kernels::cuda;

namespace {

constexpr Device kCuda{Device::Type::cuda, 0};

__global__ void count_up(int* calls) {
  atomicAdd(calls, 1);
}

__global__ void report_from(int64_t value, Fault* fault, Fault::Raise raise) {
  if (threadIdx.x == 0) report(fault, raise, value, 2);
}

void raise_fault(const int64_t (&values)[4]) {
  fail<DataError>("the kernel met ", values[0], " and ", values[1]);
}

// Sets an environment variable for a scope.
struct Environment {
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }
  const char* name_;
};

}  // namespace

TEST_CASE("launch: every thread of every block once; an empty grid is no work") {
  Tensor calls = Tensor::zeros({}, DType::i32, kCuda);
  launch("count_up", count_up, Work{dim3(3, 2), dim3(32, 2)}, data<int32_t>(calls));
  CHECK(calls.to(kCpu).item() == 3 * 2 * 32 * 2);
  launch("count_up", count_up, one_thread_per(0), data<int32_t>(calls));
  launch("count_up", count_up, Work{dim3(2, 0), dim3(32)}, data<int32_t>(calls));
  CHECK(calls.to(kCpu).item() == 384);
  launch("count_up", count_up, one_thread_per(257), data<int32_t>(calls));
  CHECK(calls.to(kCpu).item() == 384 + 512);
}

TEST_CASE("launch: what a device cannot run is refused, naming the kernel") {
  auto start = [](dim3 grid, dim3 block, size_t shared_bytes) {
    launch("count_up", count_up, Work{grid, block, shared_bytes}, static_cast<int*>(nullptr));
  };
  check_throws<Error>([&] { start(1, 1025, 0); }, {"count_up", "1 to 1024", "1025x1x1"});
  check_throws<Error>([&] { start(1, 0, 0); }, {"count_up", "1 to 1024"});
  check_throws<Error>([&] { start(1, dim3(1, 1, 65), 0); }, {"count_up", "1x1x65"});
  check_throws<Error>([&] { start(dim3(1, 65536), 32, 0); }, {"count_up", "65535", "1x65536x1"});
  check_throws<Error>([&] { start(1, 32, 228 * 1024); }, {"count_up", "233472 bytes", "shared memory"});
  check_throws<Error>([] { grid_size(int64_t{1} << 31); }, {"grid", "2147483648"});
}

TEST_CASE("fault: the first is raised by the next wait for the device, once") {
  launch("report_from", report_from, Work{1, 32}, int64_t{5}, fault_slot(), raise_fault);
  launch("report_from", report_from, Work{1, 32}, int64_t{6}, fault_slot(), raise_fault);
  check_throws<DataError>([] { synchronize(kCuda); }, {"met 5 and 2"});
  synchronize(kCuda);
}

TEST_CASE("GRAFT_CAPABILITY: holds kernels back to an older GPU, and never claims a newer one") {
  CHECK(facts().capability == 90);
  {
    Environment older("GRAFT_CAPABILITY", "80");
    CHECK(facts().capability == 80);
  }
  {
    Environment newer("GRAFT_CAPABILITY", "120");
    CHECK(facts().capability == 90);
  }
  for (const char* bad : {"eight", "80a", "75", "-1"}) {
    Environment variable("GRAFT_CAPABILITY", bad);
    check_throws<UsageError>([] { facts(); }, {"GRAFT_CAPABILITY", bad});
  }
}
