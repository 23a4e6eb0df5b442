// Published checkpoints against the values that their publishers' own tests expect
// (tests/parity/published_values.json), for whoever has the files; and that this check tells right from
// wrong.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/text/tokenizer.h"
#include "nn/generate.h"
#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "transfer/clip.h"
#include "transfer/embed.h"
#include "transfer/language.h"
#include "transfer/text_encoder.h"
#include "transfer/vit.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

using Json = nlohmann::json;
using Tokens = std::vector<int64_t>;
namespace fs = std::filesystem;

struct Outcome {
  enum class Kind { ok, wrong, absent } kind;
  std::string detail;
};

Outcome differs(const std::string& why) {
  return {Outcome::Kind::wrong, why};
}

// |found - expected| <= tolerance + 1e-5 |expected|, as the publishers' tests compare.
Outcome compare_values(const std::vector<double>& found, const Json& check) {
  std::vector<double> expected;
  for (const Json& value : check["values"].flatten()) expected.push_back(value.get<double>());
  if (found.size() != expected.size()) return differs(str(found.size(), " values, not ", expected.size()));
  double tolerance = check["tolerance"], worst = 0;
  bool right = true;
  for (size_t i = 0; i < found.size(); ++i) {
    double difference = std::abs(found[i] - expected[i]);
    worst = std::max(worst, difference);
    right = right && difference <= tolerance + 1e-5 * std::abs(expected[i]);  // NaN is wrong
  }
  std::string detail = str("largest difference ", worst, " of ", found.size(), " values");
  return {right ? Outcome::Kind::ok : Outcome::Kind::wrong, detail};
}

Tensor row_of(const Tokens& ids) {
  return Tensor::from(ids, {1, static_cast<int64_t>(ids.size())});
}

// `out` [1, T, C], or logits [1, C], from check["from"] on.
Outcome compare_part(Tensor out, const Json& check, int64_t tokens_before) {
  if (out.rank() == 2) out = out.reshape({1, out.dim(0), out.dim(1)});
  if (out.dim(2) != check["width"].get<int64_t>()) return differs(str("shape ", out.shape()));
  int64_t row = check["from"][0].get<int64_t>() - tokens_before, column = check["from"][1];
  auto rows = static_cast<int64_t>(check["values"].size());
  auto columns = static_cast<int64_t>(check["values"][0].size());
  if (row + rows > out.dim(1) || column + columns > out.dim(2)) return differs(str("shape ", out.shape()));
  Tensor part = out.slice(1, row, row + rows).slice(2, column, column + columns).contiguous();
  std::vector<double> found;
  for (float value : part.span<float>()) found.push_back(value);
  return compare_values(found, check);
}

// Tokens that the mask hides from all others do nothing but move the positions of those behind them: these
// are run alone, with the table of positions moved.
Outcome check_encoder(const std::string& folder, const Json& check) {
  transfer::TextEncoder encoder = transfer::load_text_encoder(folder);
  Bert& model = *encoder.model;
  int64_t hidden = check.value("hidden_tokens_before", 0);
  Tokens ids = check["ids"];
  ids.erase(ids.begin(), ids.begin() + hidden);
  if (hidden > 0) {
    Parameter& table = model.encoder.embeddings.position_embeddings.weight;
    Tensor moved = table.var.value().clone();
    moved.slice(0, 0, moved.dim(0) - hidden).copy_from(table.var.value().slice(0, hidden, moved.dim(0)));
    table.var.set_value(moved);
  }
  NoGrad no_grad;
  TextBatch texts{row_of(ids), {}, {}};
  Var out = check["kind"] == "hidden" ? model.encoder.forward(texts) : model.forward(texts);
  return compare_part(out.value(), check, hidden);
}

Outcome check_greedy(const std::string& folder, const Json& check) {
  auto language = transfer::load_language(folder);
  Tokens expected = check["values"];
  Generation how;
  how.count = static_cast<int64_t>(expected.size());
  how.ends = language.model->end_tokens();
  Tokens found = generate(*language.model, check["ids"].get<Tokens>(), how)[0].tokens;
  auto same =
      std::mismatch(found.begin(), found.end(), expected.begin(), expected.end()).first - found.begin();
  if (found != expected)
    return differs(str("the first ", same, " of ", expected.size(), " tokens are equal"));
  return {Outcome::Kind::ok, str(expected.size(), " tokens are equal")};
}

