// From a file's characters to cells, one function a format. All throw DataError with file and line.
#pragma once

#include <string>

#include "data/text_table.h"

namespace graft::data {

// The whole file in UTF-8, without a byte order mark. Throws DataError for what cannot be read, is larger
// than 4 GiB or is not UTF-8, naming the line.
std::string read_text_file(const std::string& path);

Table cells_of_csv(const std::string& path, const std::string& content);
Table cells_of_tsv(const std::string& path, const std::string& content);
// The columns are the keys of the first object; others may lack some of them, which are then empty, but have
// no new ones. Values are strings, numbers or true and false.
Table cells_of_jsonl(const std::string& path, const std::string& content);
// Columns "label" and "text".
Table cells_of_labels(const std::string& path, const std::string& content);

}  // namespace graft::data
