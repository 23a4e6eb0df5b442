#include "app/source_places.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "core/str.h"

namespace graft::app {
namespace {

// For a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += "'\\'";
    out += c;
  }
  out += "'";
  return out;
}

std::string last_offset(const std::string& code) {
  size_t plus = code.rfind('+');
  return plus == std::string::npos ? "0" : code.substr(plus + 1);
}

}  // namespace

std::vector<std::string> source_places(const std::vector<std::string>& codes) {
  std::vector<std::string> places = codes;
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error || codes.empty()) return places;
  std::string command = str("addr2line -s -e ", quoted(program.string()));
  for (const std::string& code : codes) command += str(" ", quoted(last_offset(code)));
  command += " 2>/dev/null";
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  if (!pipe) return places;
  std::array<char, 4096> line;
  for (size_t i = 0; i < places.size() && std::fgets(line.data(), line.size(), pipe.get()); ++i) {
    std::string place(line.data());
    place = place.substr(0, place.find_first_of(" \n"));
    if (place.rfind("??", 0) != 0) places[i] = place;
  }
  return places;
}

}  // namespace graft::app
