// What a disk may hold after a loss of power, by a model of file systems that honour fsync and promise
// nothing else (as Pillai et al., "All file systems are not created equal: on the complexity of crafting
// crash-consistent applications", OSDI 2014, found them to be). From the calls of a program:
//  - a write is sure once its file was synchronised; until then it may be missing, zeros, or torn;
//  - a name that was made, moved or removed is sure once its folder was synchronised; until then each such
//    change may have happened or not, whichever came first, but a rename happens as a whole;
//  - a file whose name is missing, or a folder of it, is not to be found.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/traced.h"

namespace graft::test {

// Files by path; a folder ends with '/'.
using Stored = std::map<std::string, std::string>;

class PowerModel {
 public:
  // Names outside `root`, a folder that is there from the start, are nobody's business. For tests of the
  // tests, what a file system must honour can be left out.
  enum class Honours : uint8_t { all, not_files, not_folders };
  explicit PowerModel(std::string root, Honours honours = Honours::all)
      : root_(std::move(root)), honours_(honours) {}

  // A call that has returned.
  void follow(const Call& call);
  // What may be stored if the power goes now.
  std::set<Stored> states() const;

 private:
  struct Write {
    size_t offset;
    std::string data;
  };
  struct File {
    std::string sure;
    std::vector<Write> unsure;
  };
  static constexpr int kFolder = -1;
  // Unset: the name is removed.
  struct Change {
    std::string name;
    std::optional<int> becomes;
  };
  struct Changes {
    std::string folder;
    std::vector<Change> all;  // happen together
  };

  bool is_ours(const std::string& path) const { return path.starts_with(root_ + "/"); }
  void synchronise(const std::string& path);
  std::vector<std::string> contents(const File& file) const;
  void add_states(const std::map<std::string, int>& names, std::set<Stored>& out) const;

  std::string root_;
  Honours honours_;
  std::vector<File> files_;
  std::map<std::string, int> now_, sure_;  // names, as programs see them and as they are on the disk
  std::vector<Changes> unsure_;
};

}  // namespace graft::test
