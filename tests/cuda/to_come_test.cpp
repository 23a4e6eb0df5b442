// An op whose CUDA kernel does not exist yet says so by name.
#define GRAFT_CUDA_ABSENT "has no CUDA kernel yet; run it on the CPU"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "kernels/dispatch.h"
#include "tests/support.h"

namespace graft::kernels {

GRAFT_KERNEL(op_of_this_test, (const Tensor& x), (x))

// The CPU has it.
namespace cpu::v2 {
void op_of_this_test(const Tensor&) {}
}  // namespace cpu::v2
#if defined(__x86_64__)
namespace cpu::v3 {
void op_of_this_test(const Tensor&) {}
}  // namespace cpu::v3
namespace cpu::v4 {
void op_of_this_test(const Tensor&) {}
}  // namespace cpu::v4
#endif

}  // namespace graft::kernels

using namespace graft;
using namespace graft::test;

TEST_CASE("an op without a CUDA kernel throws there, naming itself") {
  on_every_device([](Device device) {
    Tensor x = Tensor::zeros({2}, DType::f32, device);
    if (device.is_cuda()) {
      check_throws<DeviceError>([&] { kernels::op_of_this_test(x); }, {"op_of_this_test", "no CUDA kernel"});
    } else {
      CHECK_NOTHROW(kernels::op_of_this_test(x));
    }
  });
}
