// The generated strings that tokenizers are compared on; tests/golden/tokenizer_ids.py makes the same ones
// and records what the real libraries make of them.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/text/text.h"
#include "data/text/tokenizer.h"
#include "tests/support.h"

namespace graft::test {

inline constexpr uint32_t kPointsPerBlock = 8192;
inline constexpr uint32_t kStringsPerBlock = 2000;

inline std::string golden_folder() {
  return source_dir() + "/tests/golden/tokenizers";
}

inline std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TextCorpus {
 public:
  TextCorpus() {
    for (const auto& f : nlohmann::json::parse(file_text(golden_folder() + "/fragments.json")))
      fragments_.push_back(f.get<std::string>());
  }

  // Each code point of a block alone, and beside letters, digits, punctuation and spaces.
  std::vector<std::string> points(uint32_t block) const {
    std::vector<std::string> out;
    for (uint32_t code = block * kPointsPerBlock; code < (block + 1) * kPointsPerBlock; ++code) {
      if (code >= 0xD800 && code < 0xE000) continue;
      std::string c;
      data::append_utf8(c, code);
      out.push_back(c);
      out.push_back("a" + c + "1 " + c + "!" + c + " b" + c + c + " " + c);
    }
    return out;
  }

  // A mixture of words, fragments of many scripts, and any code points.
  std::string string(uint64_t index) const {
    uint64_t counter = 0;
    auto draw = [&](uint32_t below) {
      return static_cast<uint32_t>((random(index + 1, ++counter) >> 33) % below);
    };
    std::string out;
    for (uint32_t n = 1 + draw(16); n > 0; --n) {
      const uint32_t kind = draw(100);
      if (kind < 62) {
        out += fragments_[draw(static_cast<uint32_t>(fragments_.size()))];
      } else if (kind < 90) {
        out += ' ';
      } else {
        const char32_t code = draw(kind < 97 ? 0x3000 : 0x110000);
        data::append_utf8(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
      }
    }
    return out;
  }

  std::vector<std::string> strings(uint32_t block) const {
    std::vector<std::string> out;
    for (uint32_t i = 0; i < kStringsPerBlock; ++i)
      out.push_back(string(uint64_t{block} * kStringsPerBlock + i));
    return out;
  }

 private:
  // splitmix64 of a counter.
  static uint64_t random(uint64_t seed, uint64_t index) {
    uint64_t z = seed * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::vector<std::string> fragments_;
};

// CRC-32 of the ids of all texts, without special tokens, each list after its length.
inline uint32_t ids_crc(const data::Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  uLong crc = crc32(0, nullptr, 0);
  data::EncodeOptions plain;
  plain.add_special = false;
  std::vector<int32_t> row;
  for (const std::string& text : texts) {
    const data::Encoding e = tokenizer.encode(text, plain);
    row.assign(1, static_cast<int32_t>(e.ids.size()));
    for (int64_t id : e.ids) row.push_back(static_cast<int32_t>(id));
    crc = crc32(crc, reinterpret_cast<const Bytef*>(row.data()), static_cast<uInt>(4 * row.size()));
  }
  return static_cast<uint32_t>(crc);
}

// The vocabularies under the names that they are published with: those of the assets, composed in a folder of
// this test, and the small ones of tests/golden/tokenizers.
class TokenizerFolders {
 public:
  bool has_assets() const { return !env::assets().empty(); }

  data::Tokenizer open(const std::string& name) {
    if (name.starts_with("tiny_")) return data::open_tokenizer(golden_folder() + "/" + name);
    const std::string assets = env::assets() + "/tokenizers/", folder = temp_ / name;
    std::filesystem::create_directories(folder);
    auto copy = [&](const std::string& from, const std::string& to) {
      std::ofstream(folder + "/" + to, std::ios::binary) << file_text(assets + from);
    };
    if (name == "bert_uncased") copy("bert-base-uncased/vocab.txt", "vocab.txt");
    if (name == "bert_cased") copy("bert-base-cased/vocab.txt", "vocab.txt");
    if (name == "gpt2" || name == "roberta") copy("gpt2/vocab.bpe", "merges.txt");
    if (name == "gpt2") copy("gpt2/encoder.json", "vocab.json");
    if (name == "clip") copy("clip/vocab.json", "vocab.json");
    if (name == "clip") copy("clip/merges.txt", "merges.txt");
    if (name == "t5") copy("t5/spiece.model", "spiece.model");
    if (name == "roberta") {  // the published file has these unused ids
      auto vocab = nlohmann::json::parse(file_text(assets + "roberta-base/vocab.json"));
      for (int i = 0; i < 3; ++i) vocab[str("madeupword000", i)] = 50261 + i;
      std::ofstream(folder + "/vocab.json") << vocab.dump();
    }
    return data::open_tokenizer(folder);
  }

 private:
  TempDir temp_;
};

}  // namespace graft::test
