// What went on inside the network: the learning rate, where gradients stop, and the features.
#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "transfer/report/chart.h"
#include "transfer/report/sections.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

// A class's own colour: hues a golden angle apart. The shape goes with it, for whoever sees no colours.
std::string hue(size_t label) {
  return str("hsl(", fixed(std::fmod(25 + 137.508 * static_cast<double>(label), 360), 0), " 62% 46%)");
}

std::string marker(size_t label, double x, double y, double r) {
  std::string paint = str("\" fill=\"", hue(label), "\" fill-opacity=\".78\"/>");
  std::string left = fixed(x - r, 1), right = fixed(x + r, 1), top = fixed(y - r, 1), low = fixed(y + r, 1);
  switch (label % 4) {
    case 0: return str("<circle cx=\"", fixed(x, 1), "\" cy=\"", fixed(y, 1), "\" r=\"", fixed(r, 1), paint);
    case 1: return str("<path d=\"M", left, " ", top, "H", right, "V", low, "H", left, "Z", paint);
    case 2: return str("<path d=\"M", fixed(x, 1), " ", top, "L", right, " ", low, "H", left, "Z", paint);
    default:
      return str("<path d=\"M", fixed(x, 1), " ", top, "L", right, " ", fixed(y, 1), "L", fixed(x, 1), " ",
                 low, "L", left, " ", fixed(y, 1), "Z", paint);
  }
}

std::string map_figure(const std::string& title, const FeatureMap& map, const std::vector<int64_t>& labels) {
  constexpr double kSize = 400, kMargin = 16;
  double low[2], high[2];
  for (size_t axis = 0; axis < 2; ++axis) {
    low[axis] = high[axis] = map.points.front()[axis];
    for (const auto& point : map.points) {
      low[axis] = std::min(low[axis], point[axis]);
      high[axis] = std::max(high[axis], point[axis]);
    }
  }
  // One scale for both axes: distances mean the same in every direction.
  double span = std::max({high[0] - low[0], high[1] - low[1], 1e-12});
  auto place = [&](double v, size_t axis) {
    double middle = (low[axis] + high[axis]) / 2;
    return kSize / 2 + (v - middle) / span * (kSize - 2 * kMargin);
  };
  std::string note =
      str("the axes show ", percent(map.shown[0], 0), " and ", percent(map.shown[1], 0), " of the variance");
  std::string out = str("<figure><figcaption>", escape(title), " <span>", note,
                        "</span></figcaption><svg viewBox=\"0 0 400 400\" role=\"img\" aria-label=\"",
                        escape(str(title, ": ", map.points.size(), " samples; ", note)), "\">\n");
  for (size_t i = 0; i < map.points.size(); ++i)
    out +=
        marker(static_cast<size_t>(labels[i]), place(map.points[i][0], 0), place(map.points[i][1], 1), 4.5);
  return out + "</svg></figure>\n";
}

}  // namespace

std::string rate_finder(const RunResult& run) {
  const FoundRate& found = run.found_rate;
  if (found.curve.empty()) return "";
  LineChart chart;
  chart.title = "Learning-rate finder";
  chart.x_label = "learning rate";
  chart.y_label = "loss, in nats";
  chart.mark = found.suggestion;
  chart.last_values = false;  // where the loss diverges
  chart.series = {{"each step", "muted", {}}, {"smoothed", "trained", {}}};
  for (const RatePoint& point : found.curve) {
    chart.x.push_back(point.rate);
    chart.series[0].y.push_back(point.loss);
    chart.series[1].y.push_back(point.smoothed);
  }
  auto lowest = static_cast<int>(std::ceil(std::log10(found.curve.front().rate) - 1e-9));
  for (int power = lowest; std::pow(10, power) <= found.curve.back().rate; ++power)
    chart.x_ticks.push_back(std::pow(10, power));
  chart.description = str("the loss falls fastest at a rate of ", short_number(found.suggestion));
  return str("<section><h2>Learning rate</h2><p>", found.curve.size(),
             " steps at a rate that grows from step to step, then all was put back. The smoothed loss falls "
             "fastest at <b>",
             short_number(found.suggestion), "</b>, which was used.</p><div class=\"charts\">",
             line_chart(chart), "</div></section>\n");
}

std::string gradient_stop(const RunResult& run) {
  if (run.stages.empty()) return "";
  auto first = std::find_if(run.stages.begin(), run.stages.end(),
                            [](const StageRecord& stage) { return stage.trains_from > 0; });
  std::string text;
  if (first == run.stages.begin()) {
    text = "Backward goes all the way down to the input.";
  } else if (first != run.stages.end()) {
    text = str("Backward goes from the loss down to ", escape(first->name), " and stops there: of the ",
               counted(first - run.stages.begin(), "stage", "stages"),
               " below no gradient is computed and nothing is kept.");
  }
  std::string out = str("<section><h2>Where the gradient stops</h2><p>", text, "</p><ol class=\"stages\">\n");
  for (auto stage = run.stages.begin(); stage != run.stages.end(); ++stage) {
    bool trained = stage->trains_from > 0;
    std::string what = !trained                 ? "frozen"
                       : stage->trains_from > 1 ? str("from epoch ", stage->trains_from)
                       : stage->trainable_parameters == stage->parameters ? "trained"
                                                                          : "in part";
    out += str("<li class=\"", trained ? "trained" : "frozen", stage == first ? " stop" : "", "\"><b>",
               escape(stage->name), "</b><span>", what, "</span><span>",
               count_text(trained ? stage->trainable_parameters : stage->parameters), "</span></li>\n");
  }
  return out + "</ol></section>\n";
}

std::string feature_maps(const RunResult& run) {
  const FeatureMaps& maps = run.feature_maps;
  if (maps.before.points.size() < 3 || maps.labels.size() != maps.before.points.size()) return "";
  bool moved = maps.after.points.size() == maps.labels.size();
  std::string out = str(
      "<section><h2>Feature map</h2><p>Held-out samples by what the trunk says of them, seen along the two "
      "directions in which they differ most. ",
      moved ? "What is apart can be told apart."
            : "The trunk is frozen: what the head is given is the same before and after.",
      "</p><div class=\"maps\">\n");
  out += map_figure(moved ? "Before" : "Published features", maps.before, maps.labels);
  if (moved) out += map_figure("After", maps.after, maps.labels);
  out += "</div><div class=\"classes\">";
  for (size_t label = 0; label < run.classes.size() && label < 24; ++label)
    out += str("<span><svg viewBox=\"0 0 12 12\">", marker(label, 6, 6, 5), "</svg>",
               escape(run.classes[label]), "</span>");
  return out + "</div></section>\n";
}

}  // namespace graft::transfer::report
