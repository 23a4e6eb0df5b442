// Progress for people: on a terminal one line that is redrawn, elsewhere plain lines, one an epoch or phase.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "transfer/result.h"

namespace graft::transfer::report {

struct LineStyle {
  int width = 80;       // columns of the terminal
  bool colour = false;  // ANSI colours
  bool unicode = true;  // the bar in box-drawing characters, else in # and -
};

// The share of the phase that is done, 0..1. Where it has epochs, done and total count over all of them.
double fraction_done(const Progress& progress);
// "train 7/25 ━━━━━━────  26 %  loss 0.412  acc 88.1 %  512/s  310 MiB  0:42 left", never wider than
// style.width: where there is no room, memory goes first, then rate, loss, accuracy, and at last the time.
// `seconds_left` below 0 and `memory` 0 mean "not known".
std::string progress_line(const Progress& progress, double seconds_left, int64_t memory,
                          const LineStyle& style);
// "train: epoch 7 of 25, loss 0.412, accuracy 88.1 %, 512/s, 310 MiB, 0:42 left"
std::string progress_text(const Progress& progress, double seconds_left, int64_t memory);

// Columns that UTF-8 text takes on a terminal, ANSI colours not counted; every character counts as one.
int display_width(std::string_view text);

class ProgressPrinter {
 public:
  struct Options {
    bool terminal = false;
    LineStyle style;
    std::function<void(std::string_view)> write;  // receives what is to be shown
    std::function<int64_t()> memory;              // bytes in use; may be empty
    std::function<int()> width;     // asked before each line, so that a resized window is met; may be empty
    std::function<double()> clock;  // seconds; empty: the steady clock
  };
  explicit ProgressPrinter(Options options) : options_(std::move(options)) {}

  // At most ten redrawn lines a second; plain lines when an epoch or phase ends, and each half minute in a
  // long one.
  void operator()(const Progress& progress);
  // Takes the redrawn line away, or shows the last plain line if it is still owed: before other text, and at
  // the end.
  void finish();

 private:
  double now() const;
  double seconds_left(double now) const;
  int64_t memory() const { return options_.memory ? options_.memory() : 0; }
  void redraw(double now);
  void plain(double now);

  Options options_;
  Progress last_;
  double phase_start_ = 0, shown_at_ = -1e300;
  double start_fraction_ = 0;
  bool started_ = false, owed_ = false, drawn_ = false;
};

}  // namespace graft::transfer::report
