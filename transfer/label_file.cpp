#include "transfer/label_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>

#include "core/error.h"

namespace graft::transfer {

std::vector<std::string> lines_of(const std::string& path, std::string_view what, size_t most_bytes) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in && errno == ENOMEM) throw std::bad_alloc();  // which the stream hides
  GRAFT_CHECK_AS(DataError, in, printable(path), ": cannot be read (", std::strerror(errno), ")");
  std::string text;
  std::vector<char> piece(size_t{1} << 20);
  while (text.size() <= most_bytes && in.read(piece.data(), static_cast<std::streamsize>(piece.size())),
         in.gcount() > 0) {
    text.append(piece.data(), static_cast<size_t>(in.gcount()));
  }
  GRAFT_CHECK_AS(DataError, !in.bad(), printable(path), ": cannot be read (", std::strerror(errno), ")");
  GRAFT_CHECK_AS(DataError, text.size() <= most_bytes, printable(path), ": larger than ", most_bytes >> 20,
                 " MiB, so not a list of ", what, "s");
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
    at = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  GRAFT_CHECK_AS(DataError, !lines.empty(), printable(path), ": no ", what,
                 "s in it; one a line is expected");
  return lines;
}

std::vector<std::string> read_labels(const std::string& path) {
  std::vector<std::string> labels = lines_of(path, "label", size_t{16} << 20);
  for (size_t i = 0; i < labels.size(); ++i) {
    GRAFT_CHECK_AS(DataError, !labels[i].empty(), printable(path), ": line ", i + 1,
                   " is empty; one label a line is expected");
    GRAFT_CHECK_AS(DataError, printable(labels[i], labels[i].size() + 1) == labels[i], printable(path),
                   ": line ", i + 1, " is not text in UTF-8 (", printable(labels[i]), ")");
  }
  return labels;
}

std::vector<std::string> labels_in(std::string_view list) {
  std::vector<std::string> labels;
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = std::min(list.find(',', begin), list.size());
    std::string_view label = list.substr(begin, end - begin);
    label.remove_prefix(std::min(label.find_first_not_of(' '), label.size()));
    label = label.substr(0, label.find_last_not_of(' ') + 1);
    labels.emplace_back(label);
    begin = end + 1;
  }
  return labels;
}

bool drop_background(std::vector<std::string>& labels, size_t classes) {
  if (labels.size() != classes + 1 || labels[0] != "background") return false;
  labels.erase(labels.begin());
  return true;
}

}  // namespace graft::transfer
