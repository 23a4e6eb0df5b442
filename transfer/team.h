// Processes that train one network together, each on its share of every batch.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/tensor.h"

namespace graft::transfer {

// Every member calls the same of these functions in the same order, with as much data.
class Team {
 public:
  virtual ~Team() = default;
  virtual int rank() const = 0;  // from 0
  virtual int size() const = 0;
  // The member that speaks, and writes the files.
  bool leads() const { return rank() == 0; }

  // Starts to replace each element by its sum over all members, to the same bits everywhere; a contiguous
  // CPU tensor in f32 or f64, which nobody may touch before wait().
  virtual void start_sum(const Tensor& values) = 0;
  virtual void wait() = 0;  // for all sums that were started
  // The leader's bytes are everybody's.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  virtual void barrier() = 0;
};

// The sums over all members, at once.
void sum(Team& team, const Tensor& values);
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
