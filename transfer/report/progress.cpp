#include "transfer/report/progress.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/str.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

constexpr double kRedrawSeconds = 0.1, kPlainSeconds = 30;
constexpr int kShortestBar = 6, kLongestBar = 28;

std::string paint(std::string_view code, const std::string& text, bool colour) {
  return colour ? str("\x1b[", code, "m", text, "\x1b[0m") : text;
}

std::string bar(double share, int cells, const LineStyle& style) {
  int full = std::clamp(static_cast<int>(share * cells + 1e-9), 0, cells);
  std::string done, rest;
  for (int i = 0; i < cells; ++i)
    (i < full ? done : rest) += style.unicode ? (i < full ? "━" : "─") : (i < full ? "#" : "-");
  return paint("32", done, style.colour) + paint("2", rest, style.colour);
}

std::string rate_text(double per_second) {
  return per_second >= 100 ? count_text(std::llround(per_second)) : fixed(per_second, 1);
}

// A part of the line; those with the highest `rank` go first where there is no room.
struct Piece {
  std::string text;
  int rank;
};

std::vector<Piece> pieces_of(const Progress& p, double seconds_left, int64_t memory) {
  std::vector<Piece> pieces;
  if (std::isfinite(p.loss) && p.loss > 0) pieces.push_back({str("loss ", fixed(p.loss, 3)), 3});
  if (std::isfinite(p.accuracy) && p.accuracy > 0) pieces.push_back({str("acc ", percent(p.accuracy)), 2});
  if (p.items_per_second > 0) pieces.push_back({str(rate_text(p.items_per_second), "/s"), 4});
  if (memory > 0) pieces.push_back({bytes_text(static_cast<double>(memory)), 5});
  if (seconds_left >= 0) pieces.push_back({str(clock_text(seconds_left), " left"), 1});
  return pieces;
}

}  // namespace

int display_width(std::string_view text) {
  int columns = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = std::min(text.find('m', i), text.size() - 1);
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++columns;
    }
  }
  return columns;
}

double fraction_done(const Progress& p) {
  double part = p.total > 0 ? static_cast<double>(p.done) / static_cast<double>(p.total) : 0;
  return std::clamp(part, 0.0, 1.0);
}

std::string progress_line(const Progress& p, double seconds_left, int64_t memory, const LineStyle& style) {
  std::string name = printable(p.phase, 24);
  if (p.epochs > 0) name += str(" ", p.epoch, "/", p.epochs);
  double share = fraction_done(p);
  std::string done = fixed(std::floor(100 * share), 0) + " %";
  done.insert(0, 5 - std::min<size_t>(5, done.size()), ' ');
  std::vector<Piece> pieces = pieces_of(p, seconds_left, memory);
  int base = display_width(name) + 2 + static_cast<int>(done.size());
  auto room = [&] {
    int used = base;
    for (const Piece& piece : pieces) used += 2 + display_width(piece.text);
    return style.width - used;
  };
  while (room() < kShortestBar && !pieces.empty()) {
    pieces.erase(
        std::max_element(pieces.begin(), pieces.end(), [](auto& a, auto& b) { return a.rank < b.rank; }));
  }
  int cells = std::min(kLongestBar, room());
  std::string line = paint("1", name, style.colour);
  if (cells >= kShortestBar) line += str(" ", bar(share, cells, style));
  line += str(" ", done);
  for (const Piece& piece : pieces) line += str("  ", piece.text);
  if (display_width(line) <= style.width) return line;
  return done.size() <= static_cast<size_t>(std::max(0, style.width)) ? done : "";
}

std::string progress_text(const Progress& p, double seconds_left, int64_t memory) {
  std::string line = str(printable(p.phase, 24), ":");
  line += p.epochs > 0 ? str(" epoch ", p.epoch, " of ", p.epochs) : str(" ", p.done, " of ", p.total);
  if (std::isfinite(p.loss) && p.loss > 0) line += str(", loss ", fixed(p.loss, 3));
  if (std::isfinite(p.accuracy) && p.accuracy > 0) line += str(", accuracy ", percent(p.accuracy));
  if (p.items_per_second > 0) line += str(", ", rate_text(p.items_per_second), "/s");
  if (memory > 0) line += str(", ", bytes_text(static_cast<double>(memory)));
  if (seconds_left >= 0 && fraction_done(p) < 1) line += str(", ", clock_text(seconds_left), " left");
  return line;
}

double ProgressPrinter::now() const {
  if (options_.clock) return options_.clock();
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double ProgressPrinter::seconds_left(double now) const {
  double done = fraction_done(last_) - start_fraction_, elapsed = now - phase_start_;
  if (done <= 0 || elapsed < 0.5) return -1;  // too early to say
  return elapsed * (1 - fraction_done(last_)) / done;
}

void ProgressPrinter::operator()(const Progress& progress) {
  double time = now();
  bool other_phase = !started_ || progress.phase != last_.phase;
  if (owed_ && (other_phase || progress.epoch != last_.epoch)) plain(time);
  if (other_phase) {
    phase_start_ = time;
    start_fraction_ = fraction_done(progress);
    if (!options_.terminal) shown_at_ = time;
  }
  started_ = true;
  last_ = progress;
  if (options_.terminal) {
    if (other_phase || time - shown_at_ >= kRedrawSeconds) redraw(time);
    return;
  }
  owed_ = true;
  // The last step of an epoch, where epochs have equally many.
  bool complete = progress.done >= progress.total ||
                  (progress.epochs > 0 && progress.done * progress.epochs % progress.total == 0);
  if (complete || time - shown_at_ >= kPlainSeconds) plain(time);
}

void ProgressPrinter::redraw(double time) {
  LineStyle style = options_.style;
  if (options_.width) style.width = options_.width();
  --style.width;  // the last column stays free: some terminals break the line there
  options_.write(str("\r", progress_line(last_, seconds_left(time), memory(), style), "\x1b[K"));
  shown_at_ = time;
  drawn_ = true;
}

void ProgressPrinter::plain(double time) {
  owed_ = false;
  shown_at_ = time;
  if (last_.total <= 0 && last_.epochs <= 0) return;
  options_.write(str(progress_text(last_, seconds_left(time), memory()), "\n"));
}

void ProgressPrinter::finish() {
  if (drawn_) options_.write("\r\x1b[K");
  if (owed_) plain(now());
  drawn_ = false;
}

}  // namespace graft::transfer::report
