// The memory of one recorded step. What a recorded kernel reads and writes must stay at its address for as
// long as the recording is played, so nobody else gets these blocks: within the step they are handed out
// again as they become free, and they go back to the device's cache once the recording and the last tensor in
// them are gone.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "core/block_cache.h"
#include "core/storage.h"

namespace graft {

class StepPool final : public BlockSource {
 public:
  static std::shared_ptr<StepPool> make(Device device);
  // No recording is played any more.
  void retire();

  // Whose blocks this thread's storages on `device` get; null: those of the device's own cache.
  static BlockCache* active(Device device);
  // For a storage that is freed. True where that has been seen to: the block is a pool's, or it was freed by
  // a step that is being recorded, which may read it whenever it is played, and stays with the pool. False:
  // give it to its cache.
  static bool takes_back(BlockCache& cache, void* block, int64_t bytes, Device device);

  // Notes the blocks that are taken in between, in their order. `name` is for errors. end_part gives the
  // part's number.
  void begin_part(const char* name);
  size_t end_part();

  // While one is alive, this thread's storages on the device are the pool's. In a part that runs again they
  // get the part's blocks, in their order, and no others: DeviceError, naming the part, for another size or
  // one too many.
  class Use {
   public:
    explicit Use(StepPool& pool);
    Use(StepPool& pool, size_t part);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
  };

  void* take(int64_t bytes) override;
  void give(void*) override {}
  void lend(void* block, int64_t bytes, int64_t reserved) override;
  void take_back(void* block, int64_t reserved) override;
  int64_t most_cached() const override;
  std::string name() const override { return "the memory of a recorded step"; }
  ~StepPool() override;

 private:
  // A part's blocks, to be handed out once more.
  struct Loan {
    void* block;
    int64_t reserved;
  };
  struct Part final : BlockSource {
    Part(StepPool& p, const char* n) : pool(p), part(n) {}
    void* take(int64_t bytes) override;
    void give(void*) override {}
    void lend(void*, int64_t, int64_t) override { ++pool.lent_; }
    void take_back(void*, int64_t) override { --pool.lent_; }
    int64_t most_cached() const override { return 0; }
    std::string name() const override { return part; }

    StepPool& pool;
    const char* part;
    std::vector<Loan> loans;
    size_t next = 0;
    BlockCache cache{*this};
  };
  struct Adopted {
    BlockCache* cache;
    void* block;
    int64_t bytes;
  };
  explicit StepPool(Device device) : device_(device) {}
  bool owns(const BlockCache& cache) const;
  void leave_if_done();

  Device device_;
  BlockCache cache_{*this};
  std::vector<std::shared_ptr<Storage>> blocks_;  // from the device's cache
  std::vector<Adopted> adopted_;
  std::deque<Part> parts_;
  bool in_part_ = false;          // in the last of them
  std::atomic<int64_t> lent_{0};  // living storages
  bool retired_ = false;
};

}  // namespace graft