// Minus the number of the label's tokens times their mean cross entropy: the label's log-likelihood.
Outcome check_label(const std::string& folder, const Json& check) {
  auto language = transfer::load_language(folder);
  auto* model = dynamic_cast<T5*>(language.model.get());
  if (!model) return differs("is " + language.family + ", not T5");
  Tokens text, label;
  if (check.contains("text_ids")) {
    text = check["text_ids"].get<Tokens>();
    label = check["label_ids"].get<Tokens>();
  } else {
    data::Tokenizer tokenizer = data::open_tokenizer(folder);
    text = tokenizer.encode(check["text"].get<std::string>()).ids;
    label = tokenizer.encode(check["label"].get<std::string>()).ids;
  }
  NoGrad no_grad;
  Var logits = model->forward(row_of(text), {}, row_of(label));
  double loss = T5::loss(logits, row_of(label)).value().item();
  Json one = check;
  one["values"] = Json::array({check["values"]});
  return compare_values({-loss * static_cast<double>(label.size())}, one);
}

Outcome check_tensor(const std::string& file, const Json& check) {
  Tensor values = weights::Checkpoint::open(file).read(check["tensor"].get<std::string>());
  values = values.reshape({values.numel()});
  std::vector<double> found;
  for (size_t i = 0; i < check["values"].size() && i < static_cast<size_t>(values.numel()); ++i)
    found.push_back(values.data<float>()[i]);
  return compare_values(found, check);
}

Tensor picture_of(const std::string& file, const data::Preprocess& preprocess) {
  Tensor input = data::to_input(data::read_image(file), preprocess);
  return input.reshape({1, input.dim(0), input.dim(1), 3});
}

Outcome check_image_text(const std::string& folder, const std::string& picture, const Json& check) {
  auto clip = transfer::load_clip(folder);
  data::Tokenizer tokenizer = data::open_tokenizer(folder);
  NoGrad no_grad;
  Var image = clip.model->image_features(Var(picture_of(picture, clip.preprocess)));
  auto texts = check["texts"].get<std::vector<std::string>>();
  Var vectors(transfer::embed_texts(*clip.model, tokenizer, texts).vectors);
  Tensor logits = clip.model->compare(image, vectors).per_image.value().contiguous();
  return compare_values({logits.data<float>(), logits.data<float>() + logits.numel()}, check);
}

Outcome check_image_logits(const std::string& folder, const std::string& picture, const Json& check) {
  auto vit = transfer::load_vit(folder);
  NoGrad no_grad;
  Tensor logits = vit.model->forward(Var(picture_of(picture, vit.preprocess))).value();
  auto count = std::min<int64_t>(logits.numel(), static_cast<int64_t>(check["values"].size()));
  return compare_values({logits.data<float>(), logits.data<float>() + count}, check);
}

Outcome check_one(const std::string& folder, const Json& check) {
  std::string path = folder + "/" + check["name"].get<std::string>(), kind = check["kind"];
  if (!fs::exists(path)) return {Outcome::Kind::absent, "not there"};
  try {
    if (kind == "hidden" || kind == "logits") return check_encoder(path, check);
    if (kind == "greedy") return check_greedy(path, check);
    if (kind == "label_score") return check_label(path, check);
    if (kind == "tensor") return check_tensor(path, check);
    std::string picture = folder + "/" + check.value("picture", "");
    if (!fs::is_regular_file(picture)) return {Outcome::Kind::absent, "no " + picture};
    if (kind == "image_text") return check_image_text(path, picture, check);
    if (kind == "image_logits") return check_image_logits(path, picture, check);
    return {Outcome::Kind::absent, "no check of this kind"};
  } catch (const Error& e) {
    return differs(e.what());
  }
}

Json published_values() {
  return Json::parse(std::ifstream(source_dir() + "/tests/parity/published_values.json"));
}

