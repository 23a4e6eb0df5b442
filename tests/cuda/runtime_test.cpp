// What Tensor does on an accelerator: moving there and back, views, casts, memory, and the errors that keep
// copies visible.
#include <cmath>

#include "core/accelerator.h"
#include "core/sha256.h"
#include "kernels/binary.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

// Calls f for every accelerator; there may be none.
void on_every_accelerator(const std::function<void(Device)>& f) {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    INFO("device " << to_text(device));
    f(device);
  }
}

constexpr Device kCuda{Device::Type::cuda, 0};

Tensor counted(const Shape& shape, DType dtype) {
  Tensor t = Tensor::empty(shape, DType::i64);
  for (int64_t i = 0; i < t.numel(); ++i) t.data<int64_t>()[i] = i % 100;
  return t.to(dtype);
}

const std::vector<DType> kTypes = {DType::f32, DType::f64, DType::bf16, DType::f16,
                                   DType::i64, DType::i32, DType::u8,   DType::b8};

}  // namespace

TEST_CASE("devices: the CPU first; a device that is not there is refused by name") {
  REQUIRE(!devices().empty());
  CHECK(devices()[0] == kCpu);
  Device missing{Device::Type::cuda, 999};
  if (accelerator()) {
    check_throws<DeviceError>([&] { Tensor::empty({1}, DType::f32, missing); },
                              {"cuda:999", "no such device"});
  } else {
    check_throws<DeviceError>([&] { Tensor::empty({1}, DType::f32, missing); },
                              {"cuda:999", "no CUDA backend"});
  }
}

TEST_CASE("to: every type there and back, bit by bit; also views and nothing at all") {
  on_every_accelerator([](Device device) {
    for (DType dtype : kTypes) {
      for (Shape shape : {Shape{}, Shape{0, 3}, Shape{1}, Shape{3, 5, 7}}) {
        Tensor x = counted(shape, dtype), there = x.to(device);
        CHECK(there.device() == device);
        CHECK(bit_equal(there.to(kCpu), x));
        CHECK(there.to(device).shares_storage(there));
      }
      Tensor x = counted({3, 5, 7}, dtype);
      CHECK(bit_equal(x.permute({2, 0, 1}).to(device).to(kCpu), x.permute({2, 0, 1})));
      CHECK(bit_equal(x.to(device).permute({2, 0, 1}).to(kCpu), x.permute({2, 0, 1})));
      CHECK(bit_equal(x.to(device).slice(1, 1, 4).slice(2, 2, 3).to(kCpu), x.slice(1, 1, 4).slice(2, 2, 3)));
    }
    CHECK_FALSE(Tensor().to(device).defined());
  });
}

TEST_CASE("copies on a device: between views, of every size and rank") {
  on_every_accelerator([](Device device) {
    for (int64_t n : {0, 1, 31, 1000}) {
      Tensor x = counted({2, n, 3}, DType::f32);
      CHECK(bit_equal(x.to(device).transpose(0, 1).contiguous().to(kCpu), x.transpose(0, 1)));
      Tensor target = Tensor::zeros({n, 6, 2}, DType::f32, device);
      target.slice(1, 2, 5).copy_from(x.to(device).permute({1, 2, 0}));
      Tensor expected = Tensor::zeros({n, 6, 2});
      expected.slice(1, 2, 5).copy_from(x.permute({1, 2, 0}));
      CHECK(bit_equal(target.to(kCpu), expected));
    }
    Tensor x = counted({2, 3, 2, 1, 3, 2}, DType::i64);
    CHECK(
        bit_equal(x.to(device).permute({5, 3, 1, 0, 2, 4}).clone().to(kCpu), x.permute({5, 3, 1, 0, 2, 4})));
  });
}

