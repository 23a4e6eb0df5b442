// Where a training stands between two steps, and the folder that keeps it: what a stopped run goes on from,
// to the bit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/folder_lock.h"
#include "transfer/stopwatch.h"
#include "weights/save.h"

namespace graft::transfer {

struct TrainingState {
  int64_t step = 0;                           // steps that are done
  std::vector<weights::SavedTensor> tensors;  // by name, on the CPU

  // Throws DataError where there is none of that name.
  const Tensor& tensor(const std::string& name) const;
};

// Keeps the two newest states of one run, each as a file `step-000123.checkpoint` (safetensors with a hash
// over all bytes) that appears whole or not at all: a kill, a full disk or a loss of power at any time leaves
// the last complete one.
class Checkpoints {
 public:
  // What must be the same for a run to go on: "seed" -> "0", "settings.batch" -> "32", "weights" -> hash.
  using Identity = std::map<std::string, std::string>;

  // every: steps between two; 0: one after an epoch, where the last is at least five seconds old.
  explicit Checkpoints(std::string folder, int64_t every = 0) : folder_(std::move(folder)), every_(every) {}
  ~Checkpoints();  // leaves no empty folder
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  // Says whose states these are, before anything else, and takes away what a kill left half-written. Throws
  // DiskError where another process keeps the folder; nobody else can until this object is gone.
  void begin(Identity identity);
  bool due(int64_t step, bool epoch_ends) const {
    return every_ > 0 ? step % every_ == 0 : epoch_ends && since_saved_.seconds() >= 5;
  }
  // True where the state is kept. Throws DiskError, naming the file and what is needed; the older ones are
  // untouched.
  bool save(const TrainingState& state);
  // From now on a state that cannot be written is no error: `told` hears why, save() is false, and the run
  // goes on to the next that is due.
  void keep_going(std::function<void(const std::string& why)> told);
  // How many states could not be written, and why the first one could not; empty: none.
  std::string unkept() const;
  // The newest state that can be read; none where there is no file. Why a newer one was passed over is added
  // to `notes`. Throws DataError, listing what differs, for another run's states, for a whole one of another
  // format (a newer graft's: what is torn is passed over, what is whole is not), and where there are files
  // and none is readable.
  std::optional<TrainingState> newest(std::vector<std::string>& notes) const;
  // When the run is done: its files.
  void remove() noexcept;
  // Whether there is anything to go on from.
  bool any() const { return !files().empty(); }
  const std::string& folder() const { return folder_; }

 private:
  std::vector<std::string> files() const;  // paths, the newest first
  std::string folder_;
  int64_t every_;
  Identity identity_;
  std::unique_ptr<FolderLock> lock_;
  Stopwatch since_saved_;
  std::function<void(const std::string&)> told_;  // empty: what cannot be written ends the run
  int64_t unkept_ = 0;
  std::string first_unkept_;
};

}  // namespace graft::transfer
