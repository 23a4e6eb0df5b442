#include "app/source_places.h"

#include <algorithm>
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

std::string next_line(FILE* from) {
  std::array<char, 8192> line{};
  if (!std::fgets(line.data(), line.size(), from)) return "";
  std::string text(line.data());
  return text.substr(0, text.find('\n'));
}

// "softmax_rows" of "void graft::kernels::cuda::(anonymous namespace)::softmax_rows<float>(float const*)".
std::string short_name(std::string function) {
  for (size_t at; (at = function.find("(anonymous namespace)::")) != std::string::npos;)
    function.erase(at, 23);
  function.resize(std::min({function.size(), function.find('<'), function.find('(')}));
  size_t scope = function.rfind("::");
  return scope == std::string::npos ? function : function.substr(scope + 2);
}

}  // namespace

std::vector<std::string> source_places(const std::vector<std::string>& codes) {
  std::vector<std::string> places = codes;
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error || codes.empty()) return places;
  std::string command = str("addr2line -f -C -s -e ", quoted(program.string()));
  for (const std::string& code : codes) command += str(" ", quoted(last_offset(code)));
  command += " 2>/dev/null";
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  if (!pipe) return places;
  for (std::string& place : places) {  // two lines for each: the function, then the file
    std::string function = next_line(pipe.get()), file = next_line(pipe.get());
    if (file.empty() || file[0] == '?') continue;
    if (size_t unknown = file.find(":?"); unknown != std::string::npos) file.resize(unknown);
    place = str(short_name(function), ", ", file);
  }
  return places;
}

}  // namespace graft::app
