// What the small files beside a vocabulary say about it: tokenizer_config.json, special_tokens_map.json, and
// config.json for the family.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "data/text/files.h"

namespace graft::data {

struct Hints {
  std::string tokenizer_class;                // "BertTokenizer", "RobertaTokenizerFast", ...
  std::string model_type;                     // config.json: "bert", "gpt2", ...
  std::map<std::string, std::string> tokens;  // role -> token: "unk_token" -> "[UNK]"
  std::optional<bool> lowercase, strip_accents, space_ideographs;
  bool add_prefix_space = false;
  int64_t model_max_length = 0;
  int64_t extra_ids = 100;  // T5

  // The token for this role, or the family's own.
  std::string token(const std::string& role, const std::string& otherwise) const {
    auto found = tokens.find(role);
    return found == tokens.end() ? otherwise : found->second;
  }
  bool is(std::string_view family) const;  // by class or model type, in any letter case
};

Hints read_hints(TokenizerFiles& files);

}  // namespace graft::data
