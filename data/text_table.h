// Tables of texts as people have them: CSV, TSV and JSON lines, with a label for each text or pair of texts,
// or a wanted result for each text; and TREC's questions, "LABEL:part question".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft::data {

enum class TableFormat : uint8_t {
  by_name,  // .csv, .tsv, .jsonl, .label; .txt by its first line: a tab makes it a TSV, else CSV
  csv,      // RFC 4180: cells may stand in quotes, and then hold commas, quotes twice, and line ends
  tsv,      // a cell that begins and ends with a quote stands in quotes; any other quote is a character
  jsonl,    // an object a line
  label,    // "LABEL:part text": what stands before the colon is the label
};
// "csv", "tsv", "jsonl", "label"; "" is by_name. Throws UsageError for anything else.
TableFormat parse_table_format(std::string_view text);

// A file's cells. Column names are empty where the file names none.
struct Table {
  std::string path;
  std::vector<std::string> columns;
  struct Row {
    int64_t line = 0;  // of the file, from 1: where the row begins
    std::vector<std::string> cells;
  };
  std::vector<Row> rows;
};

// What a column is used for. Columns are given by name (case does not matter) or by number, from 1; unset,
// they are found by the names that such files usually have.
struct TableOptions {
  TableFormat format = TableFormat::by_name;
  std::string text = {}, pair = {}, label = {};  // of a source and its target: text and label
  enum class Header : uint8_t { automatic, yes, no } header = Header::automatic;
};

// All cells. Throws DataError, naming file and line, for what cannot be read, is not UTF-8, has a quote that
// is not closed or something behind it, or a row with more or fewer cells than the first.
Table read_table(const std::string& path, const TableOptions& options = {});

struct TextRow {
  std::string text, pair, label;
  std::string place;  // "dev.tsv:12"
};
struct TextTable {
  std::vector<TextRow> rows;
  bool pairs = false;     // each row has two texts
  bool labelled = false;  // and a label
};

// Texts with labels. Without a header and without options, of two columns the label is the one with fewer
// different values. A file without any label is read where `labels_needed` is false. Throws DataError, naming
// file and line, for what read_table refuses, an empty text or label, a file without rows, and columns that
// are not found or could be several, with the columns that there are.
TextTable read_texts(const std::string& path, const TableOptions& options = {}, bool labels_needed = true);
// A source text and the result that is wanted of it, in `text` and `label`: by name source and target, input
// and output, or two columns in this order.
TextTable read_text_pairs(const std::string& path, const TableOptions& options = {});

}  // namespace graft::data
