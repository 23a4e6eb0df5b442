// graft generate, through the program: what scripts rely on in docs/json.md.
#include <doctest/doctest.h>

#include <filesystem>

#include "core/file.h"
#include "nn/models/gpt2.h"
#include "nn/models/t5.h"
#include "tests/app/program.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

namespace {

const char* const kConfig =
    R"({"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_embd": 8, "n_positions": 12, "vocab_size": 9})";

// A folder "net" as published, and the same file alone as "alone.safetensors".
void publish(const TempDir& dir) {
  nn::Gpt2 model({.width = 8, .layers = 2, .heads = 2, .vocabulary = 9, .positions = 12}, 5);
  for (const nn::NamedTensor& t : nn::named_parameters(model)) {
    for (float& v : t.value().span<float>()) v *= 10;  // so that texts do not repeat one token
  }
  std::filesystem::create_directory(dir / "net");
  weights::save(model, dir / "net/model.safetensors");
  std::filesystem::copy(dir / "net/model.safetensors", dir / "alone.safetensors");
  write_file(dir / "net/config.json", kConfig);
}

}  // namespace

TEST_CASE("app: generate writes tokens, the same every time, from a folder and from a bare file") {
  TempDir dir;
  publish(dir);
  auto tokens = [&](const std::string& arguments) {
    Ran ran = graft_in(dir.path(), "generate --tokens 3,1,4 --json g.json " + arguments);
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    auto json = parsed(dir / "g.json");
    std::string line;
    for (int64_t token : json["tokens"]) line += str(line.empty() ? "" : ",", token);
    CHECK(ran.out.find(line) != std::string::npos);
    return json;
  };
  auto greedy = tokens("--weights net --count 6 --greedy");
  CHECK(greedy["tokens"].size() == 6);
  CHECK(greedy["prompt_tokens"] == std::vector<int64_t>{3, 1, 4});
  CHECK(greedy["family"] == "gpt2");
  CHECK(greedy["ended"] == false);
  CHECK(greedy["device"] == "cpu");
  CHECK(greedy["score"] < 0);
  CHECK(greedy["tokens_per_second"] > 0);
  CHECK(tokens("--weights net --count 6")["tokens"] == greedy["tokens"]);
  CHECK(tokens("--weights net/model.safetensors --count 6")["tokens"] == greedy["tokens"]);
  CHECK(tokens("--weights alone.safetensors --heads 2 --count 6")["tokens"] == greedy["tokens"]);
  CHECK(tokens("--weights net --count 6 --top-k 1 --seed 9")["tokens"] == greedy["tokens"]);
  CHECK(tokens("--weights net --count 6 --threads 1")["tokens"] == greedy["tokens"]);

  auto drawn = tokens("--weights net --count 8 --temperature 3 --seed 9 --results 3");
  CHECK(drawn["results"].size() == 3);
  CHECK(tokens("--weights net --count 8 --temperature 3 --seed 9 --results 3")["results"] ==
        drawn["results"]);
  CHECK(tokens("--weights net --count 8 --temperature 3 --seed 10 --results 3")["results"] !=
        drawn["results"]);
  auto beams = tokens("--weights net --count 5 --beams 4 --results 2");
  CHECK(beams["results"].size() == 2);
  CHECK(beams["results"][0]["score"] >= beams["results"][1]["score"]);
  int64_t second = greedy["tokens"][1];
  auto ended = tokens(str("--weights net --count 6 --end ", second));
  CHECK(ended["ended"] == true);
  CHECK(ended["tokens"].size() <= 2);
}