// Prints a line for each; how many were wrong, and how many were there.
struct Table {
  int wrong = 0, there = 0;
};
Table check_all(const std::string& folder, const Json& checks) {
  Table table;
  for (const Json& check : checks) {
    Outcome outcome = check_one(folder, check);
    const char* word = outcome.kind == Outcome::Kind::ok      ? "ok"
                       : outcome.kind == Outcome::Kind::wrong ? "FAIL"
                                                              : "-";
    std::printf("%-24s %-12s %-5s %s\n", check["name"].get<std::string>().c_str(),
                check["kind"].get<std::string>().c_str(), word, outcome.detail.c_str());
    table.wrong += outcome.kind == Outcome::Kind::wrong;
    table.there += outcome.kind != Outcome::Kind::absent;
  }
  return table;
}

// Checks with a small network's recorded values in place of the published ones.
Json numbers(const Tensor& t, int64_t rows, int64_t columns) {
  Json out = Json::array();
  for (int64_t i = 0; i < rows; ++i) {
    Json row = Json::array();
    for (int64_t j = 0; j < columns; ++j) row.push_back(t.data<float>()[i * t.dim(-1) + j]);
    out.push_back(row);
  }
  return out;
}
Tokens first_row(const Tensor& t, int64_t count) {
  return {t.data<int64_t>(), t.data<int64_t>() + count};
}

// The folder's small networks and what transformers computed of them.
Json stand_ins(const TempDir& folder) {
  auto copy = [&](const std::string& from, const std::string& name) {
    fs::copy(source_dir() + "/tests/golden/" + from, folder / name, fs::copy_options::recursive);
    return read_golden(folder / name);
  };
  DecoderGolden words = copy("encoders/roberta-words", "words"), t5 = copy("decoders/t5-v1_0", "t5");
  DecoderGolden plain = copy("encoders/bert-words", "plain");
  copy("decoders/gpt2", "gpt2");
  Tensor hidden = words.blocks.at("roberta.encoder.layer.1"), table = plain.logits;
  fs::copy(source_dir() + "/tests/golden/models/vgg-zip.pth", folder / "vgg.pth");
  Tensor filter = weights::Checkpoint::open(folder / "vgg.pth").read("features.0.weight");
  Json recorded = Json::parse(std::ifstream(folder / "gpt2/generation.json")), greedy;
  for (const Json& c : recorded["cases"]) {
    if (greedy.is_null() && c["setting"].empty() && c["eos"].empty()) greedy = c;
  }
  REQUIRE_FALSE(greedy.is_null());
  Tokens prompt = greedy["prompt"], all = greedy["sequences"][0];
  Tokens rest(all.begin() + static_cast<int64_t>(prompt.size()), all.end());
  Json first = Json::array();
  for (int64_t i = 0; i < 6; ++i) first.push_back(filter.data<float>()[i]);
  // The first text of the batch has no padding.
  Json ids = first_row(words.inputs.at("input_ids"), 9);
  for (const char* name : {"clip-zeroshot", "vit-huggingface"})
    fs::copy(source_dir() + "/tests/golden/vision/" + name, folder / name);
  Json clip = Json::parse(std::ifstream(folder / "clip-zeroshot/golden.json"));
  Json vit = Json::parse(std::ifstream(folder / "vit-huggingface/golden.json"));
  return Json::array({{{"name", "words"},
                       {"kind", "hidden"},
                       {"ids", ids},
                       {"from", {0, 0}},
                       {"width", hidden.dim(2)},
                       {"values", numbers(hidden, 3, 3)},
                       {"tolerance", 1e-4}},
                      {{"name", "words"},
                       {"kind", "logits"},
                       {"ids", ids},
                       {"from", {0, 0}},
                       {"width", 37},
                       {"values", numbers(words.logits, 2, 4)},
                       {"tolerance", 1e-4}},
                      {{"name", "clip-zeroshot"},
                       {"kind", "image_text"},
                       {"texts", clip["texts"]},
                       {"picture", "clip-zeroshot/picture.png"},
                       {"values", clip["logits"]},
                       {"tolerance", 1e-4}},
                      {{"name", "vit-huggingface"},
                       {"kind", "image_logits"},
                       {"picture", "clip-zeroshot/picture.png"},
                       {"values", vit["logits"]},
                       {"tolerance", 1e-4}},
                      {{"name", "gpt2"}, {"kind", "greedy"}, {"ids", prompt}, {"values", rest}},
                      {{"name", "vgg.pth"},
                       {"kind", "tensor"},
                       {"tensor", "features.0.weight"},
                       {"values", first},
                       {"tolerance", 1e-8}}});
}

}  // namespace

