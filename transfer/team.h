// Processes that train one network together, each on its share of every batch.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/members.h"
#include "core/side_stream.h"
#include "core/tensor.h"

namespace graft::transfer {

// Sums over all members that stay on the members' devices, beside what those compute. Every member starts
// sums of the same sizes in the same order. What goes wrong is a DeviceError, after which nothing can be
// summed any more.
class DeviceSums {
 public:
  virtual ~DeviceSums() = default;
  virtual std::string name() const = 0;  // "NCCL 2.27.3"
  virtual std::unique_ptr<Mark> mark() = 0;
  // After the place of the mark: runs `prepare`, as SideStream::run does, and replaces each element of
  // `values` by its sum over all members, to the same bits everywhere; contiguous, f32 or f64.
  virtual void start(const Mark& after, std::function<void()> prepare, const Tensor& values) = 0;
  virtual void wait() = 0;  // for all sums that were started
};

class Team : public Members {
 public:
  // The member that speaks, and writes the files.
  bool leads() const { return rank() == 0; }

  // Starts a sum, of a tensor that nobody may touch before wait(). sum() does not wait for these.
  virtual void start_sum(const Tensor& values) = 0;
  virtual void wait() = 0;  // for all sums that were started
  // For tensors on this device, where all members have what it takes; null: they are summed on the CPU. The
  // first call meets the other members.
  virtual DeviceSums* device_sums(Device) { return nullptr; }
  // The leader's bytes are everybody's.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  virtual void barrier() = 0;

  // What may come to one member alone and is for all, such as a signal: a training asks `notice` after each
  // of its steps, and where any member's answer is not 0, the leader saves where the training stands and all
  // call `heed` with the first of these answers and the place, "training, step 12". It may throw.
  std::function<int()> notice = {};
  std::function<void(int notice, const std::string& where)> heed = {};
};

// The leader's, whatever the others hold.
void broadcast(Team& team, std::span<double> values);
std::string broadcast(Team& team, const std::string& text);
Tensor broadcast(Team& team, const Tensor& tensor);  // on the CPU; possibly undefined
// Throws Error, on every member, where one has another text than the leader: what must be the same
// everywhere.
void require_same(Team& team, const std::string& what, const std::string& text);

// The consecutive part [begin, end) of `count` things that is a member's. The leader has at least as many as
// anybody.
struct Part {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};
Part part_of(int64_t count, int rank, int size);

}  // namespace graft::transfer
