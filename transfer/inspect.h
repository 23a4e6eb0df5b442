// What is in a checkpoint, without anybody having to say which network it is of.
#pragma once

#include <string>
#include <vector>

#include "weights/checkpoint.h"

namespace graft::transfer {

// Tensors whose names begin alike: "layer1", "features.3".
struct TensorGroup {
  std::string name;
  int64_t tensors = 0, elements = 0, bytes = 0;
};
// In the order in which they first appear. A number after the first part belongs to the group's name.
std::vector<TensorGroup> groups(const weights::Checkpoint& checkpoint);

// The networks of nn/models whose tensors have the names and shapes that are in the file, the head's class
// count aside; a prefix that all names share ("module.") does not matter, nor do missing counters of batches.
std::vector<std::string> recognised(const weights::Checkpoint& checkpoint);

// Classes of the head, by its name in that network: the first size of its weight; 0 where the file has none.
int64_t classes_of_head(const weights::Checkpoint& checkpoint, const std::string& head);

}  // namespace graft::transfer
