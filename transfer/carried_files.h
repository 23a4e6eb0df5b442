// Files that travel inside of a model.graft, so that it is all that is needed: config.json and what the
// tokenizer is made of.
#pragma once

#include <map>
#include <string>

namespace graft::transfer {

using FileContents = std::map<std::string, std::string>;  // by name

// config.json and the tokenizer's files of a published model: its folder, or a file in it. Throws DataError
// as open_tokenizer does, and where there is no config.json. Without `tokenizer`, of a model whose texts are
// numbers, the config alone.
FileContents published_files(const std::string& path, bool tokenizer = true);

// What a model.graft carries; empty for any other file or a folder.
FileContents carried_files(const std::string& path);

// {"vocab.txt": {"text": "..."}, "spiece.model": {"base64": "..."}}: as text where it is UTF-8.
std::string to_json(const FileContents& files);
// Throws DataError, beginning with `where`.
FileContents files_from_json(const std::string& where, const std::string& json);

}  // namespace graft::transfer
