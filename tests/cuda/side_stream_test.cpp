// Work beside a device's order, behind marks, in recorded steps too.
#include "core/side_stream.h"

#include "core/accelerator.h"
#include "core/step_graph.h"
#include "kernels/binary.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

void finish(SideStream& side) {
  while (!side.is_done()) {
  }
}

bool simulated() {
  return accelerator() && accelerator()->device_count() > 0 && !accelerator()->is_hardware();
}

}  // namespace

TEST_CASE("side stream: work comes after its mark and after earlier work, and is done when it says so") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    std::unique_ptr<SideStream> side = make_side_stream(device);
    CHECK(side->handle() != nullptr);
    CHECK(side->is_done());
    std::unique_ptr<Mark> first = side->mark(), second = side->mark();
    Tensor x = Tensor::zeros({1000}, DType::f32, device), y = x.empty_like(), z = x.empty_like();
    for (int round = 1; round <= 3; ++round) {
      x.fill(round);
      first->set();
      side->run(*first, [&] { kernels::add(x, x, y); });
      second->set();
      side->run(*second, [&] { kernels::add(x, y, z); });
      finish(*side);
      CHECK(bit_equal(z.to(kCpu), Tensor::full({1000}, 3 * round)));
    }
    side->run((first->set(), *first), {[] { fail<DeviceError>("what went wrong"); }});
    check_throws<DeviceError>([&] { finish(*side); }, {"what went wrong"});
  }
  check_throws<DeviceError>([] { make_side_stream(kCpu); }, {"cpu", "one order"});
}

TEST_CASE("side stream: a recorded step sets its marks each time it is played") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    std::unique_ptr<SideStream> side = make_side_stream(device);
    std::unique_ptr<Mark> mark = side->mark();
    Tensor x = Tensor::zeros({70}, DType::f32, device), y = Tensor::zeros({70}, DType::f32, device);
    Tensor twice = x.empty_like();
    StepGraph graph(device);
    for (int step = 1; step <= 5; ++step) {
      feed(x, Tensor::full({70}, step));
      graph.run([&]() -> std::vector<Tensor> {
        kernels::add(x, x, twice);
        mark->set();
        kernels::add(twice, twice, y);  // goes on beside what comes after the mark
        return {};
      });
      Tensor out = x.empty_like();
      side->run(*mark, [&] { kernels::add(twice, x, out); });
      finish(*side);
      CHECK(bit_equal(out.to(kCpu), Tensor::full({70}, 3 * step)));
    }
    CHECK(graph.recorded());
    CHECK(bit_equal(y.to(kCpu), Tensor::full({70}, 20)));
    StepGraph other(device);
    other.run([]() -> std::vector<Tensor> { return {}; });
    check_throws<DeviceError>(
        [&] {
          other.run([&]() -> std::vector<Tensor> {
            every_step("a part", [&] { mark->set(); });
            return {};
          });
        },
        {"mark", "a part", "every_step"});
    check_throws<DeviceError>(
        [&] {
          other.run([&]() -> std::vector<Tensor> {
            side->run(*mark, [] {});
            return {};
          });
        },
        {"beside", "recorded step"});
  }
}

TEST_CASE("side stream: the simulator finds a mark that was forgotten, and work that nobody waited for") {
  if (!simulated()) return;
  Device device = devices().back();
  std::unique_ptr<SideStream> side = make_side_stream(device);
  std::unique_ptr<Mark> mark = side->mark();
  Tensor x = Tensor::zeros({3}, DType::f32, device);
  check_throws<DeviceError>([&] { side->run(*mark, [] {}); }, {"a mark that was not set"});
  mark->set();
  side->run(*mark, [&] { x.fill(7); });
  check_throws<DeviceError>([&] { side->run(*mark, [] {}); }, {"a mark that was not set since"});
  CHECK(bit_equal(x.to(kCpu), Tensor::zeros({3})));
  finish(*side);
  CHECK(bit_equal(x.to(kCpu), Tensor::full({3}, 7)));
}