TEST_CASE("casts on a device: between all types as on the CPU, bit by bit") {
  on_every_accelerator([](Device device) {
    for (DType from : kTypes) {
      for (DType to : kTypes) {
        INFO(std::string(to_text(from)) << " to " << std::string(to_text(to)));
        Tensor x =
            is_float(from) && is_float(to) ? random_tensor({3, 111}, 1).to(from) : counted({333}, from);
        CHECK(bit_equal(x.to(device).to(to).to(kCpu), x.to(to)));
      }
    }
    double infinity = std::numeric_limits<double>::infinity();
    Tensor ends = Tensor::from<double>(
        std::vector<double>{infinity, -infinity, 0.0, -0.0, 1e-40, 65519, 65520, 3e38}, {8});
    for (DType to : {DType::f32, DType::bf16, DType::f16}) {
      CHECK(bit_equal(ends.to(device).to(to).to(kCpu), ends.to(to)));
      CHECK(bit_equal(ends.to(to).to(device).to(DType::f64).to(kCpu), ends.to(to).to(DType::f64)));
    }
    CHECK(Tensor::zeros({0, 2}, DType::f32, device).to(DType::bf16).numel() == 0);
  });
}

TEST_CASE("fill, zeros, full on a device: every type, contiguous or not") {
  on_every_accelerator([](Device device) {
    for (DType dtype : kTypes) {
      Tensor there = Tensor::zeros({5, 7}, dtype, device), here = Tensor::zeros({5, 7}, dtype);
      CHECK(bit_equal(there.to(kCpu), here));
      there.transpose(0, 1).slice(0, 2, 4).fill(1);
      here.transpose(0, 1).slice(0, 2, 4).fill(1);
      CHECK(bit_equal(there.to(kCpu), here));
      CHECK(bit_equal(Tensor::full({3}, 1, dtype, device).to(kCpu), Tensor::full({3}, 1, dtype)));
    }
    Tensor::zeros({0}, DType::f32, device).fill(3);
  });
}

TEST_CASE("hidden copies are errors that say what to write") {
  on_every_accelerator([](Device device) {
    Tensor here = Tensor::zeros({2}), there = here.to(device), one = Tensor::zeros({}).to(device);
    check_throws<DeviceError>([&] { one.item(); }, {"item", "cuda:0", ".to(kCpu)"});
    check_throws<DeviceError>([&] { there.span<float>(); }, {"span", "cuda:0", ".to(kCpu)"});
    check_throws<DeviceError>([&] { bit_equal(here, there); }, {"bit_equal", "cuda:0"});
    check_throws<DeviceError>([&] { sha256(there); }, {"sha256", "cuda:0"});
    check_throws<DeviceError>([&] { here.copy_from(there); }, {"copy", "cuda:0", "cpu", ".to("});
    check_throws<DeviceError>([&] { there.copy_from(here); }, {"copy", "cuda:0", "cpu", ".to("});
    check_throws<DeviceError>([&] { kernels::add(there, here, there); },
                              {"add", "cpu", "cuda:0", ".to(cuda:0)"});
    check_throws<DeviceError>([&] { kernels::add(here, there, here); }, {"add", "cpu", "cuda:0", ".to(cpu)"});
  });
}

TEST_CASE("memory_use: counted by device; freed blocks are used again; too much is a MemoryError") {
  on_every_accelerator([](Device device) {
    release_cached_memory();
    int64_t start = memory_use(device).current, cpu = memory_use().current;
    void* first = nullptr;
    {
      Tensor t = Tensor::empty({1000}, DType::f32, device);
      first = t.raw();
      CHECK(memory_use(device).current == start + 4000);
      CHECK(memory_use().current == cpu);
    }
    CHECK(memory_use(device).current == start);
    CHECK(memory_use(device).peak >= start + 4000);
    reset_peak_memory(device);
    CHECK(memory_use(device).peak == start);
    CHECK(Tensor::empty({1000}, DType::f32, device).raw() == first);
    check_throws<MemoryError>([&] { Tensor::empty({int64_t{1} << 45}, DType::u8, device); },
                              {"out of memory", "32.0 TiB", "cuda:0"});
    CHECK(memory_use(device).current == start);
  });
}

TEST_CASE("synchronize: the CPU has nothing to wait for") {
  synchronize(kCpu);
  on_every_accelerator([](Device device) { synchronize(device); });
  if (!accelerator()) check_throws<DeviceError>([] { synchronize(kCuda); }, {"cuda:0", "no CUDA backend"});
}
