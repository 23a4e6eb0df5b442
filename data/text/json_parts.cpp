#include "data/text/json_parts.h"

#include <algorithm>

#include "core/pages.h"
#include "data/text/byte_level.h"
#include "data/text/families.h"
#include "data/text/unicode.h"
#include "data/text/unigram.h"
#include "data/text/wordpiece.h"

namespace graft::data {

namespace {

// A list in a part of type Sequence.
const Json& list_in(const Json& json, const char* name, const std::string& where) {
  const Json& list = member(json, name, where);
  GRAFT_CHECK_AS(DataError, list.is_array(), where, ": \"", name, "\" is not a list");
  return list;
}

std::string base64_decoded(const std::string& text, const std::string& where) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  size_t n = text.size();
  while (n > 0 && text[n - 1] == '=') --n;
  GRAFT_CHECK_AS(DataError, text.size() % 4 == 0 && text.size() - n <= 2, where, ": not base64");
  for (size_t i = 0; i < n; ++i) {
    const char c = text[i];
    const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    GRAFT_CHECK_AS(DataError, digit >= 0, where, ": not base64 at character ", i);
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(static_cast<unsigned char>(bits >> count & 0xFF));
    }
  }
  return out;
}

Text replacement_for(const std::u32string& content, uint32_t begin, uint32_t end) {
  Text out;
  for (char32_t c : content) out.push_back({c, begin, end});
  return out;
}

// Each run of at least `least` characters of one kind becomes `content`, which has the last one's offsets.
Normalizer replace_runs(bool (*of_kind)(char32_t), size_t least, const std::u32string& content) {
  return [=](Text& text) {
    Text out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
      size_t end = i;
      while (end < text.size() && of_kind(text[end].code)) ++end;
      if (end - i >= least) {
        const Text put = replacement_for(content, text[end - 1].begin, text[end - 1].end);
        out.insert(out.end(), put.begin(), put.end());
        i = end;
      } else {
        end = std::max(end, i + 1);
        out.insert(out.end(), text.begin() + static_cast<int64_t>(i),
                   text.begin() + static_cast<int64_t>(end));
        i = end;
      }
    }
    text = std::move(out);
  };
}

Normalizer replace_string(const std::u32string& from, const std::u32string& content) {
  return [=](Text& text) {
    Text out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
      size_t k = 0;
      while (k < from.size() && i + k < text.size() && text[i + k].code == from[k]) ++k;
      if (k < from.size()) {
        out.push_back(text[i++]);
        continue;
      }
      const Text put = replacement_for(content, text[i].begin, text[i + k - 1].end);
      out.insert(out.end(), put.begin(), put.end());
      i += k;
    }
    text = std::move(out);
  };
}

// {"String": s} or {"Regex": s}: which, and s.
std::pair<std::string, std::string> pattern_in(const Json& json, const std::string& where) {
  const Json& pattern = member(json, "pattern", where);
  GRAFT_CHECK_AS(DataError, pattern.is_object() && pattern.size() == 1 && pattern.begin()->is_string(), where,
                 ": \"pattern\" is neither {\"String\": ...} nor {\"Regex\": ...}");
  return {pattern.begin().key(), pattern.begin()->get<std::string>()};
}

Normalizer replace_from(const Json& json, const std::string& where) {
  const auto [kind, pattern] = pattern_in(json, where);
  const std::u32string content = to_utf32(string_in(json, "content", where));
  if (kind == "String") {
    GRAFT_CHECK_AS(DataError, !pattern.empty(), where, ": the pattern is empty");
    return replace_string(to_utf32(pattern), content);
  }
  if (kind == "Regex" && pattern == "\\s+") return replace_runs(unicode::is_space, 1, content);
  if (kind == "Regex" && pattern == " {2,}")
    return replace_runs([](char32_t c) { return c == ' '; }, 2, content);
  unsupported(where, "the regular expression \"" + printable(pattern) + "\"");
}

Normalizer strip_from(const Json& json, const std::string& where) {
  const bool left = bool_in(json, "strip_left", where, true),
             right = bool_in(json, "strip_right", where, true);
  return [left, right](Text& text) {
    auto space = [](const Char& c) { return unicode::is_space(c.code); };
    while (right && !text.empty() && space(text.back())) text.pop_back();
    if (left) text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), space));
  };
}

constexpr const char* kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
constexpr const char* kClipPattern = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

Splitter split_from(const Json& json, const std::string& where) {
  const auto [kind, pattern] = pattern_in(json, where);
  const std::string behavior = string_in(json, "behavior", where);
  const bool invert = bool_in(json, "invert", where, false);
  if (kind == "Regex" && pattern == kClipPattern && behavior == "Removed" && invert) return clip_splitter();
  if (kind == "Regex" && pattern == kGpt2Pattern && behavior == "Isolated" && !invert) return gpt2_splitter();
  if (kind == "Regex" && pattern == kGpt2Pattern && behavior == "Removed" && invert) return gpt2_splitter();
  unsupported(where, "the split by \"" + printable(pattern) + "\", " + printable(behavior) +
                         (invert ? ", inverted" : ""));
}

