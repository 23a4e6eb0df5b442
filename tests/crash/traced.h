// Runs a piece of work in a child process and stands between it and the system: each of its calls can be
// watched, made to fail, or be its last. Linux on x86-64; elsewhere, and where the system forbids it,
// can_trace() is false.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace graft::test {

// A system call about files as the work made it. Others (memory, time, signals) change nothing that is stored
// and differ from run to run; they are not looked at.
struct Call {
  long number = -1;          // SYS_pwrite64, ...
  std::string path, target;  // the file that it is about; of a rename also the new name
  std::string data;          // of a write: what was written
  int64_t offset = -1;       // of a write: where; -1: where the file stands
  int64_t flags = 0;         // of an open
  int64_t result = 0;        // negative: an errno, negated
  int completed = 0;         // what the work had reported then
};
// "pwrite64 of /tmp/x/.step-1.tmp"
std::string to_text(const Call& call);
bool is_write(const Call& call);
// Whether the call changes what is stored, or can tell that it was not: what a failing disk can fail.
bool is_of_disk(const Call& call);

// What is done to a call.
struct Act {
  enum class Kind : uint8_t {
    let,          // nothing
    kill_before,  // the process ends as the call begins,
    kill_within,  // half of a write was done, or
    kill_after,   // the call was done but nothing behind it
    fail,         // with `error`; the call is not made, only a close always closes
    shorten,      // a write does half of what it was asked to
    pretend,      // the answer is 0, nothing is done
  };
  Kind kind = Kind::let;
  int error = 0;
  int signal = 0;  // sent as the call begins; its handler runs when the call is done
};
using Decide = std::function<Act(const Call& call, int64_t index)>;

// What the work tells from the child. The memory is shared.
struct Report {
  int completed = 0;
  char error[4096] = {};  // the DiskError that ended it
};

struct Traced {
  std::vector<Call> calls;
  bool killed = false;
  int code = -1;  // where it was not killed: 0, 74 for a DiskError, 1 for anything else, or the program's own
  Report report;
};

// False, having said why, where traced() cannot work.
bool can_trace();
// `work` runs in a copy of this process that has one thread.
Traced traced(const std::function<void(Report&)>& work, const Decide& decide = {});
// A program, with its output in files of `folder`, which it runs in. Only its first thread is seen.
Traced traced_program(const std::vector<std::string>& arguments, const std::string& folder,
                      const Decide& decide = {});

}  // namespace graft::test
