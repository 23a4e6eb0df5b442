#include "transfer/report/run_folder.h"

#include <unistd.h>

#include <filesystem>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file.h"

namespace graft::transfer::report {
namespace {

namespace fs = std::filesystem;

const char* const kDefaultName = "graft-out";
const char* const kFiles[] = {"model.graft", "report.html", "compare.html", "metrics.json"};

std::vector<std::string> files_of_a_run(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const char* name : kFiles) {
    if (fs::exists(fs::path(folder) / name, ignored)) found.emplace_back(name);
  }
  return found;
}

std::string first_free_name() {
  for (int count = 1; count < 100000; ++count) {
    std::string name = count == 1 ? kDefaultName : str(kDefaultName, "-", count);
    std::error_code ignored;
    bool usable = !fs::exists(name, ignored) || fs::is_directory(name, ignored);
    if (usable && files_of_a_run(name).empty()) return name;
  }
  fail<DiskError>(kDefaultName, ": 100,000 runs are here already; name a folder with --out");
}

}  // namespace

RunFolder choose_run_folder(const std::string& name) {
  RunFolder folder{name.empty() ? first_free_name() : name, false, {}};
  while (folder.path.size() > 1 && folder.path.back() == '/') folder.path.pop_back();
  std::error_code error;
  if (fs::exists(folder.path, error) && !fs::is_directory(folder.path, error)) {
    fail<DiskError>(printable(folder.path), ": is a file; a folder is needed for the run's results");
  }
  folder.created = fs::create_directory(folder.path, error);
  if (error) {
    fail<DiskError>(printable(folder.path), ": the folder cannot be made (", error.message(),
                    "); name another with --out");
  }
  fs::path parent = fs::path(folder.path).parent_path();
  if (folder.created) sync_folder(parent.empty() ? "." : parent.string());
  for (const char* file : kFiles) AtomicFile::remove_leftovers(folder.file(file));
  folder.replaces = files_of_a_run(folder.path);
  try {
    require_writable(folder.file("metrics.json"));
  } catch (const DiskError&) {
    abandon(folder);
    throw;
  }
  return folder;
}

void abandon(const RunFolder& folder) noexcept {
  if (folder.created) ::rmdir(folder.path.c_str());  // which leaves a folder alone that holds anything
}

}  // namespace graft::transfer::report
