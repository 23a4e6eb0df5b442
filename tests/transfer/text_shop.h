// A tiny published network of texts and a task that words decide: whether a text is good or bad.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/rng.h"
#include "tests/support.h"
#include "transfer/language.h"
#include "transfer/text_source.h"
#include "transfer/tune.h"
#include "weights/save.h"

namespace graft::test {

inline const char* const kBert =
    R"({"model_type": "bert", "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 12,
        "hidden_dropout_prob": 0.0})";
inline const char* const kRoberta =
    R"({"model_type": "roberta", "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 14,
        "type_vocab_size": 1, "pad_token_id": 1, "hidden_dropout_prob": 0.0})";
inline const char* const kGpt2 =
    R"({"model_type": "gpt2", "vocab_size": 20, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 12,
        "resid_pdrop": 0.0})";
inline const char* const kT5 =
    R"({"model_type": "t5", "vocab_size": 20, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2,
        "num_heads": 2, "dropout_rate": 0.0})";
inline const std::vector<std::string> kWords = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad",
                                                "film",  "book",  "a",     "the",   "very",   "was",  "is",
                                                "it",    "and",   "plot",  "music", "so",     "but"};

// A folder as published: BERT's files; the others' words come from the same vocabulary through a
// tokenizer.json, so that one task serves all.
inline std::string tokenizer_json() {
  std::string vocabulary;
  for (size_t i = 0; i < kWords.size(); ++i) vocabulary += str(i ? "," : "", "\"", kWords[i], "\":", i);
  return str(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,)",
             R"("pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,"decoder":null,)",
             R"("model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)",
             R"("max_input_chars_per_word":100,"vocab":{)", vocabulary, "}}}");
}

struct Shop {
  TempDir dir;
  transfer::TuneOptions options;

  explicit Shop(const std::string& config, const std::string& strategy, bool with_head = true,
                bool writes = false) {
    std::filesystem::create_directories(dir / "net");
    std::filesystem::create_directories(dir / "data");
    write_file(dir / "net/config.json", config);
    if (config == kBert) {
      std::string lines;
      for (const std::string& word : kWords) lines += word + "\n";
      write_file(dir / "net/vocab.txt", lines);
    } else {
      write_file(dir / "net/tokenizer.json", tokenizer_json());
    }
    auto parsed = weights::Config::parse("config.json", config);
    std::unique_ptr<nn::TextNetwork> network;
    if (writes) {
      network = transfer::make_language_task(parsed, 3);
    } else {
      network = transfer::make_text_classifier(parsed, 2, 3);
    }
    for (const nn::NamedTensor& t : nn::named_parameters(*network)) {
      if (t.value().rank() != 2) continue;
      for (float& v : t.value().span<float>()) v *= 6;
    }
    std::vector<weights::SavedTensor> tensors;
    for (weights::SavedTensor& t : weights::published_tensors(*network)) {
      bool head = t.name.starts_with("classifier") || t.name.starts_with("score");
      bool pooler = t.name.find("pooler") != std::string::npos;
      if (with_head || (!head && !pooler)) tensors.push_back(std::move(t));
    }
    weights::save_safetensors(dir / "net/model.safetensors", tensors);
    write_texts("train.tsv", 60);
    write_texts("dev.tsv", 30);
    options.data = dir / "data";
    options.weights = dir / "net";
    options.strategy = strategy;
    options.out = dir / "out";
    options.cache = false;
    options.settings = {{"batch", "8"}};
  }

  // The class is whether the text is good or bad.
  void write_texts(const std::string& name, int count) const {
    std::string text = "sentence\tlabel\n";
    for (int i = 0; i < count; ++i) {
      Rng rng(7, static_cast<uint64_t>(name.size()), static_cast<uint64_t>(i));
      int words = 2 + static_cast<int>(rng.below(6)),
          at = static_cast<int>(rng.below(static_cast<uint32_t>(words)));
      for (int w = 0; w < words; ++w)
        text +=
            str(w ? " " : "", w == at ? kWords[5 + static_cast<size_t>(i % 2)] : kWords[7 + rng.below(13)]);
      text += str("\t", i % 2 ? "negative" : "positive", "\n");
    }
    write_file(dir / ("data/" + name), text);
  }
};

}  // namespace graft::test
