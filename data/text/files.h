// Reading the files that a tokenizer is published in.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/sha256.h"

namespace graft::data {

using Json = nlohmann::json;

// Files by name, in memory.
using FileContents = std::map<std::string, std::string>;

// The files of one tokenizer: a folder, and the hash over what was read from it.
class TokenizerFiles {
 public:
  // Files that stand in memory; `where` is for messages.
  TokenizerFiles(std::string where, FileContents contents)
      : folder_(std::move(where)), contents_(std::move(contents)), in_memory_(true) {}
  // `path` is the folder, or a file in it.
  explicit TokenizerFiles(const std::string& path);

  const std::string& folder() const { return folder_; }
  const std::string& file() const { return file_; }  // the file's name, where `path` was a file
  std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }
  bool has(std::string_view name) const;
  // The whole file; counts towards the hash where `part_of_content`. Throws DataError with the system's
  // reason.
  std::string read(std::string_view name, bool part_of_content = true);
  std::string content_sha256() { return hash_.hex(); }
  // What was read so far.
  const FileContents& contents() const { return contents_; }

 private:
  std::string bytes_of(std::string_view name) const;
  std::string folder_, file_;
  FileContents contents_;
  bool in_memory_ = false;
  Sha256 hash_;
};

// Throws DataError, beginning with `path`, for what is not JSON, not UTF-8, nested deeper than 64, or has a
// key twice in one object.
Json parse_json(const std::string& text, const std::string& path);

// The lines of a text file without their ends (LF or CRLF); a byte order mark before the first is passed
// over, and so are empty lines at the end. Throws DataError for a line that is not UTF-8.
std::vector<std::string> text_lines(const std::string& text, const std::string& path);

// {"token": id, ...}, as in vocab.json.
std::vector<std::pair<std::string, int64_t>> tokens_of_json(const Json& object, const std::string& where);

// A field of an object, with its type checked. Throws DataError that names `where` and the field; a field
// that is absent or null gives the default where there is one.
const Json& member(const Json& object, const char* name, const std::string& where);
std::string string_in(const Json& object, const char* name, const std::string& where);
std::string string_in(const Json& object, const char* name, const std::string& where,
                      const std::string& otherwise);
bool bool_in(const Json& object, const char* name, const std::string& where, bool otherwise);
int64_t integer_in(const Json& object, const char* name, const std::string& where);
int64_t integer_in(const Json& object, const char* name, const std::string& where, int64_t otherwise);

}  // namespace graft::data
