#include "tests/crash/power.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace graft::test {
namespace {

std::string folder_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

bool is(const Call& call, const char* name) {
  std::string text = to_text(call);
  return text.substr(0, text.find(' ')) == name;
}

void put(std::string& content, size_t offset, const std::string& data) {
  if (content.size() < offset + data.size()) content.resize(offset + data.size(), '\0');
  content.replace(offset, data.size(), data);
}

}  // namespace

void PowerModel::follow(const Call& call) {
  if (call.result < 0 || (call.path != root_ && !is_ours(call.path))) return;
  if (is(call, "openat") || is(call, "open")) {
    if (!(call.flags & O_CREAT) || now_.contains(call.path)) return;
    int file = static_cast<int>(files_.size());
    files_.emplace_back();
    now_[call.path] = file;
    unsure_.push_back({folder_of(call.path), {{call.path, file}}});
  } else if (is(call, "mkdir")) {
    now_[call.path] = kFolder;
    unsure_.push_back({folder_of(call.path), {{call.path, kFolder}}});
  } else if (is(call, "unlink") || is(call, "rmdir")) {
    now_.erase(call.path);
    unsure_.push_back({folder_of(call.path), {{call.path, std::nullopt}}});
  } else if (is(call, "rename")) {
    int file = now_.at(call.path);
    now_.erase(call.path);
    now_[call.target] = file;
    unsure_.push_back({folder_of(call.path), {{call.path, std::nullopt}, {call.target, file}}});
  } else if (is_write(call)) {
    GRAFT_CHECK(call.offset >= 0, "power model: ", to_text(call), " says no place");
    size_t done = static_cast<size_t>(call.result);
    files_[static_cast<size_t>(now_.at(call.path))].unsure.push_back(
        {static_cast<size_t>(call.offset), call.data.substr(0, done)});
  } else if (is(call, "fsync") || is(call, "fdatasync")) {
    synchronise(call.path);
  } else {
    GRAFT_CHECK(!is_of_disk(call) || is(call, "close") || is(call, "flock"), "power model: ", to_text(call),
                " is not known to it");
  }
}

void PowerModel::synchronise(const std::string& path) {
  auto found = now_.find(path);
  bool folder = path == root_ || (found != now_.end() && found->second == kFolder);
  if (folder && honours_ != Honours::not_folders) {
    for (const Changes& changes : unsure_) {
      if (changes.folder != path) continue;
      for (const Change& change : changes.all) {
        sure_.erase(change.name);
        if (change.becomes) sure_[change.name] = *change.becomes;
      }
    }
    std::erase_if(unsure_, [&](const Changes& changes) { return changes.folder == path; });
  }
  if (!folder && found != now_.end() && honours_ != Honours::not_files) {
    File& file = files_[static_cast<size_t>(found->second)];
    for (const Write& write : file.unsure) put(file.sure, write.offset, write.data);
    file.unsure.clear();
  }
}

// Writes up to one of them, of which some bytes are there, or zeros instead; or all but one.
std::vector<std::string> PowerModel::contents(const File& file) const {
  std::vector<std::string> out = {file.sure};
  for (size_t last = 0; last < file.unsure.size(); ++last) {
    std::string before = file.sure;
    for (size_t i = 0; i < last; ++i) put(before, file.unsure[i].offset, file.unsure[i].data);
    const Write& write = file.unsure[last];
    for (size_t bytes = 0; bytes <= write.data.size(); ++bytes) {
      std::string torn = before, zeros = before;
      put(torn, write.offset, write.data.substr(0, bytes));
      out.push_back(torn);
      put(zeros, write.offset, std::string(bytes, '\0'));
      out.push_back(zeros);
    }
    std::string without = file.sure;
    for (size_t i = 0; i < file.unsure.size(); ++i) {
      if (i != last) put(without, file.unsure[i].offset, file.unsure[i].data);
    }
    out.push_back(without);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// With these names on the disk.
void PowerModel::add_states(const std::map<std::string, int>& names, std::set<Stored>& out) const {
  std::vector<Stored> states = {{}};
  for (const auto& [name, file] : names) {
    bool found = true;
    for (std::string folder = folder_of(name); folder != root_; folder = folder_of(folder))
      found = found && names.contains(folder);
    if (!found) continue;
    std::vector<std::string> variants = {""};
    if (file != kFolder) variants = contents(files_[static_cast<size_t>(file)]);
    std::vector<Stored> more;
    for (const Stored& state : states) {
      for (const std::string& content : variants) {
        more.push_back(state);
        more.back()[file == kFolder ? name + "/" : name] = content;
      }
    }
    states = std::move(more);
  }
  out.insert(states.begin(), states.end());
}

std::set<Stored> PowerModel::states() const {
  constexpr size_t kMost = 12;
  GRAFT_CHECK(unsure_.size() <= kMost, "power model: ", unsure_.size(),
              " changes of names are not synchronised");
  std::set<Stored> out;
  for (size_t subset = 0; subset < size_t{1} << unsure_.size(); ++subset) {
    std::map<std::string, int> names = sure_;
    for (size_t i = 0; i < unsure_.size(); ++i) {
      if (!(subset >> i & 1)) continue;
      for (const Change& change : unsure_[i].all) {
        names.erase(change.name);
        if (change.becomes) names[change.name] = *change.becomes;
      }
    }
    add_states(names, out);
  }
  return out;
}

}  // namespace graft::test
