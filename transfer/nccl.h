// Sums that stay on GPUs, by NVIDIA's NCCL, which is looked for when several processes meet on GPUs and is
// never linked: a machine without it needs none.
#pragma once

#include <memory>
#include <string>

#include "transfer/team.h"

namespace graft::transfer {

// Functions of a libnccl.so.2 that this process has loaded.
struct NcclLibrary;

struct FoundNccl {
  const NcclLibrary* library = nullptr;  // null: there is none, and
  std::string why_not = "";              // "no libnccl.so.2: cannot open shared object file"
};
// The file that GRAFT_NCCL names, or libnccl.so.2 where the system finds libraries. Throws UsageError where
// GRAFT_NCCL names what cannot be used.
FoundNccl find_nccl();

// A meeting of all members, each of which computes on another GPU: `device` is this member's. Throws
// DeviceError with NCCL's own words.
std::unique_ptr<DeviceSums> join_nccl(const NcclLibrary& library, Team& team, Device device);

// "2.27.3", of the number that NCCL gives itself.
std::string nccl_version_text(int code);

}  // namespace graft::transfer
