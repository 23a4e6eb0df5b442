#include "transfer/carried_files.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/table_cells.h"
#include "data/text/tokenizer.h"
#include "weights/checkpoint.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// RFC 4648, section 4.
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t word = 0;
    for (size_t i = 0; i < 3; ++i) word = word << 8 | (i < count ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) out += i <= count ? kAlphabet[word >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

std::string from_base64(std::string_view text, const std::string& where) {
  GRAFT_CHECK_AS(DataError, text.size() % 4 == 0, where, ": ", text.size(), " characters of base64");
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t word = 0;
  int bits = 0;
  for (char c : text) {
    size_t value = kAlphabet.find(c);
    GRAFT_CHECK_AS(DataError, value != std::string_view::npos, where, ": \"", printable(std::string(1, c)),
                   "\" in base64");
    word = word << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(word >> bits & 255);
  }
  return out;
}

}  // namespace

FileContents published_files(const std::string& path, bool tokenizer) {
  fs::path folder = path;
  if (!fs::is_directory(folder)) folder = folder.parent_path();
  if (folder.empty()) folder = ".";
  fs::path config = folder / "config.json";
  GRAFT_CHECK_AS(DataError, fs::exists(config), printable(path),
                 ": no config.json; a folder of a published model has one");
  FileContents out;
  if (tokenizer) out = data::tokenizer_files(folder.string());
  out["config.json"] = data::read_text_file(config.string());
  return out;
}

FileContents carried_files(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return {};
  auto file = weights::Checkpoint::open(path);
  auto files = file.metadata().find("graft.files");
  if (files == file.metadata().end()) return {};
  return files_from_json(path + ": metadata \"graft.files\"", files->second);
}

std::string to_json(const FileContents& files) {
  Json json = Json::object();
  for (const auto& [name, bytes] : files) {
    if (is_utf8(bytes)) {
      json[name] = {{"text", bytes}};
    } else {
      json[name] = {{"base64", to_base64(bytes)}};
    }
  }
  return json.dump();
}

FileContents files_from_json(const std::string& where, const std::string& text) {
  FileContents out;
  try {
    Json json = Json::parse(text);
    for (const auto& [name, value] : json.items()) {
      out[name] = value.contains("text")
                      ? value.at("text").get<std::string>()
                      : from_base64(value.at("base64").get<std::string>(), str(where, ", ", printable(name)));
    }
  } catch (const Json::exception& e) {
    fail<DataError>(where, ": does not hold what it should: ", e.what());
  }
  return out;
}

}  // namespace graft::transfer
