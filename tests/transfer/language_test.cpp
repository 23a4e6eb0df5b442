// Language models from published folders and bare files: configurations, names, what is waived, what is
// refused.
#include "transfer/language.h"

#include <filesystem>

#include "core/file.h"
#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;
using transfer::load_language;
using weights::Checkpoint;
using weights::Config;
namespace fs = std::filesystem;

namespace {

Gpt2Config gpt2_of(const std::string& json) {
  return transfer::gpt2_config(Config::parse("config.json", json));
}
T5Config t5_of(const std::string& json) {
  return transfer::t5_config(Config::parse("config.json", json));
}

// The file of weights alone, without its config.json.
std::string alone(const TempDir& dir, const std::string& name) {
  for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
    std::string from = decoder_folder(name) + "/" + file;
    if (fs::exists(from)) fs::copy(from, dir / (name + ".weights"));
  }
  return dir / (name + ".weights");
}

void check_same_values(Module& a, Module& b) {
  auto x = named_tensors(a), y = named_tensors(b);
  REQUIRE(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    CHECK(x[i].name == y[i].name);
    CHECK(bit_equal(x[i].value(), y[i].value()));
  }
}

}  // namespace

TEST_CASE("GPT-2's config.json: the published sizes, and what is missing is as in transformers") {
  Gpt2Config c = gpt2_of(R"({"vocab_size": 50257, "n_embd": 1600, "n_layer": 48, "n_head": 25})");
  CHECK(c.width == kGpt2Xl.width);
  CHECK(c.layers == kGpt2Xl.layers);
  CHECK(c.heads == kGpt2Xl.heads);
  CHECK(c.inner == 0);
  CHECK(c.positions == 1024);
  CHECK(c.eps == 1e-5);
  CHECK(c.activation == Nonlinearity::gelu_tanh);
  CHECK(c.tied);
  CHECK(c.end == 50256);
  CHECK(gpt2_of(R"({"vocab_size": 10})").end == -1);
  CHECK(gpt2_of(R"({"vocab_size": 10, "eos_token_id": 3})").end == 3);
  c = gpt2_of(
      R"({"vocab_size": 10, "n_inner": 100, "activation_function": "gelu", "tie_word_embeddings": false,
                  "scale_attn_weights": false, "scale_attn_by_inverse_layer_idx": true})");
  CHECK(c.inner == 100);
  CHECK(c.activation == Nonlinearity::gelu);
  CHECK_FALSE(c.tied);
  CHECK_FALSE(c.scale_attention);
  CHECK(c.scale_by_layer);
  check_throws<DataError>([] { gpt2_of(R"({"vocab_size": 10, "n_embd": 10, "n_head": 3})"); },
                          {"n_head", "3"});
  check_throws<DataError>([] { gpt2_of(R"({"n_embd": 10})"); }, {"vocab_size"});
  check_throws<DataError>([] { gpt2_of(R"({"vocab_size": 10, "eos_token_id": 10})"); },
                          {"eos_token_id", "10"});
  check_throws<DataError>([] { gpt2_of(R"({"vocab_size": 10, "add_cross_attention": true})"); },
                          {"add_cross_attention"});
}

TEST_CASE("T5's config.json: 1.0 and 1.1") {
  T5Config c = t5_of(R"({"vocab_size": 32128, "d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_layers": 24,
                         "num_heads": 16, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false})");
  CHECK(c.width == kT5V1_1Large.width);
  CHECK(c.inner == kT5V1_1Large.inner);
  CHECK(c.decoder_layers == kT5V1_1Large.decoder_layers);
  CHECK(c.activation == kT5V1_1Large.activation);
  CHECK(c.gated);
  CHECK_FALSE(c.tied);
  c = t5_of(R"({"vocab_size": 32128, "num_layers": 3, "num_decoder_layers": 5})");
  CHECK(c.layers == 3);
  CHECK(c.decoder_layers == 5);
  CHECK(c.activation == Nonlinearity::relu);
  CHECK_FALSE(c.gated);
  CHECK(c.tied);
  CHECK(c.buckets == 32);
  CHECK(c.max_distance == 128);
  CHECK(c.eps == 1e-6);
  CHECK(c.end == 1);
  CHECK(c.start == 0);
  CHECK(t5_of(R"({"vocab_size": 9, "feed_forward_proj": "gated-silu"})").activation == Nonlinearity::silu);
  check_throws<DataError>([] { t5_of(R"({"vocab_size": 9, "feed_forward_proj": "gelu"})"); },
                          {"feed_forward_proj", "gelu", "gated-gelu"});
  check_throws<DataError>([] { t5_of(R"({"vocab_size": 9, "decoder_start_token_id": 9})"); },
                          {"decoder_start_token_id"});
}

