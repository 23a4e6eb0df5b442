#include "data/table_cells.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <functional>

#include "core/error.h"
#include "data/text/files.h"

namespace graft::data {
namespace {

constexpr uintmax_t kMaxFile = uintmax_t{1} << 32;

// f(line without its end, number from 1).
void for_each_line(const std::string& content, const std::function<void(std::string_view, int64_t)>& f) {
  int64_t number = 0;
  for (size_t at = 0; at < content.size();) {
    size_t end = std::min(content.find('\n', at), content.size());
    std::string_view line = std::string_view(content).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    f(line, ++number);
    at = end + 1;
  }
}

void add_row(Table& table, Table::Row row) {
  if (row.cells.size() == 1 && row.cells[0].empty()) return;  // an empty line
  if (!table.rows.empty()) {
    size_t expected = table.rows[0].cells.size();
    GRAFT_CHECK_AS(DataError, row.cells.size() == expected, printable(table.path), ", line ", row.line, ": ",
                   row.cells.size(), row.cells.size() == 1 ? " cell" : " cells", ", but line ",
                   table.rows[0].line, " has ", expected);
  }
  table.rows.push_back(std::move(row));
}

// RFC 4180, character by character.
class CsvReader {
 public:
  CsvReader(const std::string& path, const std::string& content) : content_(content) { table_.path = path; }

  Table read() {
    while (at_ < content_.size()) read_row();
    return std::move(table_);
  }

 private:
  void read_row() {
    Table::Row row{line_, {}};
    do row.cells.push_back(read_cell());
    while (take(','));
    if (at_ < content_.size()) take('\r'), take('\n'), ++line_;
    add_row(table_, std::move(row));
  }
  std::string read_cell() {
    if (at_ < content_.size() && content_[at_] == '"') return read_quoted();
    size_t begin = at_;
    while (at_ < content_.size() && content_[at_] != ',' && !at_line_end()) {
      GRAFT_CHECK_AS(DataError, content_[at_] != '"', where(line_),
                     ": a quote inside a cell that does not begin with one; put the whole cell in quotes and "
                     "write the quote twice");
      ++at_;
    }
    return content_.substr(begin, at_ - begin);
  }
  std::string read_quoted() {
    int64_t began = line_;
    std::string cell;
    for (++at_; at_ < content_.size(); ++at_) {
      if (content_[at_] == '"') {
        if (at_ + 1 >= content_.size() || content_[at_ + 1] != '"') break;
        ++at_;
      }
      line_ += content_[at_] == '\n';
      cell += content_[at_];
    }
    GRAFT_CHECK_AS(DataError, at_ < content_.size(), where(began), ": a quote is opened and never closed");
    ++at_;
    GRAFT_CHECK_AS(DataError, at_ == content_.size() || content_[at_] == ',' || at_line_end(), where(line_),
                   ": something stands behind a closing quote, before the next comma");
    return cell;
  }
  bool at_line_end() const {
    return content_[at_] == '\n' || (content_[at_] == '\r' && content_.compare(at_, 2, "\r\n") == 0);
  }
  bool take(char c) {
    bool there = at_ < content_.size() && content_[at_] == c;
    at_ += there;
    return there;
  }
  std::string where(int64_t line) const { return str(printable(table_.path), ", line ", line); }

