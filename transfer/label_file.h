// Labels from a text file.
#pragma once

#include <string>
#include <vector>

namespace graft::transfer {

// One label a line, UTF-8, in the order of the classes; Windows line ends and a byte order mark are taken
// off, empty lines at the end too. Throws DataError, naming the line, for an empty line in between or text
// that is not UTF-8, and for a file that cannot be read or is larger than 16 MiB.
std::vector<std::string> read_labels(const std::string& path);

// Lists made for TensorFlow's networks begin with a class "background" that published PyTorch networks lack.
// Takes it away, and says true, where the list has exactly that one label too many.
bool drop_background(std::vector<std::string>& labels, size_t classes);

}  // namespace graft::transfer