TEST_CASE("names: with and without the prefix; masks and the unused table are waived and recorded") {
  auto gpt2 = load_language(decoder_folder("gpt2"));
  CHECK(gpt2.report.waived.size() == 4);
  CHECK(gpt2.report.to_text().find("h.1.attn.masked_bias") != std::string::npos);
  CHECK(gpt2.report.ledger().find("[in, out] -> [out, in]") != std::string::npos);
  CHECK(gpt2.report.ledger().find("tied to transformer.wte.weight") != std::string::npos);
  TempDir dir;
  weights::save(*gpt2.model, dir / "model.safetensors");  // with the prefix
  fs::copy(decoder_folder("gpt2") + "/config.json", dir / "config.json");
  CHECK(Checkpoint::open(dir / "model.safetensors").find("transformer.h.0.attn.c_attn.weight")->sizes ==
        std::vector<int64_t>{24, 72});  // as published
  auto again = load_language(dir.path());
  CHECK(again.report.waived.empty());
  check_same_values(*gpt2.model, *again.model);

  auto t5 = load_language(decoder_folder("t5-v1_0"));
  REQUIRE(t5.report.waived.size() == 1);
  CHECK(t5.report.waived[0].name == "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight");
  for (const char* tied : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}) {
    auto all = named_tensors(*t5.model);
    auto found = std::find_if(all.begin(), all.end(), [&](const NamedTensor& t) { return t.name == tied; });
    REQUIRE(found != all.end());
    CHECK(found->tied_to == "shared.weight");
  }
}

TEST_CASE("a bare file: sizes from its tensors") {
  TempDir dir;
  std::string file = alone(dir, "gpt2");
  auto expected = load_language(decoder_folder("gpt2")), found = load_language(file, 3);
  CHECK(found.family == "gpt2");
  check_same_values(*expected.model, *found.model);
  check_throws<UsageError>([&] { load_language(file); }, {"heads", "config.json"});
  check_throws<UsageError>([&] { load_language(file, 5); }, {"width 24", "5 heads"});
  for (const char* name : {"t5-v1_0", "t5-v1_1"}) {
    CAPTURE(name);
    T5Config c = transfer::t5_config(Checkpoint::open(alone(dir, name)));
    T5Config written = transfer::t5_config(Config::read(decoder_folder(name) + "/config.json"));
    CHECK(c.width == written.width);
    CHECK(c.head_size == written.head_size);
    CHECK(c.inner == written.inner);
    CHECK(c.layers == written.layers);
    CHECK(c.decoder_layers == written.decoder_layers);
    CHECK(c.heads == written.heads);
    CHECK(c.buckets == written.buckets);
    CHECK(c.vocabulary == written.vocabulary);
    CHECK(c.gated == written.gated);
    CHECK(c.tied == written.tied);
    CHECK(load_language(dir / (str(name, ".weights"))).family == "t5");
  }
}

TEST_CASE("what is no language model is refused, by name") {
  TempDir dir;
  check_throws<DataError>([&] { load_language(dir.path()); }, {dir.path(), "config.json"});
  write_file(dir / "config.json", R"({"model_type": "bert"})");
  fs::copy(decoder_folder("gpt2") + "/pytorch_model.bin", dir / "pytorch_model.bin");
  check_throws<DataError>([&] { load_language(dir.path()); }, {"model_type", "bert"});
  write_file(dir / "config.json",
             R"({"model_type": "gpt2", "vocab_size": 31, "n_embd": 24, "n_layer": 3, "n_head": 3})");
  check_throws<DataError>([&] { load_language(dir.path()); }, {"n_layer", "is 3", "at most 2"});
  Linear other(3, 4);
  weights::save(other, dir / "other.safetensors");
  fs::remove(dir / "config.json");
  check_throws<DataError>([&] { load_language(dir / "other.safetensors"); }, {"GPT-2", "T5"});
}

TEST_CASE("language models compute on every device") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (const char* name : {"gpt2", "t5-v1_1"}) {
      CAPTURE(name);
      auto here = load_language(decoder_folder(name)), there = load_language(decoder_folder(name));
      move_to(*there.model, device);
      std::vector<int64_t> prompt = {3, 14, 15, 9, 2};
      auto a = here.model->start(prompt), b = there.model->start(prompt);
      for (Continuation* c : {a.get(), b.get()}) {
        c->append(Tensor::from<int64_t>({6, 5}, {1, 2}));
        c->select({0, 0});
      }
      Tensor next = Tensor::from<int64_t>({8, 8}, {2, 1});
      CHECK(max_relative_difference(b->append(next), a->append(next)) <= 1e-5);
    }
  }
}
