// graft embed, through the program.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "core/file.h"
#include "data/text/tokenizer.h"
#include "nn/models/bert.h"
#include "tests/app/program.h"
#include "transfer/embed.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

namespace {

const char* const kConfig =
    R"({"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 12, "hidden_size": 8,
        "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
        "max_position_embeddings": 7})";
const char* const kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nrose\ndaisy\nis\n##s\nred\nwhite\n";

// A folder "net" as published.
void publish(const TempDir& dir) {
  nn::Bert model({8, 2, 2, 12, 12, 7}, nn::BertTask::features, 2, 5);
  for (const nn::NamedTensor& t : nn::named_parameters(model)) {
    for (float& v : t.value().span<float>()) v *= 10;
  }
  std::filesystem::create_directory(dir / "net");
  weights::save(model, dir / "net/model.safetensors");
  write_file(dir / "net/config.json", kConfig);
  write_file(dir / "net/vocab.txt", kVocabulary);
}

using Vectors = std::vector<std::vector<double>>;

Vectors embedded(const TempDir& dir, const std::string& arguments) {
  Ran ran = graft_in(dir.path(), "embed --weights net --json e.json " + arguments);
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(dir / "e.json");
  CHECK(json["width"] == 8);
  CHECK(json["count"] == json["embeddings"].size());
  return json["embeddings"].get<Vectors>();
}

double largest_difference(const Vectors& a, const Vectors& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t c = 0; c < a[i].size(); ++c) largest = std::max(largest, std::abs(a[i][c] - b[i][c]));
  }
  return largest;
}

}  // namespace

TEST_CASE("app: embed gives each text one vector, whatever stands beside it in the batch") {
  TempDir dir;
  publish(dir);
  write_file(dir / "texts.txt", "a rose is red\r\nDaisys\n\na white rose\n\n");
  Vectors all = embedded(dir, "texts.txt");
  REQUIRE(all.size() == 4);
  Vectors alone =
      embedded(dir, "--text 'a rose is red' --text Daisys --text '' --text 'a white rose' --batch 1");
  CHECK(largest_difference(all, alone) <= 1e-5);
  CHECK(largest_difference({all[0]}, {all[3]}) > 1e-2);

  // The first text's vector by hand: the mean of what the network makes of [CLS] a rose is red [SEP].
  transfer::TextEncoder net = transfer::load_text_encoder(dir / "net");
  Tensor hidden =
      net.model->forward({Tensor::from(std::vector<int64_t>{2, 5, 6, 8, 10, 3}, {1, 6}), {}, {}}).value();
  for (int64_t c = 0; c < 8; ++c) {
    double mean = 0;
    for (int64_t t = 0; t < 6; ++t) mean += hidden.data<float>()[t * 8 + c] / 6.0;
    CHECK(all[0][static_cast<size_t>(c)] == doctest::Approx(mean).epsilon(1e-4));
  }

  for (const auto& vector : embedded(dir, "texts.txt --normalize")) {
    double squares = 0;
    for (double v : vector) squares += v * v;
    CHECK(squares == doctest::Approx(1).epsilon(1e-5));
  }
}

TEST_CASE("app: embed cuts what is too long and says so; errors") {
  TempDir dir;
  publish(dir);
  Ran ran = graft_in(dir.path(), "embed --weights net --text 'a a a a a a a a a' --json e.json");
  CHECK(ran.code == 0);
  CHECK(ran.out.find("ends were cut off") != std::string::npos);
  CHECK(parsed(dir / "e.json")["truncated"] == 1);

  auto fails = [&](const std::string& arguments, int code, const std::string& said) {
    Ran bad = graft_in(dir.path(), "embed " + arguments);
    CHECK(bad.code == code);
    CHECK_MESSAGE(bad.err.find(said) != std::string::npos, bad.err);
  };
  fails("--weights net", 64, "either a file of texts or --text");
  fails("--weights net --text a --max-length 8", 64, "7 positions");
  fails("--weights net missing.txt", 65, "missing.txt");
  write_file(dir / "empty.txt", "\n\n");
  fails("--weights net empty.txt", 65, "no texts in it");
  fails("--weights nowhere --text a", 65, "config.json");
  write_file(dir / "net/vocab.txt", std::string(kVocabulary) + "more\n");
  fails("--weights net --text a", 65, "12");
}
