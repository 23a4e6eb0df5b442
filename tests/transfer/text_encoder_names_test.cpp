// BERT's tensors go by other names in files that other programs wrote: with and without the prefix, norms
// with gamma and beta. All forms give the same network.
#include <filesystem>

#include "tests/support.h"
#include "transfer/text_encoder.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

namespace {

void replace(std::string& name, const std::string& from, const std::string& to) {
  if (size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("BERT's config.json: what it says is read, what it does not say is as in transformers") {
  auto of = [](const std::string& json) {
    return transfer::bert_config(weights::Config::parse("config.json", json));
  };
  for (const char* family : {"bert", "roberta"}) {
    CAPTURE(family);
    nn::BertConfig c = of(str(R"({"model_type": ")", family, R"("})"));
    CHECK(c.eps == 1e-12);
    CHECK(c.activation == nn::Nonlinearity::gelu);
    c = of(str(R"({"layer_norm_eps": 1e-05, "hidden_act": "gelu_new", "model_type": ")", family, R"("})"));
    CHECK(c.eps == 1e-5);
    CHECK(c.activation == nn::Nonlinearity::gelu_tanh);
  }
}

TEST_CASE("BERT's names: bert. or nothing before them, gamma and beta or weight and bias") {
  std::string published = str(source_dir(), "/tests/golden/encoders/bert-classes");
  transfer::TextEncoder right = transfer::load_text_encoder(published);
  for (bool prefix : {true, false}) {
    for (bool old : {true, false}) {
      CAPTURE(prefix);
      CAPTURE(old);
      std::vector<weights::SavedTensor> tensors = weights::published_tensors(*right.model);
      for (weights::SavedTensor& t : tensors) {
        if (!prefix) replace(t.name, "bert.", "");
        if (!old) continue;
        replace(t.name, "LayerNorm.weight", "LayerNorm.gamma");
        replace(t.name, "LayerNorm.bias", "LayerNorm.beta");
      }
      TempDir dir;
      std::filesystem::copy(published + "/config.json", dir / "config.json");
      weights::save_safetensors(dir / "model.safetensors", tensors);
      transfer::TextEncoder found = transfer::load_text_encoder(dir.path());
      CHECK(found.report.waived.empty());
      auto a = nn::named_tensors(*right.model), b = nn::named_tensors(*found.model);
      REQUIRE(a.size() == b.size());
      for (size_t i = 0; i < a.size(); ++i) CHECK(bit_equal(a[i].value(), b[i].value()));
    }
  }
}
