#include "data/text_dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/rng.h"

namespace graft::data {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSplitStream = 0x54455854;  // what the random numbers are for; any that no other has

bool is_table(const fs::path& path) {
  static const std::set<std::string> known = {".csv", ".tsv", ".jsonl", ".ndjson", ".label", ".txt"};
  return known.contains(path.extension().string());
}

// What is in a folder of data. One that cannot be read is bad data, not a bad disk.
std::vector<fs::path> entries_of(const std::string& folder) {
  std::vector<fs::path> out;
  try {
    for (const std::string& name : names_in(folder)) out.push_back(fs::path(folder) / name);
  } catch (const DiskError& e) {
    fail<DataError>(e.what());
  }
  return out;
}

// Files that look like tables, in byte order.
std::vector<fs::path> tables_in(const std::string& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (const fs::path& path : entries_of(folder)) {
    if (fs::is_regular_file(path, error) && is_table(path)) out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string stem(const fs::path& path) {
  std::string out = path.stem().string();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Takes the one table whose name begins with `prefix` out of the list; empty where there is none.
std::string take(std::vector<fs::path>& tables, const std::string& prefix, const std::string& folder) {
  auto fits = [&](const fs::path& path) { return stem(path).starts_with(prefix); };
  auto first = std::find_if(tables.begin(), tables.end(), fits);
  if (first == tables.end()) return "";
  auto second = std::find_if(first + 1, tables.end(), fits);
  GRAFT_CHECK_AS(DataError, second == tables.end(), printable(folder), ": which one is it, ",
                 printable(first->filename().string()), " or ",
                 second == tables.end() ? "" : printable(second->filename().string()), "? Name the file");
  std::string out = first->string();
  tables.erase(first);
  return out;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string> classes_of(const std::vector<TextRow>& rows) {
  std::set<std::string> names;
  for (const TextRow& row : rows) names.insert(row.label);
  std::vector<std::string> out(names.begin(), names.end());
  if (std::all_of(out.begin(), out.end(), is_number)) {
    std::stable_sort(out.begin(), out.end(),
                     [](const std::string& a, const std::string& b) { return std::stol(a) < std::stol(b); });
  }
  return out;
}

// Class by class, as pictures are split.
void split_by_class(std::vector<TextRow>& train, std::vector<TextRow>& test,
                    const std::vector<std::string>& classes, const TextDatasetOptions& options) {
  std::set<size_t> held_out;
  for (size_t c = 0; c < classes.size(); ++c) {
    std::vector<size_t> members;
    for (size_t i = 0; i < train.size(); ++i) {
      if (train[i].label == classes[c]) members.push_back(i);
    }
    Rng(options.seed, kSplitStream, c).shuffle(members);
    auto count = static_cast<size_t>(std::lround(options.test_share * static_cast<double>(members.size())));
    if (members.size() >= 2) count = std::clamp<size_t>(count, 1, members.size() - 1);
    held_out.insert(members.begin(), members.begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::vector<TextRow> rest;
  for (size_t i = 0; i < train.size(); ++i)
    (held_out.contains(i) ? test : rest).push_back(std::move(train[i]));
  train = std::move(rest);
}

}  // namespace

TextFiles find_text_files(const std::string& path) {
  std::error_code error;
  GRAFT_CHECK_AS(DataError, fs::exists(path, error), printable(path), ": there is no such file or folder");
  if (!fs::is_directory(path, error)) return {path, ""};
  std::vector<fs::path> tables = tables_in(path);
  GRAFT_CHECK_AS(DataError, !tables.empty(), printable(path),
                 ": no .csv, .tsv, .jsonl, .label or .txt file in it");
  std::string found;
  for (const fs::path& table : tables) found += str(found.empty() ? "" : ", ", table.filename().string());
  TextFiles out;
  if (tables.size() == 1) return {tables[0].string(), ""};
  out.train = take(tables, "train", path);
  GRAFT_CHECK_AS(DataError, !out.train.empty(), printable(path),
                 ": none of its files' names begins with "
                 "\"train\" (",
                 printable(found), "); name the file itself");
  for (const char* prefix : {"test", "dev", "val", "eval"}) {
    if (out.test.empty()) out.test = take(tables, prefix, path);
  }
  if (out.test.empty() && tables.size() == 1) out.test = tables[0].string();
  return out;
}

bool holds_texts(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return true;
  if (!fs::is_directory(path, error)) return false;
  for (const fs::path& entry : entries_of(path)) {
    if (fs::is_directory(entry, error) && !entry.filename().string().starts_with(".")) return false;
  }
  return !tables_in(path).empty();
}

TextDataset read_text_dataset(const std::string& path, const TextDatasetOptions& options) {
  TextFiles files = find_text_files(path);
  TextTable train = read_texts(files.train, options.table);
  TextDataset out;
  out.pairs = train.pairs;
  out.train = std::move(train.rows);
  out.classes = classes_of(out.train);
  GRAFT_CHECK_AS(DataError, out.classes.size() >= 2, printable(files.train), ": every label is \"",
                 printable(out.classes.at(0)), "\"; telling texts apart needs two or more");
  if (files.test.empty()) {
    out.test_from = "split";
    if (options.test_share > 0) split_by_class(out.train, out.test, out.classes, options);
    return out;
  }
  TextTable test = read_texts(files.test, options.table);
  GRAFT_CHECK_AS(DataError, test.pairs == out.pairs, printable(files.test), ": ",
                 test.pairs ? "two texts" : "one text", " in a row, but ", printable(files.train), " has ",
                 out.pairs ? "two" : "one");
  for (const TextRow& row : test.rows) {
    GRAFT_CHECK_AS(
        DataError, std::find(out.classes.begin(), out.classes.end(), row.label) != out.classes.end(),
        row.place, ": the label \"", printable(row.label), "\" is not in ", printable(files.train));
  }
  out.test = std::move(test.rows);
  out.test_from = fs::path(files.test).filename().string();
  return out;
}

TextTable read_text_tests(const std::string& path, const TableOptions& options) {
  TextFiles files = find_text_files(path);
  return read_texts(files.test.empty() ? files.train : files.test, options);
}

std::pair<std::vector<TextRow>, std::vector<TextRow>> split_rows(const std::vector<TextRow>& rows,
                                                                 double share, uint64_t seed) {
  std::vector<size_t> order(rows.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Rng(seed, kSplitStream).shuffle(order);
  auto count = static_cast<size_t>(std::lround(share * static_cast<double>(rows.size())));
  if (rows.size() >= 2 && share > 0) count = std::clamp<size_t>(count, 1, rows.size() - 1);
  std::set<size_t> second(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
  std::pair<std::vector<TextRow>, std::vector<TextRow>> out;
  for (size_t i = 0; i < rows.size(); ++i) (second.contains(i) ? out.second : out.first).push_back(rows[i]);
  return out;
}

}  // namespace graft::data