TEST_CASE("published values: the files in GRAFT_PARITY" * doctest::skip()) {
  REQUIRE(!env::parity().empty());
  Table table = check_all(env::parity(), published_values()["checks"]);
  CHECK(table.wrong == 0);
  CHECK_MESSAGE(table.there > 0, "none of the files is in " << env::parity());
}

TEST_CASE("published values: what is equal is ok, what is not is told") {
  TempDir folder;
  Json checks = stand_ins(folder);
  for (const Json& check : checks) {
    CAPTURE(check.dump());
    Outcome outcome = check_one(folder.path(), check);
    CHECK_MESSAGE(outcome.kind == Outcome::Kind::ok, outcome.detail);
    Json wrong = check;
    if (check["kind"] == "greedy") {
      wrong["values"].back() = wrong["values"].back().get<int64_t>() + 1;
    } else {
      Json& row = wrong["values"].back();
      Json& last = row.is_array() ? row.back() : row;
      last = last.get<double>() + 1e-3;
    }
    CHECK(check_one(folder.path(), wrong).kind == Outcome::Kind::wrong);
  }
}

TEST_CASE("published values: a hidden first token moves the others' positions; a label's score") {
  TempDir folder;
  Json check = stand_ins(folder)[0];
  // Of a network whose positions from the second on are those of another from the first on, the second and
  // third token of a text are the first and second of the text without its first.
  check["hidden_tokens_before"] = 1;
  check["from"] = {1, 0};
  CHECK(check_one(folder.path(), check).kind == Outcome::Kind::wrong);

  DecoderGolden t5 = read_golden(folder / "t5");
  auto language = transfer::load_language(folder / "t5");
  auto& model = dynamic_cast<T5&>(*language.model);
  Tensor text = t5.inputs.at("input_ids").slice(0, 0, 1).contiguous();
  Tensor label = Tensor::from(Tokens{3, 4, 1}, {1, 3});
  double loss = T5::loss(model.forward(text, {}, label), label).value().item();
  Json score = {
      {"name", "t5"},           {"kind", "label_score"}, {"text_ids", first_row(text, text.numel())},
      {"label_ids", {3, 4, 1}}, {"values", -3 * loss},   {"tolerance", 1e-4}};
  CHECK(check_one(folder.path(), score).kind == Outcome::Kind::ok);
  score["values"] = -loss;
  CHECK(check_one(folder.path(), score).kind == Outcome::Kind::wrong);
}

TEST_CASE("published values: the data, other networks under the published names, and none") {
  Json checks = published_values()["checks"];
  REQUIRE(checks.size() == 10);
  TempDir folder;
  for (const Json& check : checks) {
    CAPTURE(check["name"]);
    CHECK(check_one(folder.path(), check).kind == Outcome::Kind::absent);
  }
  for (auto [from, name] : {std::pair{"encoders/bert-words", "bert-base-uncased"},
                            {"encoders/roberta-words", "roberta-base"},
                            {"encoders/roberta-classes", "roberta-large-mnli"},
                            {"decoders/gpt2", "gpt2"},
                            {"decoders/t5-v1_0", "t5-small"}})
    fs::copy(source_dir() + "/tests/golden/" + from, folder / name, fs::copy_options::recursive);
  fs::copy(source_dir() + "/tests/golden/models/resnet-basic-zip.pth", folder / "resnet18-5c106cde.pth");
  Table table = check_all(folder.path(), checks);
  CHECK(table.there == 7);
  CHECK(table.wrong == 7);
}