char32_t one_character(const Json& json, const char* name, const std::string& where) {
  const std::u32string text = to_utf32(string_in(json, name, where));
  GRAFT_CHECK_AS(DataError, text.size() == 1, where, ": \"", name, "\" is not one character");
  return text[0];
}

// Older files say add_prefix_space, newer ones prepend_scheme.
Prefix prefix_in(const Json& json, const std::string& where) {
  const std::string otherwise = bool_in(json, "add_prefix_space", where, true) ? "always" : "never";
  const std::string scheme = string_in(json, "prepend_scheme", where, otherwise);
  if (scheme == "always") return Prefix::always;
  if (scheme == "first") return Prefix::first;
  if (scheme == "never") return Prefix::never;
  unsupported(where, "the prepend_scheme \"" + printable(scheme) + "\"");
}

Splitter whitespace_splitter() {
  return [](Words& w) {
    std::vector<Range> words;
    reserve_large(words, w.text.size());
    for (Range r : w.words) {
      for (uint32_t i = r.begin; i < r.end;) {
        uint32_t end = i;
        while (end < r.end && !unicode::is_space(w.text[end].code)) ++end;
        if (end > i) words.push_back({i, end});
        i = end + 1;
      }
    }
    w.words = std::move(words);
  };
}

void add_splitters(const Json& json, const std::string& where, SplitterParts& out) {
  const std::string type = string_in(json, "type", where);
  const std::string here = where + ", " + printable(type);
  if (type == "Sequence") {
    for (const Json& part : list_in(json, "pretokenizers", here)) add_splitters(part, here, out);
  } else if (type == "BertPreTokenizer") {
    out.split.push_back(bert_splitter());
  } else if (type == "WhitespaceSplit") {
    out.split.push_back(whitespace_splitter());
  } else if (type == "Metaspace") {
    if (!bool_in(json, "split", here, true)) unsupported(here, "\"split\": false");
    out.split.push_back(metaspace_splitter(one_character(json, "replacement", here), prefix_in(json, here)));
  } else if (type == "Split") {
    out.split.push_back(split_from(json, here));
  } else if (type == "ByteLevel") {
    if (bool_in(json, "add_prefix_space", here, true)) out.split.push_back(prefix_space());
    if (bool_in(json, "use_regex", here, true)) out.split.push_back(gpt2_splitter());
    out.byte_level = true;
  } else {
    unsupported(where, "the pre-tokenizer \"" + printable(type) + "\"");
  }
}

using What = TemplatePart::What;

// ["[SEP]", 102]
int64_t token_pair(const Json& json, const char* name, const Vocabulary& vocabulary,
                   const std::string& where) {
  const Json& pair = member(json, name, where);
  GRAFT_CHECK_AS(DataError,
                 pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_number_integer(),
                 where, ": \"", name, "\" is not [token, id]");
  const auto token = pair[0].get<std::string>();
  auto id = vocabulary.id_of(token);
  GRAFT_CHECK_AS(DataError, id && *id == pair[1].get<int64_t>(), where, ": \"", name, "\" is \"",
                 printable(token), "\" with the id ", printable(pair[1].dump()),
                 ", which the vocabulary does not have");
  return *id;
}

Template template_from(const Json& json, const char* name, const Vocabulary& vocabulary,
                       const std::string& where) {
  Template out;
  for (const Json& part : list_in(json, name, where)) {
    GRAFT_CHECK_AS(DataError, part.is_object() && part.size() == 1, where, ": a part of \"", name,
                   "\" is neither a Sequence nor a SpecialToken");
    const std::string what = part.begin().key();
    const Json& value = *part.begin();
    const std::string id = string_in(value, "id", where);
    const int64_t type = integer_in(value, "type_id", where, 0);
    GRAFT_CHECK_AS(DataError, type >= 0 && type <= 1000, where, ": the type_id ", type);
    if (what == "Sequence" && (id == "A" || id == "B")) {
      out.push_back({id == "A" ? What::first : What::second, 0, type});
    } else if (what == "SpecialToken") {
      const Json& tokens = member(json, "special_tokens", where);
      GRAFT_CHECK_AS(DataError, tokens.is_object() && tokens.contains(id), where, ": \"", name, "\" puts \"",
                     printable(id), "\", which special_tokens does not have");
      for (const Json& token : list_in(tokens[id], "ids", where)) {
        const bool fits = token.is_number_integer() && token.get<int64_t>() >= 0 &&
                          token.get<int64_t>() < vocabulary.size();
        GRAFT_CHECK_AS(DataError, fits, where, ": the special token \"", printable(id), "\" has the id ",
                       printable(token.dump()), ", which the vocabulary of ", vocabulary.size(),
                       " does not have");
        out.push_back({What::token, token.get<int64_t>(), type});
      }
    } else {
      fail<DataError>(where, ": a part of \"", name, "\" is \"", printable(what), "\" ", printable(id));
    }
  }
  auto count = [&](What w) {
    return std::count_if(out.begin(), out.end(), [&](auto& p) { return p.what == w; });
  };
  const bool pair = std::string_view(name) == "pair";
  GRAFT_CHECK_AS(DataError, count(What::first) == 1 && count(What::second) == (pair ? 1 : 0), where, ": \"",
                 name, "\" must have the sequence A once", pair ? " and B once" : " and not B");
  return out;
}

