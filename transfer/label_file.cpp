#include "transfer/label_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/error.h"

namespace graft::transfer {

std::vector<std::string> read_labels(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{16} << 20;
  std::ifstream in(path, std::ios::binary);
  GRAFT_CHECK_AS(DataError, in, printable(path), ": cannot be read (", std::strerror(errno), ")");
  std::string text(kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  GRAFT_CHECK_AS(DataError, !in.bad() && in.gcount() > 0, printable(path),
                 ": no labels in it; one a line is expected");
  text.resize(static_cast<size_t>(in.gcount()));
  GRAFT_CHECK_AS(DataError, text.size() <= kMaxBytes, printable(path),
                 ": larger than 16 MiB, so not a list of labels");
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  std::vector<std::string> labels;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    labels.push_back(line);
    at = end + 1;
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  GRAFT_CHECK_AS(DataError, !labels.empty(), printable(path), ": no labels in it; one a line is expected");
  for (size_t i = 0; i < labels.size(); ++i) {
    GRAFT_CHECK_AS(DataError, !labels[i].empty(), printable(path), ": line ", i + 1,
                   " is empty; one label a line is expected");
    GRAFT_CHECK_AS(DataError, printable(labels[i], labels[i].size() + 1) == labels[i], printable(path),
                   ": line ", i + 1, " is not text in UTF-8 (", printable(labels[i]), ")");
  }
  return labels;
}

bool drop_background(std::vector<std::string>& labels, size_t classes) {
  if (labels.size() != classes + 1 || labels[0] != "background") return false;
  labels.erase(labels.begin());
  return true;
}

}  // namespace graft::transfer
