#include "data/text/hints.h"

#include <algorithm>

namespace graft::data {

namespace {

constexpr const char* kRoles[] = {"unk_token",  "sep_token", "pad_token", "cls_token",
                                  "mask_token", "bos_token", "eos_token"};

// "[UNK]" or {"content": "[UNK]", ...}.
void read_tokens(const Json& json, const std::string& where, Hints& hints) {
  for (const char* role : kRoles) {
    auto found = json.find(role);
    if (found == json.end() || found->is_null()) continue;
    hints.tokens[role] =
        found->is_object() ? string_in(*found, "content", where + ", " + role) : string_in(json, role, where);
  }
}

std::optional<bool> flag(const Json& json, const char* name, const std::string& where) {
  auto found = json.find(name);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return bool_in(json, name, where, false);
}

Json object_of(TokenizerFiles& files, const char* name, bool part_of_content) {
  Json json = parse_json(files.read(name, part_of_content), files.path(name));
  GRAFT_CHECK_AS(DataError, json.is_object(), files.path(name), ": not a JSON object");
  return json;
}

}  // namespace

bool Hints::is(std::string_view family) const {
  auto contains = [&](const std::string& text) {
    return std::search(text.begin(), text.end(), family.begin(), family.end(), [](char a, char b) {
             auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
             return lower(a) == lower(b);
           }) != text.end();
  };
  return tokenizer_class.empty() ? contains(model_type) : contains(tokenizer_class);
}

Hints read_hints(TokenizerFiles& files) {
  Hints hints;
  if (files.has("config.json")) {
    const std::string where = files.path("config.json");
    hints.model_type = string_in(object_of(files, "config.json", false), "model_type", where, "");
  }
  if (files.has("special_tokens_map.json")) {
    read_tokens(object_of(files, "special_tokens_map.json", true), files.path("special_tokens_map.json"),
                hints);
  }
  if (files.has("tokenizer_config.json")) {
    const std::string where = files.path("tokenizer_config.json");
    Json json = object_of(files, "tokenizer_config.json", true);
    read_tokens(json, where, hints);
    hints.tokenizer_class = string_in(json, "tokenizer_class", where, "");
    hints.lowercase = flag(json, "do_lower_case", where);
    hints.strip_accents = flag(json, "strip_accents", where);
    hints.space_ideographs = flag(json, "tokenize_chinese_chars", where);
    hints.add_prefix_space = bool_in(json, "add_prefix_space", where, false);
    hints.extra_ids = integer_in(json, "extra_ids", where, 100);
    GRAFT_CHECK_AS(DataError, hints.extra_ids >= 0 && hints.extra_ids <= 100000, where, ": extra_ids is ",
                   hints.extra_ids, ", not 0 to 100000");
    // "No limit" is written as 1e30, which is no integer of 64 bits.
    auto found = json.find("model_max_length");
    if (found != json.end() && found->is_number()) {
      double value = found->get<double>();
      if (value >= 1 && value <= 1 << 30) hints.model_max_length = static_cast<int64_t>(value);
    }
  }
  return hints;
}

}  // namespace graft::data
