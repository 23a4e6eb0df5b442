#include "transfer/picture_files.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace graft::transfer {
namespace fs = std::filesystem;

bool is_picture(const std::string& path) {
  std::string extension = fs::path(path).extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

namespace {

std::vector<std::string> pictures_under(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  auto skip = fs::directory_options::skip_permission_denied;  // links to folders are not followed: no circles
  for (fs::recursive_directory_iterator at(folder, skip, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (is_picture(at->path().string()) && at->is_regular_file(ignored)) found.push_back(at->path().string());
  }
  GRAFT_CHECK_AS(DataError, !error, printable(folder), ": cannot be searched (", error.message(), ")");
  GRAFT_CHECK_AS(DataError, !found.empty(), printable(folder), ": no .jpg, .jpeg or .png in this folder");
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::string> picture_files(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    std::error_code error;
    fs::file_status status = fs::status(name, error);
    GRAFT_CHECK_AS(DataError, fs::exists(status), printable(name), ": no such file or folder");
    if (!fs::is_directory(status)) {
      files.push_back(name);
      continue;
    }
    std::vector<std::string> inside = pictures_under(name);
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

}  // namespace graft::transfer
