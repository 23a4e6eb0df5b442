#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/rng.h"
#include "data/dataset.h"

namespace graft::data {
namespace {

std::string system_reason(int error) {
  return std::generic_category().message(error);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

bool is_picture_name(std::string_view name) {
  size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string extension = lower(name.substr(dot + 1));
  return extension == "jpg" || extension == "jpeg" || extension == "png";
}

// What one folder holds, sorted.
struct Listing {
  std::vector<std::string> folders, files;
};

Listing list(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), closedir);
  GRAFT_CHECK_AS(DataError, dir, path, ": the folder cannot be read: ", system_reason(errno));
  Listing out;
  for (;;) {
    errno = 0;
    dirent* entry = readdir(dir.get());
    if (!entry) {
      GRAFT_CHECK_AS(DataError, errno == 0, path, ": the folder cannot be read: ", system_reason(errno));
      break;
    }
    std::string_view name = entry->d_name;
    if (name[0] == '.') continue;
    GRAFT_CHECK_AS(DataError, is_utf8(name), path, "/", printable(name),
                   ": the name is not UTF-8; rename it");
    bool folder = entry->d_type == DT_DIR, file = entry->d_type == DT_REG;
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
      struct stat info;
      std::string full = str(path, "/", name);
      if (stat(full.c_str(), &info) != 0) {
        GRAFT_CHECK_AS(DataError, errno != ELOOP, full, ": a link that leads to itself; remove it");
        // A link to nowhere counts as a file: reading it says what is wrong, and can be skipped.
        file = true;
      } else {
        folder = S_ISDIR(info.st_mode);
        file = S_ISREG(info.st_mode);
      }
    }
    if (folder) out.folders.emplace_back(name);
    if (file) out.files.emplace_back(name);
  }
  std::sort(out.folders.begin(), out.folders.end());
  std::sort(out.files.begin(), out.files.end());
  return out;
}

// Gathers the pictures below one class folder.
class ClassScan {
 public:
  ClassScan(const std::string& root, int64_t* ignored) : root_(root), ignored_(ignored) {}

