#include "data/text/files.h"

#include <filesystem>
#include <set>

#include "core/memory_reserve.h"
#include "data/image.h"

namespace graft::data {

namespace fs = std::filesystem;

namespace {
constexpr int kMaxDepth = 64;
constexpr int64_t kMaxFile = int64_t{1} << 30;
}  // namespace

TokenizerFiles::TokenizerFiles(const std::string& path) : folder_(path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return;
  GRAFT_CHECK_AS(DataError, fs::exists(path, error), path, ": there is no such file or folder");
  fs::path file(path);
  folder_ = file.has_parent_path() ? file.parent_path().string() : ".";
  file_ = file.filename().string();
}

bool TokenizerFiles::has(std::string_view name) const {
  if (in_memory_) return contents_.contains(std::string(name));
  std::error_code error;
  return fs::is_regular_file(path(name), error);
}

std::string TokenizerFiles::read(std::string_view name, bool part_of_content) {
  std::string bytes = bytes_of(name);
  if (part_of_content) hash_.add(name).add(str("\n", bytes.size(), "\n")).add(bytes);
  contents_[std::string(name)] = bytes;
  return bytes;
}

std::string TokenizerFiles::bytes_of(std::string_view name) const {
  const std::string full = path(name);
  if (in_memory_) {
    auto it = contents_.find(std::string(name));
    GRAFT_CHECK_AS(DataError, it != contents_.end(), full, ": there is no such file");
    return it->second;
  }
  std::error_code error;
  const auto size = fs::file_size(full, error);
  GRAFT_CHECK_AS(DataError, !error, full, ": ", error.message());
  GRAFT_CHECK_AS(DataError, static_cast<int64_t>(size) <= kMaxFile, full, ": ",
                 bytes_text(static_cast<double>(size)), "; a tokenizer's file has at most 1 GiB");
  std::vector<uint8_t> bytes = read_bytes(full);  // a stream would hide that there is no memory
  return {bytes.begin(), bytes.end()};
}

Json parse_json(const std::string& text, const std::string& path) {
  std::vector<std::set<std::string>> keys;
  auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    MemoryReserve::require_unspent();
    if (depth > kMaxDepth) fail<DataError>(path, ": nested deeper than ", kMaxDepth);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second)
        fail<DataError>(path, ": the key \"", printable(key), "\" stands twice in one object");
    }
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& e) {
    fail<DataError>(path, ": no valid JSON at byte ", e.byte, " of ", text.size());
  } catch (const Json::exception&) {
    fail<DataError>(path, ": a number is out of range");
  }
}

std::vector<std::string> text_lines(const std::string& text, const std::string& path) {
  std::vector<std::string> lines;
  size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (at < text.size()) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    GRAFT_CHECK_AS(DataError, is_utf8(line), path, ", line ", lines.size() + 1, ": \"", printable(line),
                   "\" is not UTF-8");
    lines.emplace_back(line);
    at = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::vector<std::pair<std::string, int64_t>> tokens_of_json(const Json& object, const std::string& where) {
  GRAFT_CHECK_AS(DataError, object.is_object(), where, ": not an object of tokens and ids");
  std::vector<std::pair<std::string, int64_t>> tokens;
  tokens.reserve(object.size());
  for (const auto& [token, id] : object.items()) {
    const bool fits = id.is_number_integer() && !(id.is_number_unsigned() && id.get<uint64_t>() > INT64_MAX);
    GRAFT_CHECK_AS(DataError, fits, where, ": the id of \"", printable(token), "\" is ", printable(id.dump()),
                   ", not an integer from 0 to 2147483647");
    tokens.emplace_back(token, id.get<int64_t>());
  }
  return tokens;
}

namespace {

const Json* find(const Json& object, const char* name, const std::string& where) {
  GRAFT_CHECK_AS(DataError, object.is_object(), where, ": not an object");
  auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string as_string(const Json& value, const char* name, const std::string& where) {
  GRAFT_CHECK_AS(DataError, value.is_string(), where, ": \"", name, "\" is not a string");
  return value.get<std::string>();
}

int64_t as_integer(const Json& value, const char* name, const std::string& where) {
  const bool fits =
      value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
  GRAFT_CHECK_AS(DataError, fits, where, ": \"", name, "\" is not an integer");
  return value.get<int64_t>();
}

}  // namespace

const Json& member(const Json& object, const char* name, const std::string& where) {
  const Json* found = find(object, name, where);
  GRAFT_CHECK_AS(DataError, found != nullptr, where, ": the field \"", name, "\" is missing");
  return *found;
}

std::string string_in(const Json& object, const char* name, const std::string& where) {
  return as_string(member(object, name, where), name, where);
}
std::string string_in(const Json& object, const char* name, const std::string& where,
                      const std::string& otherwise) {
  const Json* found = find(object, name, where);
  return found ? as_string(*found, name, where) : otherwise;
}
bool bool_in(const Json& object, const char* name, const std::string& where, bool otherwise) {
  const Json* found = find(object, name, where);
  if (!found) return otherwise;
  GRAFT_CHECK_AS(DataError, found->is_boolean(), where, ": \"", name, "\" is not true or false");
  return found->get<bool>();
}
int64_t integer_in(const Json& object, const char* name, const std::string& where) {
  return as_integer(member(object, name, where), name, where);
}
int64_t integer_in(const Json& object, const char* name, const std::string& where, int64_t otherwise) {
  const Json* found = find(object, name, where);
  return found ? as_integer(*found, name, where) : otherwise;
}

}  // namespace graft::data
