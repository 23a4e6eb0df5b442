// The test program. It first says what it runs on, so that a green run cannot mean "nothing ran".
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "core/accelerator.h"
#include "core/env.h"
#include "core/parallel.h"
#include "kernels/dispatch.h"

int main(int argc, char** argv) {
  std::printf("devices under test:");
  bool gpu = false;
  for (graft::Device device : graft::devices()) {
    std::printf(" %s", to_text(device).c_str());
    if (!device.is_cuda()) continue;
    std::printf(" (%s)", graft::accelerator()->describe(device.index).c_str());
    gpu = gpu || graft::accelerator()->is_hardware();
  }
  std::printf("; CPU levels:");
  for (auto level : graft::kernels::cpu_levels()) std::printf(" %s", std::string(to_text(level)).c_str());
  std::printf("; threads: %d; assets: %s\n", graft::threads(),
              graft::env::assets().empty() ? "none" : graft::env::assets().c_str());
  if (graft::env::require_cuda() && !gpu) {
    std::fprintf(stderr, "GRAFT_REQUIRE_CUDA=1, but there is no GPU\n");
    return 1;
  }
  return doctest::Context(argc, argv).run();
}
