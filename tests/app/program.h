// Runs the real program in tests, and makes what it is run on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support.h"

namespace graft::test {

std::string content(const std::string& path);
nlohmann::json parsed(const std::string& path);

struct Ran {
  int code = -1;
  std::string out, err;
};

// Runs `graft` through a shell, in `folder`, with `before` in front of the command: variables or limits.
Ran graft_in(const std::string& folder, const std::string& arguments, const std::string& before = "",
             const std::string& output = ">out.txt");

// After the progress, standard error ends with the complaint: it begins with the command and holds every
// part.
void check_complaint(const Ran& ran, int code, const std::vector<std::string>& parts);

// Pictures of one colour with a gradient: a class is told apart by its colour.
void draw_class(const std::string& folder, int red, int green, int blue, int count);

// A folder with two classes of pictures and the published weights of a small network, numbers drawn at
// random.
struct Bench {
  TempDir dir;
  std::string tune =
      "tune data --model cifar_resnet20 --weights net.safetensors --epochs 3 --threads 2 --no-cache";
  explicit Bench(int pictures_per_class = 10);
  Ran run(const std::string& arguments, const std::string& before = "",
          const std::string& output = ">out.txt") {
    return graft_in(dir.path(), arguments, before, output);
  }
};

}  // namespace graft::test
