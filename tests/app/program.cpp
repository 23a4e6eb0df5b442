#include "tests/app/program.h"

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "data/image.h"
#include "nn/models/registry.h"
#include "weights/save.h"

namespace graft::test {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

nlohmann::json parsed(const std::string& path) {
  return nlohmann::json::parse(content(path));
}

Ran graft_in(const std::string& folder, const std::string& arguments, const std::string& before,
             const std::string& output) {
  std::string line =
      str("cd '", folder, "' && ", before, " '", program(), "' ", arguments, " ", output, " 2>err.txt");
  int status = std::system(line.c_str());
  Ran ran;
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.out = content(folder + "/out.txt");
  ran.err = content(folder + "/err.txt");
  return ran;
}

void check_complaint(const Ran& ran, int code, const std::vector<std::string>& parts) {
  CHECK_MESSAGE(ran.code == code, ran.err);
  bool begins = ran.err.starts_with("graft") || ran.err.find("\ngraft") != std::string::npos;
  CHECK_MESSAGE(begins, ran.err);
  for (const std::string& part : parts)
    CHECK_MESSAGE(ran.err.find(part) != std::string::npos, part << " in: " << ran.err);
  CHECK_MESSAGE(ran.err.find("terminate called") == std::string::npos, ran.err);
}

void draw_class(const std::string& folder, int red, int green, int blue, int count) {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < count; ++i) {
    data::Image image(32, 32);
    for (int64_t p = 0; p < 32 * 32; ++p) {
      int shade = static_cast<int>((p * 7 + i * 13) % 60);
      image.rgb[static_cast<size_t>(3 * p)] = static_cast<uint8_t>(std::max(0, red - shade));
      image.rgb[static_cast<size_t>(3 * p + 1)] = static_cast<uint8_t>(std::max(0, green - shade));
      image.rgb[static_cast<size_t>(3 * p + 2)] = static_cast<uint8_t>(std::max(0, blue - shade));
    }
    data::write_png(str(folder, "/", i, ".png"), image);
  }
}

Bench::Bench(int pictures_per_class) {
  draw_class(dir / "data/red", 250, 60, 60, pictures_per_class);
  draw_class(dir / "data/blue", 60, 60, 250, pictures_per_class);
  auto network = nn::make_classifier("cifar_resnet20", 10, 7);
  weights::save(*network, dir / "net.safetensors");
}

}  // namespace graft::test
