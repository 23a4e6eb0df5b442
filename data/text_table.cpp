#include "data/text_table.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/nearest.h"
#include "data/table_cells.h"

namespace graft::data {
namespace {

using Names = std::vector<std::string_view>;

const Names kText = {"text",   "sentence", "sentence1", "question1", "premise", "text1", "text_a",
                     "review", "question", "content",   "comment",   "tweet",   "title"};
const Names kPair = {"sentence2", "question2", "hypothesis", "text2", "text_b", "pair"};
const Names kLabel = {"label", "labels", "class", "category", "sentiment", "intent", "target", "gold_label"};
const Names kSource = {"source", "src", "input", "question", "text"};
const Names kTarget = {"target", "tgt", "output", "answer", "summary"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string listed(const Table& table) {
  if (table.columns.empty()) {
    size_t count = table.rows.empty() ? 0 : table.rows[0].cells.size();
    return str(count, count == 1 ? " column" : " columns", " without names");
  }
  std::string out = "columns ";
  for (const std::string& name : table.columns)
    out += str(&name == &table.columns[0] ? "" : ", ", printable(name));
  return out;
}

// The column that an option names.
size_t chosen_column(const Table& table, const std::string& wanted, const char* role) {
  size_t count = table.columns.empty() ? table.rows.at(0).cells.size() : table.columns.size();
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (lower(table.columns[i]) == lower(wanted)) return i;
  }
  size_t number = 0;
  auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  bool is_number = error == std::errc() && end == wanted.data() + wanted.size();
  GRAFT_CHECK_AS(DataError, is_number && number >= 1 && number <= count, printable(table.path),
                 ": no column ", printable(wanted), " for the ", role, "; it has ", listed(table),
                 did_you_mean(wanted, table.columns));
  return number - 1;
}

// The column with the first of these names that there is.
std::optional<size_t> known_column(const Table& table, const Names& names) {
  for (std::string_view name : names) {
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (lower(table.columns[i]) == name) return i;
    }
  }
  return std::nullopt;
}

std::optional<size_t> column_of(const Table& table, const std::string& wanted, const Names& names,
                                const char* role) {
  return wanted.empty() ? known_column(table, names) : chosen_column(table, wanted, role);
}

// Of two columns without names: the one with fewer different values.
size_t column_of_labels(const Table& table) {
  std::set<std::string_view> values[2];
  for (const Table::Row& row : table.rows) {
    for (size_t i : {size_t{0}, size_t{1}}) values[i].insert(row.cells[i]);
  }
  GRAFT_CHECK_AS(DataError, values[0].size() != values[1].size(), printable(table.path),
                 ": which of the two columns holds labels? Both have ", values[0].size(),
                 " different values; say it: --text-column 1 --label-column 2");
  return values[0].size() < values[1].size() ? 0 : 1;
}

struct Columns {
  size_t text = 0;
  std::optional<size_t> pair, label;
};

TextTable taken(const Table& table, const Columns& columns) {
  TextTable out;
  out.pairs = columns.pair.has_value();
  out.labelled = columns.label.has_value();
  std::string file = std::filesystem::path(table.path).filename().string();
  for (const Table::Row& row : table.rows) {
    TextRow to;
    to.place = str(file, ":", row.line);
    auto cell = [&](size_t index, const char* role) {
      const std::string& value = row.cells.at(index);
      GRAFT_CHECK_AS(DataError, value.find_first_not_of(" \t\r\n") != std::string::npos,
                     printable(table.path), ", line ", row.line, ": the ", role, " is empty");
      return value;
    };
    to.text = cell(columns.text, "text");
    if (columns.pair) to.pair = cell(*columns.pair, "second text");
    if (columns.label) to.label = cell(*columns.label, "label");
    out.rows.push_back(std::move(to));
  }
  return out;
}

void require_rows(const Table& table) {
  GRAFT_CHECK_AS(DataError, !table.rows.empty(), printable(table.path), ": no rows in it",
                 table.columns.empty() ? "" : str(" behind the header (", listed(table), ")"));
}

bool is_header(const std::vector<std::string>& cells) {
  return std::any_of(cells.begin(), cells.end(), [](const std::string& cell) {
    for (const Names& names : {kText, kPair, kLabel, kSource, kTarget}) {
      if (std::find(names.begin(), names.end(), lower(cell)) != names.end()) return true;
    }
    return false;
  });
}

TableFormat format_by_name(const std::string& path, const std::string& content) {
  std::string extension = lower(std::filesystem::path(path).extension().string());
  if (extension == ".csv") return TableFormat::csv;
  if (extension == ".tsv") return TableFormat::tsv;
  if (extension == ".jsonl" || extension == ".ndjson") return TableFormat::jsonl;
  if (extension == ".label") return TableFormat::label;
  GRAFT_CHECK_AS(DataError, extension == ".txt", printable(path),
                 ": a .csv, .tsv, .jsonl, .label or .txt file is ",
                 "expected; or say what it is: --format csv");
  std::string_view first = std::string_view(content).substr(0, content.find('\n'));
  return first.find('\t') != std::string_view::npos ? TableFormat::tsv : TableFormat::csv;
}

}  // namespace

