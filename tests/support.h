// What the tests share: comparing, random tensors, gradient checks, assets.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "autograd/var.h"
#include "core/env.h"
#include "core/rng.h"
#include "kernels/dispatch.h"

namespace graft::test {

// max |a - b| / max |b|, in double. 0 where both are empty; infinity where shapes differ or a value is not
// finite. CPU tensors.
double max_relative_difference(const Tensor& a, const Tensor& b);

// Standard normal values, a function of the seed.
Tensor random_tensor(const Shape& shape, uint64_t seed, DType dtype = DType::f64);

// Compares the gradients of `f` with central differences in f64, for every element of every input. The output
// is weighted at random, so that a gradient which is right only in the sum cannot pass. Uses eps 1e-6, atol
// 1e-7, rtol 1e-5.
void check_gradients(const std::function<Var(const std::vector<Var>&)>& f, const std::vector<Tensor>& inputs);

// Runs `f` once on every instruction level of this machine, with the level in the message of a failure.
void on_every_cpu_level(const std::function<void()>& f);

// Runs `f` for every device: on the CPU once on every instruction level, then on each accelerator. The device
// is in the message of a failure. A tensor made on the CPU gets there with .to(device), and back with
// .to(kCpu).
void on_every_device(const std::function<void(Device)>& f);
// The float types that a device's kernels take: f32 and f64 on the CPU, f32 and bf16 on an accelerator.
std::vector<DType> float_types(Device device);
// How far a few roundings to `t` may lead, relative to the largest value: 1e-13, 1e-5 or 2^-7.
double tolerance(DType t);

// Compares `f` on every accelerator and in each of its float types with the CPU in f64, on the same inputs
// (rounded to that type first): the values and, where `gradients`, every input's gradient under a random
// weight of the output. Differences are relative to a tensor's largest value and at most `looser` times
// tolerance().
struct Agreement {
  bool gradients = true;
  double looser = 1;
};
void check_devices_agree(const std::function<Var(const std::vector<Var>&)>& f,
                         const std::vector<Tensor>& inputs, Agreement how = {});

// Runs `f` with 1, 2 and 4 threads: the tensors that it returns must be bit-identical.
void check_same_for_any_threads(const std::function<std::vector<Tensor>()>& f);

// Throws E with a message that contains every one of `parts`.
template <class E>
void check_throws(const std::function<void()>& f, const std::vector<std::string>& parts) {
  try {
    f();
    FAIL_CHECK("nothing was thrown; expected a message with: " << (parts.empty() ? "" : parts[0]));
  } catch (const E& e) {
    for (const std::string& part : parts) {
      CHECK_MESSAGE(std::string(e.what()).find(part) != std::string::npos,
                    "\"" << std::string(e.what()) << "\" lacks \"" << part << "\"");
    }
  }
}

// The root of the source tree, for committed fixtures: source_dir() + "/tests/golden/ops.json".
std::string source_dir();
// The built program `graft`; empty where it is not built.
std::string program();

// A folder of its own for a test, removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace graft::test

// At the start of a test that needs published files; ends the test, saying so, where there are none.
#define GRAFT_NEEDS_ASSETS()              \
  do {                                    \
    if (::graft::env::assets().empty()) { \
      MESSAGE("skipped: no assets");      \
      return;                             \
    }                                     \
  } while (0)