TEST_CASE("app: generate takes a prompt in words where a tokenizer lies beside the weights") {
  TempDir dir;
  publish(dir);
  write_file(dir / "net/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\nthree\n##s\n");
  Ran ran = graft_in(dir.path(), "generate --weights net --prompt 'two threes' --count 4 --json g.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(dir / "g.json");
  CHECK(json["prompt_tokens"] == std::vector<int64_t>{2, 6, 7, 8, 3});
  CHECK(ran.out.find(json["text"].get<std::string>()) != std::string::npos);
  CHECK(json["results"][0]["text"] == json["text"]);
  ran = graft_in(dir.path(), "generate --weights net --tokens 2,6,7,8,3 --count 4 --json t.json");
  CHECK(parsed(dir / "t.json")["tokens"] == json["tokens"]);
  CHECK(!parsed(dir / "t.json").contains("text"));
  check_complaint(graft_in(dir.path(), "generate --weights net --prompt two --tokens 6"), 64,
                  {"--prompt", "--tokens"});
  check_complaint(graft_in(dir.path(), "generate --weights alone.safetensors --heads 2 --prompt two"), 65,
                  {});
}

TEST_CASE("app: generate refuses what it cannot do, in one line") {
  TempDir dir;
  publish(dir);
  auto run = [&](const std::string& arguments) { return graft_in(dir.path(), "generate " + arguments); };
  check_complaint(run("--tokens 1"), 64, {"--weights"});
  check_complaint(run("--weights net"), 64, {"--tokens"});
  check_complaint(run("--weights net --tokens 1,x"), 64, {"--tokens"});
  check_complaint(run("--weights nowhere --tokens 1"), 65, {"nowhere"});
  check_complaint(run("--weights net --tokens 1,9"), 65, {"token 9", "vocabulary of 9"});
  check_complaint(run("--weights net --tokens 1 --count 13"), 64, {"13 positions", "12"});
  check_complaint(run("--weights net --tokens 1 --greedy --top-p 0.5"), 64, {"--greedy"});
  check_complaint(run("--weights net --tokens 1 --early-stopping soon"), 64, {"soon", "never"});
  check_complaint(run("--weights net --tokens 1 --end 2 --no-end"), 64, {"--no-end"});
  check_complaint(run("--weights alone.safetensors --tokens 1"), 64, {"--heads", "config.json"});
  check_complaint(run("--weights alone.safetensors --heads 3 --tokens 1"), 64, {"width 8", "3 heads"});
  std::filesystem::remove(dir / "net/config.json");
  check_complaint(run("--weights net --tokens 1"), 65, {"config.json"});
  write_file(dir / "net/config.json", R"({"model_type": "llama"})");
  check_complaint(run("--weights net --tokens 1"), 65, {"model_type", "llama", "gpt2"});
}

TEST_CASE("app: generate reads and writes words with the published vocabularies of GPT-2 and T5") {
  GRAFT_NEEDS_ASSETS();
  TempDir dir;
  std::string vocabularies = env::assets() + "/tokenizers/";
  auto run = [&](const std::string& net, const std::string& prompt) {
    Ran ran = graft_in(dir.path(),
                       str("generate --weights ", net, " --prompt '", prompt, "' --count 5 --json g.json"));
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    return parsed(dir / "g.json");
  };
  nn::Gpt2 gpt2({.width = 4, .layers = 1, .heads = 2, .positions = 16}, 1);
  std::filesystem::copy(vocabularies + "gpt2", dir / "gpt2");
  weights::save(gpt2, dir / "gpt2/model.safetensors");
  write_file(dir / "gpt2/config.json",
             R"({"model_type": "gpt2", "n_layer": 1, "n_head": 2,
                                         "n_embd": 4, "n_positions": 16, "vocab_size": 50257})");
  auto json = run("gpt2", "The dog");
  CHECK(json["prompt_tokens"] == std::vector<int64_t>{464, 3290});
  CHECK(json["text"].is_string());

  nn::T5 t5({.width = 4, .head_size = 2, .inner = 4, .layers = 1, .decoder_layers = 1, .heads = 2}, 1);
  std::filesystem::copy(vocabularies + "t5", dir / "t5");
  weights::save(t5, dir / "t5/model.safetensors");
  write_file(dir / "t5/config.json",
             R"({"model_type": "t5", "d_model": 4, "d_kv": 2, "d_ff": 4, "num_layers": 1,
                                         "num_heads": 2, "vocab_size": 32128, "feed_forward_proj": "relu"})");
  json = run("t5", "Hello there");
  CHECK(json["family"] == "t5");
  CHECK(json["prompt_tokens"].back() == 1);  // </s>
  CHECK(json["tokens"].size() >= 1);
}

TEST_CASE("app: generate sorts with the published network") {
  GRAFT_NEEDS_ASSETS();
  TempDir dir;
  Ran ran = graft_in(dir.path(),
                     str("generate --weights '", env::assets(),
                         "/weights/gpt-nano-sort' --tokens 2,0,1,0,1,2 --count 6 --greedy --json s.json"));
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(dir / "s.json")["tokens"] == std::vector<int64_t>{0, 0, 1, 1, 2, 2});
}
