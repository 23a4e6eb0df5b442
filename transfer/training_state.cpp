#include "transfer/training_state.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "weights/checkpoint.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kEnding = ".checkpoint";
constexpr const char* kFormat = "1";
constexpr std::ptrdiff_t kKept = 2;

std::string name_of(int64_t step) {
  char name[64];
  std::snprintf(name, sizeof name, "step-%08lld%s", static_cast<long long>(step), kEnding);
  return name;
}

bool is_checkpoint(const std::string& name) {
  return name.starts_with("step-") && name.ends_with(kEnding);
}

// Whole, but not of this build's format: written by another graft, and nothing to be passed over.
class OtherFormat : public DataError {
 public:
  using DataError::DataError;
};

// Of one file; DataError where it is no whole checkpoint of this format.
struct Stored {
  weights::Checkpoint file;
  Checkpoints::Identity identity;
  int64_t step = 0;
};
Stored open(const std::string& path) {
  Stored out{weights::Checkpoint::open(path), {}, 0};
  const std::map<std::string, std::string>& metadata = out.file.metadata();
  auto text = [&](const char* key) {
    auto found = metadata.find(key);
    GRAFT_CHECK_AS(DataError, found != metadata.end(), path, ": metadata \"", key,
                   "\" is missing; no checkpoint of a training");
    return found->second;
  };
  // Only where the hash that open() checks is there, nothing has changed since it was written.
  text("graft.sha256");
  if (text("graft.checkpoint") != kFormat) {
    fail<OtherFormat>(path, ": format ", printable(text("graft.checkpoint")),
                      " of checkpoints; this build reads format ", kFormat,
                      ". Go on with the graft that wrote it, or start anew without --resume");
  }
  try {
    out.identity = Json::parse(text("graft.run")).get<Checkpoints::Identity>();
  } catch (const Json::exception& e) {
    fail<DataError>(path, ": metadata \"graft.run\" does not hold what it should: ", e.what());
  }
  std::string step = text("graft.step");
  auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), out.step);
  GRAFT_CHECK_AS(DataError, error == std::errc() && end == step.data() + step.size() && out.step >= 0, path,
                 ": step ", printable(step));
  return out;
}

std::string differences(const Checkpoints::Identity& stored, const Checkpoints::Identity& wanted) {
  std::string out;
  auto add = [&](const std::string& what) { out += (out.empty() ? "" : "; ") + what; };
  for (const auto& [key, value] : stored) {
    auto now = wanted.find(key);
    if (now == wanted.end()) {
      add(str(printable(key), " is ", printable(value), " there and nothing here"));
    } else if (now->second != value) {
      add(str(printable(key), " is ", printable(value), " there and ", now->second, " here"));
    }
  }
  for (const auto& [key, value] : wanted) {
    if (!stored.contains(key)) add(str(key, " is ", value, " here and nothing there"));
  }
  return out;
}

}  // namespace

const Tensor& TrainingState::tensor(const std::string& name) const {
  auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const auto& saved) { return saved.name == name; });
  GRAFT_CHECK_AS(DataError, found != tensors.end(), "checkpoint of step ", step, ": ", name, " is missing");
  return found->value;
}

std::vector<std::string> Checkpoints::files() const {
  std::vector<std::string> out;
  for (const std::string& name : names_in(folder_)) {
    if (is_checkpoint(name)) out.push_back((fs::path(folder_) / name).string());
  }
  // Eight digits or more.
  std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a > b;
  });
  return out;
}

void Checkpoints::begin(Identity identity) {
  identity_ = std::move(identity);
  folder_ = fs::absolute(folder_).string();  // wherever the process goes
  lock_ = std::make_unique<FolderLock>(folder_);
  std::error_code error;
  for (const std::string& name : names_in(folder_)) {
    if (name.starts_with(".step-") && name.ends_with(".tmp")) fs::remove(fs::path(folder_) / name, error);
  }
}

void Checkpoints::keep_going(std::function<void(const std::string& why)> told) {
  told_ = std::move(told);
}

std::string Checkpoints::unkept() const {
  if (unkept_ == 0) return "";
  return str(unkept_, unkept_ == 1 ? " checkpoint" : " checkpoints", " could not be written, ",
             unkept_ == 1 ? "" : "the first ", first_unkept_);
}

bool Checkpoints::save(const TrainingState& state) {
  std::string path = (fs::path(folder_) / name_of(state.step)).string();
  try {
    weights::save_safetensors(path, state.tensors,
                              {{"graft.checkpoint", kFormat},
                               {"graft.step", str(state.step)},
                               {"graft.run", Json(identity_).dump()}});
  } catch (const DiskError& e) {
    if (!told_) throw;
    std::string why = str("of step ", state.step, ": ", e.what());
    if (unkept_++ == 0) first_unkept_ = why;
    told_(why);
    return false;
  }
  since_saved_ = {};
  // Later states are those that newest() could not read, or were not wanted.
  try {
    std::error_code error;
    std::vector<std::string> all = files();
    auto own = std::find(all.begin(), all.end(), path);
    for (auto it = all.begin(); it != all.end(); ++it) {
      if (it < own || it - own >= kKept) fs::remove(*it, error);
    }
  } catch (const DiskError&) {
    // The state is kept; the next one clears up.
  }
  return true;
}

std::optional<TrainingState> Checkpoints::newest(std::vector<std::string>& notes) const {
  std::vector<std::string> all = files();
  std::string problems;
  for (const std::string& path : all) {
    TrainingState state;
    Identity identity;
    try {
      Stored stored = open(path);
      identity = stored.identity;
      state.step = stored.step;
      for (const weights::Entry& entry : stored.file.entries())
        state.tensors.push_back({entry.name, stored.file.read(entry.name)});
    } catch (const OtherFormat&) {
      throw;  // an older state would be another run's past, and the next save would take this one away
    } catch (const DataError& e) {
      problems += (problems.empty() ? "" : "; ") + std::string(e.what());
      continue;
    }
    std::string differ = differences(identity, identity_);
    GRAFT_CHECK_AS(DataError, differ.empty(), path, ": belongs to another run: ", differ,
                   ". Go on with the same settings and data, or start anew without --resume");
    if (!problems.empty()) notes.push_back(str("went on from ", path, "; passed over: ", problems));
    return state;
  }
  GRAFT_CHECK_AS(DataError, all.empty(), "no checkpoint in ", printable(folder_), " can be read: ", problems);
  return std::nullopt;
}

void Checkpoints::remove() noexcept {
  try {
    std::error_code ignored;
    for (const std::string& path : files()) fs::remove(path, ignored);
  } catch (const std::exception&) {
    // The run is done all the same; what is left says so when the next one begins here.
  }
}

Checkpoints::~Checkpoints() {
  bool held = lock_ != nullptr;
  lock_.reset();
  // Which leaves a folder alone that holds anything, and a link to one.
  if (held) ::rmdir(folder_.c_str());
}

}  // namespace graft::transfer
