// Where a run leaves its files: model.graft, report.html or compare.html, metrics.json.
#pragma once

#include <string>
#include <vector>

namespace graft::transfer::report {

struct RunFolder {
  std::string path;
  bool created = false;               // by choose_run_folder
  std::vector<std::string> replaces;  // files of an earlier run that this one will replace
  std::string file(const std::string& name) const { return path + "/" + name; }
};

// With a name, that folder, made where it is missing (its parent must exist); an earlier run's files in it
// are listed in `replaces`, to be said, and each is replaced as a whole only once the new one is complete.
// Without a name, the first of graft-out, graft-out-2, graft-out-3, ... in which no run has left its files,
// so nothing is ever replaced. Throws DiskError where the folder cannot be made or written to.
RunFolder choose_run_folder(const std::string& name);

// Takes a folder away again that choose_run_folder made and nothing was written to.
void abandon(const RunFolder& folder) noexcept;

}  // namespace graft::transfer::report