void add_processor(const Json& json, const Vocabulary& vocabulary, const std::string& where,
                   ProcessorParts& out) {
  const std::string type = string_in(json, "type", where);
  const std::string here = where + ", " + printable(type);
  if (type == "Sequence") {
    for (const Json& part : list_in(json, "processors", here)) add_processor(part, vocabulary, here, out);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const int64_t cls = token_pair(json, "cls", vocabulary, here),
                  sep = token_pair(json, "sep", vocabulary, here);
    const bool bert = type == "BertProcessing";
    out.single = {{What::token, cls, 0}, {What::first, 0, 0}, {What::token, sep, 0}};
    out.pair = out.single;
    if (!bert) out.pair.push_back({What::token, sep, 0});
    out.pair.push_back({What::second, 0, bert ? 1 : 0});
    out.pair.push_back({What::token, sep, bert ? 1 : 0});
    if (!bert)
      out.trim = {bool_in(json, "trim_offsets", here, true), bool_in(json, "add_prefix_space", here, true)};
  } else if (type == "TemplateProcessing") {
    out.single = template_from(json, "single", vocabulary, here);
    out.pair = template_from(json, "pair", vocabulary, here);
  } else if (type == "ByteLevel") {
    out.trim = {bool_in(json, "trim_offsets", here, true), bool_in(json, "add_prefix_space", here, true)};
  } else {
    unsupported(where, "the post-processor \"" + printable(type) + "\"");
  }
}

}  // namespace

void unsupported(const std::string& where, const std::string& what) {
  fail<DataError>(where, ": ", what, " is not supported; BERT, RoBERTa, GPT-2, CLIP and T5 do without it");
}

Normalizer normalizer_from(const Json& json, const std::string& where) {
  if (json.is_null()) return [](Text&) {};
  const std::string type = string_in(json, "type", where);
  const std::string here = where + ", " + printable(type);
  if (type == "Sequence") {
    std::vector<Normalizer> parts;
    for (const Json& part : list_in(json, "normalizers", here)) parts.push_back(normalizer_from(part, here));
    return [parts](Text& text) {
      for (const Normalizer& part : parts) part(text);
    };
  }
  if (type == "BertNormalizer") {
    BertNormalizerOptions o;
    o.lowercase = bool_in(json, "lowercase", here, true);
    o.clean_text = bool_in(json, "clean_text", here, true);
    o.space_ideographs = bool_in(json, "handle_chinese_chars", here, true);
    o.strip_accents = bool_in(json, "strip_accents", here, o.lowercase);
    return bert_normalizer(o);
  }
  if (type == "NFC") return unicode::nfc;
  if (type == "NFD") return unicode::nfd;
  if (type == "NFKC") return unicode::nfkc;
  if (type == "NFKD") return unicode::nfkd;
  if (type == "Lowercase") return unicode::lowercase;
  if (type == "Strip") return strip_from(json, here);
  if (type == "Replace") return replace_from(json, here);
  if (type == "Precompiled") {
    const std::string blob = base64_decoded(string_in(json, "precompiled_charsmap", here), here);
    return precompiled_normalizer(std::make_shared<const Charsmap>(blob, here));
  }
  unsupported(where, "the normalizer \"" + printable(type) + "\"");
}

SplitterParts splitters_from(const Json& json, const std::string& where) {
  SplitterParts out;
  if (!json.is_null()) add_splitters(json, where, out);
  return out;
}

ProcessorParts processor_from(const Json& json, const Vocabulary& vocabulary, const std::string& where) {
  ProcessorParts out;
  out.single = {{What::first, 0, 0}};
  out.pair = {{What::first, 0, 0}, {What::second, 0, 1}};
  if (!json.is_null()) add_processor(json, vocabulary, where, out);
  return out;
}

Decoder decoder_from(const Json& json, const std::string& end_of_word, const std::string& where) {
  if (json.is_null()) return wordpiece_decoder("", false);
  const std::string type = string_in(json, "type", where);
  const std::string here = where + ", " + printable(type);
  if (type == "WordPiece")
    return wordpiece_decoder(string_in(json, "prefix", here, "##"), bool_in(json, "cleanup", here, true));
  if (type == "ByteLevel") return byte_level_decoder(end_of_word);
  if (type == "Metaspace")
    return metaspace_decoder(one_character(json, "replacement", here),
                             prefix_in(json, here) != Prefix::never);
  unsupported(where, "the decoder \"" + printable(type) + "\"");
}

}  // namespace graft::data
