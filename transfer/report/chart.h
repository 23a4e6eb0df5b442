// Charts without a script: lines as inline SVG with round numbers on the axes and names beside the lines,
// bars as boxes that fill their column at any width. Colours come from the page's style sheet, so they follow
// light and dark.
#pragma once

#include <string>
#include <vector>

namespace graft::transfer::report {

// Round numbers that cover [low, high], about `count` of them: steps of 1, 2 or 5 times a power of ten.
std::vector<double> round_ticks(double low, double high, int count);

struct Series {
  std::string name;
  std::string style;      // CSS class of the line: "trained", "muted", "frozen", ...
  std::vector<double> y;  // one value per place on the x axis; what is not finite leaves a gap
};

struct LineChart {
  std::string title, description;
  std::string x_label = "epoch", y_label;
  // The places on the x axis, positive and rising, on a logarithmic scale; empty: epochs 1, 2, 3, ...
  std::vector<double> x = {};
  std::vector<double> x_ticks = {};  // with x: the places that get a number; empty: all
  double mark = 0;                   // with x: a place with a line through it; 0: none
  std::vector<Series> series;
  bool last_values = true;  // beside the lines' names
  bool is_share = false;    // y is 0..1, shown in percent and never outside it
};
std::string line_chart(const LineChart& chart);

struct Bar {
  std::string name;
  double value = 0, low = 0,
         high = 0;         // 0..1, with its 95 % interval; no whisker where high is not above low
  std::string note;        // beside the name
  std::string style;       // CSS class
  std::string value_text;  // empty: the value in percent
};
// Horizontal bars of shares, the value beside each.
std::string bar_chart(const std::string& title, const std::string& description, const std::vector<Bar>& bars);

}  // namespace graft::transfer::report