  const std::string& content_;
  Table table_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

// "a ""word""" -> a "word"; anything that is not a cell in quotes stays as it is.
std::string unquoted(std::string_view cell) {
  if (cell.size() < 2 || cell.front() != '"' || cell.back() != '"') return std::string(cell);
  std::string out;
  for (size_t i = 1; i + 1 < cell.size(); ++i) {
    if (cell[i] == '"') {
      if (i + 2 >= cell.size() || cell[i + 1] != '"') return std::string(cell);
      ++i;
    }
    out += cell[i];
  }
  return out;
}

std::string cell_text(const Json& value, const std::string& where, const std::string& key) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  GRAFT_CHECK_AS(DataError, value.is_number() || value.is_boolean(), where, ": \"", printable(key), "\" is ",
                 value.type_name(), "; text, a number, true or false is expected");
  return value.dump();
}

}  // namespace

std::string read_text_file(const std::string& path) {
  std::error_code error;
  uintmax_t size = std::filesystem::file_size(path, error);
  GRAFT_CHECK_AS(DataError, !error, printable(path), ": cannot be read (", error.message(), ")");
  GRAFT_CHECK_AS(DataError, size <= kMaxFile, printable(path), ": ", bytes_text(static_cast<double>(size)),
                 "; at most 4 GiB of text are read");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string content(size, '\0');
  in.read(content.data(), static_cast<std::streamsize>(size));
  if (!in && errno == ENOMEM) throw std::bad_alloc();  // which the stream hides
  GRAFT_CHECK_AS(DataError, in.gcount() == static_cast<std::streamsize>(size), printable(path),
                 ": cannot be read (", std::strerror(errno), ")");
  if (content.starts_with("\xEF\xBB\xBF")) content.erase(0, 3);
  if (is_utf8(content)) return content;
  for_each_line(content, [&](std::string_view line, int64_t number) {
    GRAFT_CHECK_AS(DataError, is_utf8(line), printable(path), ", line ", number, ": \"", printable(line),
                   "\" is not UTF-8; convert the file (iconv -f latin1 -t utf-8)");
  });
  fail<DataError>(printable(path), ": not UTF-8");
}

Table cells_of_csv(const std::string& path, const std::string& content) {
  return CsvReader(path, content).read();
}

Table cells_of_tsv(const std::string& path, const std::string& content) {
  Table table;
  table.path = path;
  for_each_line(content, [&](std::string_view line, int64_t number) {
    Table::Row row{number, {}};
    for (size_t at = 0; at <= line.size();) {
      size_t end = std::min(line.find('\t', at), line.size());
      row.cells.push_back(unquoted(line.substr(at, end - at)));
      at = end + 1;
    }
    add_row(table, std::move(row));
  });
  return table;
}

Table cells_of_jsonl(const std::string& path, const std::string& content) {
  Table table;
  table.path = path;
  for_each_line(content, [&](std::string_view line, int64_t number) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    std::string where = str(printable(path), ", line ", number);
    Json object = parse_json(std::string(line), where);
    GRAFT_CHECK_AS(DataError, object.is_object(), where, ": not a JSON object; one a line is expected");
    if (table.columns.empty()) {
      for (const auto& [key, value] : object.items()) table.columns.push_back(key);
      GRAFT_CHECK_AS(DataError, !table.columns.empty(), where, ": an object without keys");
    }
    Table::Row row{number, std::vector<std::string>(table.columns.size())};
    for (const auto& [key, value] : object.items()) {
      auto at = std::find(table.columns.begin(), table.columns.end(), key);
      GRAFT_CHECK_AS(DataError, at != table.columns.end(), where, ": the key \"", printable(key),
                     "\" is not in the first object");
      row.cells[static_cast<size_t>(at - table.columns.begin())] = cell_text(value, where, key);
    }
    table.rows.push_back(std::move(row));
  });
  return table;
}

Table cells_of_labels(const std::string& path, const std::string& content) {
  Table table;
  table.path = path;
  table.columns = {"label", "text"};
  for_each_line(content, [&](std::string_view line, int64_t number) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    size_t space = line.find(' ');
    size_t colon = line.substr(0, space).find(':');
    GRAFT_CHECK_AS(DataError, space != std::string_view::npos && colon != std::string_view::npos && colon > 0,
                   printable(path), ", line ", number, ": \"", printable(line, 40),
                   "\" does not begin with LABEL:part and a space");
    table.rows.push_back({number, {std::string(line.substr(0, colon)), std::string(line.substr(space + 1))}});
  });
  return table;
}

}  // namespace graft::data
