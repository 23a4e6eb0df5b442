// Lines of text files: labels, texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace graft::transfer {

// A file's lines; Windows line ends and a byte order mark are taken off, empty lines at the end too. Throws
// DataError, saying `what` a line should be ("label"), for a file that cannot be read, is larger than
// `most_bytes` or has no line.
std::vector<std::string> lines_of(const std::string& path, std::string_view what, size_t most_bytes);

// One label a line, UTF-8, in the order of the classes. Throws DataError, naming the line, for an empty line
// in between or text that is not UTF-8, and as lines_of does; at most 16 MiB.
std::vector<std::string> read_labels(const std::string& path);

// "daisy, red rose": what stands between the commas, without the spaces around it; what is empty stays, for
// whoever asks for labels to complain of.
std::vector<std::string> labels_in(std::string_view list);

// Lists made for TensorFlow's networks begin with a class "background" that published PyTorch networks lack.
// Takes it away, and says true, where the list has exactly that one label too many.
bool drop_background(std::vector<std::string>& labels, size_t classes);

}  // namespace graft::transfer
