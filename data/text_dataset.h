// Texts to learn from: one table that is split, or a folder with one for training and one that is held out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/text_table.h"

namespace graft::data {

// What a folder or file offers.
struct TextFiles {
  std::string train;
  std::string test;  // empty: a part of `train` is to be held out
};
// A file is `train` itself. In a folder: the table whose name begins with "train", and the one whose name
// begins with "test", or else "dev" or "val" or "eval", or else the only other one. Throws DataError, saying
// what was found.
TextFiles find_text_files(const std::string& path);

// Is this a file, or a folder with tables in it and no folders of pictures?
bool holds_texts(const std::string& path);

struct TextDatasetOptions {
  TableOptions table = {};
  double test_share = 0.2;  // held out where there is no file for it; 0: nothing
  uint64_t seed = 0;        // of that split
};
struct TextDataset {
  std::vector<std::string> classes;  // in byte order; numbers by value
  std::vector<TextRow> train, test;  // in the order of their files
  std::string test_from;             // the file's name, or "split"
  bool pairs = false;
};
// Texts with labels; both files have pairs or neither has. A label of the test file must be in the training
// file. Throws DataError as read_texts does and where there are fewer than two classes.
TextDataset read_text_dataset(const std::string& path, const TextDatasetOptions& options = {});
// A table to be scored with labels that are known already: the test file where there is one.
TextTable read_text_tests(const std::string& path, const TableOptions& options = {});

// Splits at random by seed, without regard to classes: round(share * count) rows go to the second part, but
// where share > 0 and there are two or more never none and never all.
std::pair<std::vector<TextRow>, std::vector<TextRow>> split_rows(const std::vector<TextRow>& rows,
                                                                 double share, uint64_t seed);

}  // namespace graft::data
