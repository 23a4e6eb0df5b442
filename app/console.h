// Standard output, the progress line, and the signals that end a run.
#pragma once

#include <string>

#include "core/str.h"
#include "transfer/report/progress.h"
#include "transfer/result.h"

namespace graft::app {

// A run that SIGINT, SIGTERM or SIGHUP ended. Thrown where progress is told, so that everything is put away
// on the way out.
struct Interrupted {
  int signal;
  std::string what_was_done;  // "training, epoch 3 of 25"
  std::string what_is_left = "nothing was written";
  bool together = false;  // thrown in every process of a team, after the same step
};

// Call first in main. Streams that the caller closed are opened on nothing, so that no file of ours takes
// their numbers; a full disk or a closed pipe becomes an error instead of a signal; SIGINT, SIGTERM and
// SIGHUP are noted (the second ends at once).
void prepare_process();
// The signal that was noted; 0: none.
int noted_signal();

// A line of results, on standard output.
void say(const std::string& line);
// Throws DiskError if anything said did not reach standard output.
void require_said();

// Shows progress on standard error: one redrawn line on a terminal, else plain lines. Each call also looks
// whether a signal has come, and then throws Interrupted. Removes its line when it goes out of scope.
class Display {
 public:
  Display();
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;
  // A team's training steps are not where a signal ends it: all members stop after the same one.
  transfer::OnProgress on_progress(bool of_team = false);
  // A line of results, when the progress line is out of its way.
  void say(const std::string& line);
  // The same on standard error.
  void warn(const std::string& line);

 private:
  transfer::report::ProgressPrinter printer_;
};

// Bytes of memory that the process holds at most so far.
int64_t peak_memory();

}  // namespace graft::app
