// The CUDA kernels side by side with cuBLASLt, cuDNN and a plain copy, in one run on one GPU.
//
//   cuda_bench [--group matmul | conv | attention | rows | steps | train] [--only TEXT] [--repeats N]
//   [--seconds S]
//   [--json FILE] cuda_bench --dry ...      every case at a small size, checked and not timed; on the
//   simulator too
//
// Every result is checked against the reference's and, where there is none or they differ, against the CPU's;
// results are filled with NaN before. Then the contenders take turns, each from a cleared cache, on the
// device's clock; the median of 30 is reported (of fewer for what takes long; `repeats` says). ratio: the
// best reference's time by graft's. share_of_copy: bytes that must move, over the time, by what a copy of the
// same size moves in its own.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "bench/cuda/cublaslt.h"
#include "bench/cuda/cudnn.h"
#include "bench/cuda/session.h"
#include "core/accelerator.h"
#include "core/error.h"

using namespace graft;
using namespace graft::bench;

namespace {

double number(const char* option, const char* text) {
  double value = 0;
  auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  GRAFT_CHECK_AS(UsageError, error == std::errc() && *end == 0 && value > 0, "cuda_bench: ", option, " ",
                 printable(text), ": a positive number is expected");
  return value;
}

Settings parsed(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    if (option == "--dry") {
      s.dry = true;
      continue;
    }
    GRAFT_CHECK_AS(UsageError, i + 1 < argc, "cuda_bench: unknown option ", printable(option),
                   ", or a value is missing");
    const char* value = argv[++i];
    if (option == "--group")
      s.group = value;
    else if (option == "--only")
      s.only = value;
    else if (option == "--json")
      s.json_file = value;
    else if (option == "--repeats")
      s.repeats = static_cast<int>(number("--repeats", value));
    else if (option == "--seconds")
      s.seconds = number("--seconds", value);
    else
      fail<UsageError>("cuda_bench: unknown option ", printable(option));
  }
  return s;
}

// A check that lets everything pass would be worse than none.
void check_the_check() {
  Tensor a = normal({1000}, DType::f32, 1), b = normal({1000}, DType::f32, 2), holed = a.clone();
  holed.slice(0, 997, 998).fill(NAN);
  GRAFT_CHECK(relative_difference(a, a) == 0 && std::isnan(relative_difference(holed, a)) &&
                  std::isnan(relative_difference(a, holed)) &&
                  std::abs(relative_difference(a, b) - 1.41) < 0.2,
              "cuda_bench: the comparison of results is broken");
}

template <class Library>
void introduce(const char* name, Session& session) {
  std::string problem;
  Library* found = Library::find(problem);
  std::string text = found ? found->version() : "absent: " + problem;
  std::printf("%s %s\n", name, text.c_str());
  session.note(name, text);
}

int run(int argc, char** argv) {
  Settings settings = parsed(argc, argv);
  struct Group {
    const char* name;
    void (*cases)(Session&);
  };
  const Group groups[] = {{"matmul", matmul_cases}, {"conv", conv_cases},  {"attention", attention_cases},
                          {"rows", row_cases},      {"steps", step_cases}, {"train", train_cases}};
  bool known = settings.group.empty();
  for (const Group& g : groups) known = known || settings.group == g.name;
  GRAFT_CHECK_AS(UsageError, known, "cuda_bench: no group ", printable(settings.group),
                 "; there are matmul, conv, attention, rows, steps, train");

  use_device();
  check_the_check();
  Session session(settings);
  std::printf("%s\n", accelerator_of(kDevice).describe(kDevice.index).c_str());
  introduce<CublasLt>("cuBLASLt", session);
  introduce<Cudnn>("cuDNN", session);
  for (const Group& g : groups) {
    if (settings.group.empty() || settings.group == g.name) g.cases(session);
  }
  if (session.failures() > 0) std::fprintf(stderr, "cuda_bench: %d cases failed\n", session.failures());
  return session.failures() > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return e.exit_code();
  }
}
