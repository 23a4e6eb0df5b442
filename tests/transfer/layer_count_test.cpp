// A config.json that asks for more layers than its file holds is refused by the name of the key.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support.h"
#include "transfer/clip.h"
#include "transfer/language.h"
#include "transfer/text_encoder.h"
#include "transfer/text_source.h"
#include "transfer/vit.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

// A copy of tests/golden/NAME whose config has `to` for the first `from` after `after`.
void copy_with(const std::string& name, const std::string& folder, const std::string& after,
               const std::string& from, const std::string& to) {
  fs::copy(source_dir() + "/tests/golden/" + name, folder, fs::copy_options::recursive);
  std::stringstream text;
  text << std::ifstream(folder + "/config.json").rdbuf();
  std::string config = text.str();
  size_t at = config.find(from, after.empty() ? 0 : config.find(after));
  REQUIRE(at != std::string::npos);
  config.replace(at, from.size(), to);
  std::ofstream(folder + "/config.json") << config;
}

}  // namespace

TEST_CASE("more layers in config.json than in the file are refused by the key's name") {
  struct Case {
    const char *golden, *after, *from, *to, *key;
    std::function<void(const std::string&)> load;
  };
  auto bert = [](const std::string& folder) { transfer::load_text_encoder(folder); };
  auto classes = [](const std::string& folder) { transfer::load_text_classifier(folder, 0); };
  auto language = [](const std::string& folder) { transfer::load_language(folder); };
  auto writes = [](const std::string& folder) { transfer::load_language_task(folder); };
  auto vit = [](const std::string& folder) { transfer::load_vit(folder); };
  auto clip = [](const std::string& folder) { transfer::load_clip(folder); };
  const Case cases[] = {
      {"encoders/bert-words", "", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000",
       "num_hidden_layers", bert},
      {"encoders/roberta-classes", "", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
       "num_hidden_layers", classes},
      {"decoders/gpt2", "", "\"n_layer\": 2", "\"n_layer\": 3", "n_layer", language},
      {"decoders/gpt2", "", "\"n_layer\": 2", "\"n_layer\": 3", "n_layer", writes},
      {"decoders/t5-v1_0", "", "\"num_layers\": 2", "\"num_layers\": 3", "num_layers", language},
      {"decoders/t5-v1_1", "", "\"num_decoder_layers\": 2", "\"num_decoder_layers\": 3", "num_decoder_layers",
       language},
      {"vision/vit-huggingface", "", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
       "num_hidden_layers", vit},
      {"vision/clip-first-end", "\"vision_config\"", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
       "vision_config.num_hidden_layers", clip}};
  for (const Case& c : cases) {
    CAPTURE(std::string(c.golden));
    TempDir dir;
    copy_with(c.golden, dir / "copy", c.after, c.from, c.to);
    check_throws<DataError>([&] { c.load(dir / "copy"); }, {"config.json", c.key, "at most 2"});
  }
}
