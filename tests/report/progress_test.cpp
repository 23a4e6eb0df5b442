#include "transfer/report/progress.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace graft::transfer;
using namespace graft::transfer::report;

namespace {

Progress training(int64_t done = 8, int epoch = 7) {
  return {"train", 16 * (epoch - 1) + done, 16 * 25, epoch, 25, 0.4123, 0.881, 512.3};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Collects what is written, under a clock that the test sets.
struct Screen {
  double time = 0;
  std::vector<std::string> written;
  ProgressPrinter::Options options(bool terminal) {
    return {terminal, {}, [this](std::string_view text) { written.emplace_back(text); },
            {},       {}, [this] { return time; }};
  }
};

}  // namespace

TEST_CASE("progress line: everything at 100 columns, the essentials at 40, never wider than the terminal") {
  const int64_t kMemory = int64_t{310} << 20;
  std::string wide = progress_line(training(), 42, kMemory, {100, false, true});
  for (const char* part :
       {"train 7/25", " 26 %", "loss 0.412", "acc 88.1 %", "512/s", "310 MiB", "0:42 left"}) {
    CHECK_MESSAGE(has(wide, part), std::string(part) << " in " << wide);
  }
  std::string narrow = progress_line(training(), 42, kMemory, {40, false, true});
  CHECK(has(narrow, "0:42 left"));
  CHECK(has(narrow, " 26 %"));
  CHECK(!has(narrow, "MiB"));
  for (int width = 0; width < 130; ++width) {
    for (bool colour : {false, true}) {
      CHECK(display_width(progress_line(training(), 42, kMemory, {width, colour, true})) <= width);
    }
  }
}

TEST_CASE("progress line: the bar is as long as what is done; plain ASCII and no colour on request") {
  Progress p{"features", 250, 500, 0, 0, std::nan(""), std::nan(""), 0};
  CHECK(fraction_done(p) == 0.5);
  CHECK(progress_line(p, -1, 0, {80, false, false}) == "features ##############--------------  50 %");
  std::string colourful = progress_line(p, -1, 0, {80, true, false});
  CHECK(has(colourful, "\x1b[32m"));
  CHECK(display_width(colourful) == display_width(progress_line(p, -1, 0, {80, false, true})));
  p.total = 0;
  CHECK(fraction_done(p) == 0);
}

TEST_CASE("on a terminal: at most ten lines a second, and the line is taken away at the end") {
  Screen screen;
  ProgressPrinter print(screen.options(true));
  for (int i = 0; i < 1000; ++i) {
    screen.time = i * 0.001;
    print(training(i % 16, 1 + i / 40));
  }
  CHECK(screen.written.size() == 10);
  print.finish();
  CHECK(screen.written.back() == "\r\x1b[K");
}

TEST_CASE("without a terminal: one line for each epoch and phase, more only where it takes long") {
  Screen screen;
  ProgressPrinter print(screen.options(false));
  for (int64_t done : {0, 100, 500}) print({"features", done, 500, 0, 0, std::nan(""), std::nan(""), 130});
  for (int epoch = 1; epoch <= 3; ++epoch) {
    for (int64_t step = 1; step <= 15; ++step) print(training(step, epoch));  // the last step is not reported
  }
  print.finish();
  REQUIRE(screen.written.size() == 4);
  CHECK(screen.written[0] == "features: 500 of 500, 130/s\n");
  CHECK(has(screen.written[1], "train: epoch 1 of 25, loss 0.412, accuracy 88.1 %, 512/s"));
  CHECK(has(screen.written[3], "epoch 3 of 25"));
  for (const std::string& line : screen.written) CHECK(!has(line, "\x1b"));

  screen.written.clear();
  for (int i = 0; i <= 90; ++i) {
    screen.time = 1000 + i;
    print({"evaluate", i, 100, 0, 0, std::nan(""), std::nan(""), 1});
  }
  CHECK(screen.written.size() == 3);
  CHECK(has(screen.written[0], "evaluate: 30 of 100, 1.0/s, 1:10 left"));
}
