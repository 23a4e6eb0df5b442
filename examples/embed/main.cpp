// Retrains a published network on a folder of pictures, from inside a C++ program, and asks it about one of
// them.
//   embed DATA MODEL WEIGHTS PICTURE         e.g.  embed flowers mobilenet_v2 mobilenet_v2.pth rose.jpg
#include <cstdio>
#include <exception>

#include "transfer/tune.h"

namespace transfer = graft::transfer;

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: embed DATA MODEL WEIGHTS PICTURE\n");
    return 64;
  }
  transfer::TuneOptions options{.data = argv[1], .model = argv[2], .weights = argv[3]};
  options.out = "embed-out";
  options.strategy =
      "head";  // everything below the new head stays frozen; options.rules can say otherwise by name
  options.cache = false;  // this program leaves nothing but its out folder

  transfer::RunResult run = transfer::tune(options, [](const transfer::Progress& p) {
    std::fprintf(stderr, "\r%s %lld of %lld   ", std::string(p.phase).c_str(), static_cast<long long>(p.done),
                 static_cast<long long>(p.total));
  });
  std::printf("\naccuracy %.3f on %lld pictures; %lld tensors frozen, %lld of their bytes changed\n",
              run.test.accuracy, static_cast<long long>(run.test.count),
              static_cast<long long>(run.frozen_tensors),
              static_cast<long long>(run.certificate.frozen_bytes_changed));

  transfer::Source tuned{.artefact = "embed-out/model.graft"};
  for (const transfer::Prediction& answer : transfer::predict(tuned, {argv[4]})) {
    std::printf("%s: %s (%.1f %%)\n", answer.file.c_str(), answer.label.c_str(), 100 * answer.probability);
  }
  return 0;
} catch (const std::exception& error) {  // every error of graft says what, where and what to do
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
