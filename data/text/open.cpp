#include "data/text/families.h"

namespace graft::data {

namespace {

PipelinePtr open_files(TokenizerFiles& files, const OpenTokenizerOptions& options) {
  const Hints hints = read_hints(files);
  // With a file named, it alone decides; in a folder, the first of these that is there.
  auto wanted = [&](const char* name) {
    return files.file().empty() ? files.has(name) : files.file() == name;
  };
  PipelinePtr p;
  if (wanted("tokenizer.json")) {
    p = open_tokenizer_json(files, "tokenizer.json", hints);
  } else if (wanted("vocab.txt")) {
    p = open_bert(files, "vocab.txt", hints, options.lowercase);
  } else if (wanted("vocab.json") || wanted("merges.txt")) {
    p = open_byte_level(files, "vocab.json", "merges.txt", hints);
  } else if (wanted("encoder.json") || wanted("vocab.bpe")) {
    p = open_byte_level(files, "encoder.json", "vocab.bpe", hints);
  } else if (wanted("spiece.model")) {
    p = open_t5(files, "spiece.model", hints);
  } else {
    fail<DataError>(
        files.folder(), files.file().empty() ? "" : "/" + files.file(),
        ": no tokenizer here; a folder holds tokenizer.json, vocab.txt, vocab.json and merges.txt, or ",
        "spiece.model");
  }
  p->model_max_length = hints.model_max_length;
  p->content_sha256 = files.content_sha256();
  return p;
}

}  // namespace

Tokenizer open_tokenizer(const std::string& path, const OpenTokenizerOptions& options) {
  TokenizerFiles files(path);
  return Tokenizer(open_files(files, options));
}

Tokenizer open_tokenizer_files(const std::string& where, const std::map<std::string, std::string>& files) {
  TokenizerFiles in_memory(where, files);
  return Tokenizer(open_files(in_memory, {}));
}

std::map<std::string, std::string> tokenizer_files(const std::string& path) {
  TokenizerFiles files(path);
  open_files(files, {});
  return files.contents();
}

}  // namespace graft::data