TableFormat parse_table_format(std::string_view text) {
  if (text.empty()) return TableFormat::by_name;
  if (text == "csv") return TableFormat::csv;
  if (text == "tsv") return TableFormat::tsv;
  if (text == "jsonl") return TableFormat::jsonl;
  if (text == "label") return TableFormat::label;
  fail<UsageError>("unknown format ", printable(text), "; there are csv, tsv, jsonl and label");
}

Table read_table(const std::string& path, const TableOptions& options) {
  std::string content = read_text_file(path);
  TableFormat format = options.format;
  if (format == TableFormat::by_name) format = format_by_name(path, content);
  if (format == TableFormat::jsonl) return cells_of_jsonl(path, content);
  if (format == TableFormat::label) return cells_of_labels(path, content);
  Table table = format == TableFormat::csv ? cells_of_csv(path, content) : cells_of_tsv(path, content);
  if (table.rows.empty()) return table;
  using Header = TableOptions::Header;
  if (options.header == Header::yes ||
      (options.header == Header::automatic && is_header(table.rows[0].cells))) {
    table.columns = std::move(table.rows[0].cells);
    table.rows.erase(table.rows.begin());
  }
  return table;
}

TextTable read_texts(const std::string& path, const TableOptions& options, bool labels_needed) {
  Table table = read_table(path, options);
  require_rows(table);
  Columns columns;
  size_t count = table.rows[0].cells.size();
  std::optional<size_t> text = column_of(table, options.text, kText, "text");
  columns.pair = column_of(table, options.pair, kPair, "second text");
  columns.label = column_of(table, options.label, kLabel, "label");
  if (table.columns.empty() && !columns.pair && count <= 2) {
    if (count == 1 && !text) text = 0;
    if (count == 2 && !columns.label && (!text || labels_needed))
      columns.label = text ? 1 - *text : column_of_labels(table);
    if (!text && columns.label) text = 1 - *columns.label;
  }
  GRAFT_CHECK_AS(DataError, text.has_value(), printable(path), ": which column holds the texts? It has ",
                 listed(table), "; name it with --text-column (a name, or a number from 1)");
  GRAFT_CHECK_AS(DataError, columns.label.has_value() || !labels_needed, printable(path),
                 ": which column holds the labels? It has ", listed(table),
                 "; name it with --label-column (a name, or a number from 1)");
  columns.text = *text;
  GRAFT_CHECK_AS(DataError,
                 columns.label != columns.text && columns.pair != columns.text &&
                     (!columns.pair || columns.pair != columns.label),
                 printable(path), ": one column is used twice, of ", listed(table),
                 "; name them with --text-column, --pair-column and --label-column");
  return taken(table, columns);
}

TextTable read_text_pairs(const std::string& path, const TableOptions& options) {
  Table table = read_table(path, options);
  require_rows(table);
  std::optional<size_t> source = column_of(table, options.text, kSource, "source");
  std::optional<size_t> target = column_of(table, options.label, kTarget, "target");
  bool two = table.rows[0].cells.size() == 2;
  if (two && !source) source = target ? 1 - *target : 0;
  if (two && !target) target = 1 - *source;
  GRAFT_CHECK_AS(DataError, source && target && *source != *target, printable(path),
                 ": a column of sources and one of targets are expected, it has ", listed(table),
                 "; name them with --text-column and --label-column");
  return taken(table, {.text = *source, .pair = {}, .label = target});
}

}  // namespace graft::data
