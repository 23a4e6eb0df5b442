// From what a user names on the command line to picture files.
#pragma once

#include <string>
#include <vector>

namespace graft::transfer {

// Whether the name ends in .jpg, .jpeg or .png, in letters of either case.
bool is_picture(const std::string& path);

// Files stay as they are, in their order; a folder becomes the .jpg, .jpeg and .png files in it and in deeper
// folders, in byte order. Throws DataError for what does not exist and for a folder without pictures.
std::vector<std::string> picture_files(const std::vector<std::string>& names);

}  // namespace graft::transfer