  std::vector<std::string> pictures(const std::string& folder) {
    found_.clear();
    visit(folder);
    std::sort(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  void visit(const std::string& folder) {
    const std::string path = str(root_, "/", folder);
    struct stat info;
    GRAFT_CHECK_AS(DataError, stat(path.c_str(), &info) == 0, path,
                   ": the folder cannot be read: ", system_reason(errno));
    const std::pair identity(info.st_dev, info.st_ino);
    GRAFT_CHECK_AS(DataError, std::find(above_.begin(), above_.end(), identity) == above_.end(), path,
                   ": a link that leads back to a folder above it; remove it");
    GRAFT_CHECK_AS(DataError, above_.size() < 64, path, ": folders are nested more than 64 deep");
    above_.push_back(identity);
    Listing here = list(path);
    for (const std::string& file : here.files) {
      if (is_picture_name(file)) {
        found_.push_back(str(folder, "/", file));
      } else {
        ++*ignored_;
      }
    }
    for (const std::string& inner : here.folders) visit(str(folder, "/", inner));
    above_.pop_back();
  }

  const std::string& root_;
  int64_t* ignored_;
  std::vector<std::string> found_;
  std::vector<std::pair<dev_t, ino_t>> above_;  // the folders that lead here
};

void refuse_case_twins(const std::string& path, const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, std::string>> folded;
  for (const std::string& name : names) folded.emplace_back(lower(name), name);
  std::sort(folded.begin(), folded.end());
  for (size_t i = 1; i < folded.size(); ++i) {
    GRAFT_CHECK_AS(DataError, folded[i].first != folded[i - 1].first, path, ": the classes \"",
                   folded[i - 1].second, "\" and \"", folded[i].second,
                   "\" differ only by case; merge or rename them");
  }
}

bool contains(const std::vector<std::string>& sorted, std::string_view name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

// The name of the held-out folder beside train/, or "".
std::string held_out_folder(const std::vector<std::string>& folders) {
  for (const char* name : {"test", "val", "validation"}) {
    if (contains(folders, name)) return name;
  }
  return "";
}

void scan_train(Dataset& set, const std::string& prefix, const std::vector<std::string>& classes) {
  const std::string where =
      prefix.empty() ? set.root : str(set.root, "/", prefix.substr(0, prefix.size() - 1));
  GRAFT_CHECK_AS(
      DataError, !classes.empty(), where,
      ": no class folders; put the pictures of each class into a folder of its own, named like the class");
  GRAFT_CHECK_AS(DataError, classes.size() >= 2, where, ": only one class, \"", printable(classes[0]),
                 "\"; a classifier needs at least two class folders");
  refuse_case_twins(where, classes);
  set.classes = classes;
  ClassScan scan(set.root, &set.ignored);
  for (size_t label = 0; label < classes.size(); ++label) {
    int64_t ignored_before = set.ignored;
    std::vector<std::string> files = scan.pictures(str(prefix, classes[label]));
    GRAFT_CHECK_AS(DataError, !files.empty(), where, "/", classes[label], ": the class has no pictures (",
                   set.ignored - ignored_before,
                   " other files; .jpg, .jpeg and .png are read); add some or remove it");
    for (std::string& file : files) set.train.push_back({std::move(file), static_cast<int64_t>(label)});
  }
}

void scan_held_out(Dataset& set, const std::string& folder) {
  const std::string where = str(set.root, "/", folder);
  Listing listing = list(where);
  refuse_case_twins(where, listing.folders);
  ClassScan scan(set.root, &set.ignored);
  for (const std::string& name : listing.folders) {
    auto at = std::lower_bound(set.classes.begin(), set.classes.end(), name);
    GRAFT_CHECK_AS(DataError, at != set.classes.end() && *at == name, where, "/", name, ": the class \"",
                   name, "\" is not in train/, so it cannot be learned; add it there or remove it here");
    for (std::string& file : scan.pictures(str(folder, "/", name))) {
      set.test.push_back({std::move(file), at - set.classes.begin()});
    }
  }
  GRAFT_CHECK_AS(DataError, !set.test.empty(), where,
                 ": no pictures in class folders; add some or remove the folder");
}

}  // namespace

Dataset scan_folder(const std::string& root, const DatasetOptions& options) {
  GRAFT_CHECK_AS(UsageError, options.test_share >= 0 && options.test_share < 1, "data set: test share ",
                 options.test_share, " is not in [0, 1)");
  struct stat info;
  GRAFT_CHECK_AS(DataError, stat(root.c_str(), &info) == 0, root, ": ",
                 errno == ENOENT ? "no such folder" : system_reason(errno));
  GRAFT_CHECK_AS(DataError, S_ISDIR(info.st_mode), root,
                 ": a file; give a folder that holds one folder of pictures for each class");
  Dataset set;
  set.root = root;
  while (set.root.size() > 1 && set.root.back() == '/') set.root.pop_back();
  Listing top = list(set.root);
  const std::string held_out = held_out_folder(top.folders);
  // A class may be called "train" (bus, car, train): only with test/ or val/ beside it, or alone, is it the
  // training half.
  const bool halves = contains(top.folders, "train") && (!held_out.empty() || top.folders.size() == 1);
  if (halves) {
    scan_train(set, "train/", list(str(set.root, "/train")).folders);
  } else {
    scan_train(set, "", top.folders);
  }
  if (halves && !held_out.empty()) {
    scan_held_out(set, held_out);
    set.test_from = held_out == "test" ? "test" : "val";
  } else {
    Split parts = split(set.train, options.test_share, options.seed);
    set.train = std::move(parts.first);
    set.test = std::move(parts.second);
    set.test_from = "split";
  }
  return set;
}

Split split(const std::vector<Sample>& samples, double share, uint64_t seed) {
  GRAFT_CHECK(share >= 0 && share < 1, "split: share ", share, " is not in [0, 1)");
  int64_t classes = 0;
  for (const Sample& s : samples) classes = std::max(classes, s.label + 1);
  std::vector<std::vector<size_t>> members(static_cast<size_t>(classes));
  for (size_t i = 0; i < samples.size(); ++i) members[static_cast<size_t>(samples[i].label)].push_back(i);
  std::vector<bool> to_second(samples.size());
  for (size_t label = 0; label < members.size(); ++label) {
    std::vector<size_t>& of_class = members[label];
    auto n = static_cast<int64_t>(of_class.size());
    int64_t take = std::llround(share * static_cast<double>(n));
    take = share > 0 && n >= 2 ? std::clamp<int64_t>(take, 1, n - 1) : 0;
    Rng rng(seed, label);
    rng.shuffle(of_class);
    for (int64_t i = 0; i < take; ++i) to_second[of_class[static_cast<size_t>(i)]] = true;
  }
  Split out;
  for (size_t i = 0; i < samples.size(); ++i) (to_second[i] ? out.second : out.first).push_back(samples[i]);
  return out;
}

}  // namespace graft::data
