#include "transfer/report/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/str.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {

std::vector<double> round_ticks(double low, double high, int count) {
  if (!(high > low)) high = low + (low == 0 ? 1 : std::fabs(low) * 0.1);
  double rough = (high - low) / std::max(1, count);
  double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  auto first = std::llround(std::floor(low / step + 1e-9)),
       last = std::llround(std::ceil(high / step - 1e-9));
  for (auto k = first; k <= last; ++k) ticks.push_back(static_cast<double>(k) * step);
  return ticks;
}

namespace {

// Sizes in SVG units: a chart is drawn 480 wide and scaled to its column.
constexpr double kWidth = 480, kHeight = 270, kLeft = 52, kRight = 118, kTop = 14, kBottom = 44;

std::string number(double v) {
  return fixed(v, 1);
}

struct Frame {
  double x_low, x_high, y_low, y_high;
  double x(double v) const { return kLeft + (v - x_low) / (x_high - x_low) * (kWidth - kLeft - kRight); }
  double y(double v) const {
    return kHeight - kBottom - (v - y_low) / (y_high - y_low) * (kHeight - kTop - kBottom);
  }
};

std::string tick_text(double value, double step, bool is_share) {
  if (is_share) return fixed(100 * value, step < 0.0099 ? 1 : 0) + "%";
  int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
  return fixed(value, decimals);
}

// Where the chart's i-th value stands, before the frame scales it.
double place(const LineChart& chart, size_t i) {
  return chart.x.empty() ? static_cast<double>(i + 1) : std::log(chart.x[i]);
}

std::string x_tick(const Frame& frame, double at, const std::string& text) {
  return str("<text class=\"middle\" x=\"", number(frame.x(at)), "\" y=\"", kHeight - kBottom + 18, "\">",
             text, "</text>");
}

std::string axes(const LineChart& chart, const Frame& frame, const std::vector<double>& y_ticks,
                 size_t epochs) {
  std::string out = "<g class=\"axis\">";
  double step = y_ticks.size() > 1 ? y_ticks[1] - y_ticks[0] : 1;
  for (double t : y_ticks) {
    std::string y = number(frame.y(t));
    out += str("<line class=\"grid\" x1=\"", kLeft, "\" x2=\"", kWidth - kRight, "\" y1=\"", y, "\" y2=\"", y,
               "\"/>");
    out += str("<text class=\"end\" x=\"", kLeft - 8, "\" y=\"", number(frame.y(t) + 4), "\">",
               tick_text(t, step, chart.is_share), "</text>");
  }
  for (double x : chart.x_ticks.empty() ? chart.x : chart.x_ticks) out += x_tick(frame, std::log(x), str(x));
  if (chart.mark > 0) {
    std::string x = number(frame.x(std::log(chart.mark)));
    out += str("<line class=\"mark\" x1=\"", x, "\" x2=\"", x, "\" y1=\"", kTop, "\" y2=\"",
               kHeight - kBottom, "\"/>");
  }
  for (double t : round_ticks(1, std::max<double>(2, static_cast<double>(epochs)), 5)) {
    t = std::max(1.0, t);
    bool of_epochs = chart.x.empty() && t == std::floor(t) && t <= static_cast<double>(epochs);
    if (of_epochs) out += x_tick(frame, t, fixed(t, 0));
  }
  out += str("<text class=\"middle label\" x=\"", number((kLeft + kWidth - kRight) / 2), "\" y=\"",
             kHeight - 6, "\">", escape(chart.x_label), "</text>");
  return out + "</g>";
}

std::string polyline(const LineChart& chart, const Series& series, const Frame& frame) {
  std::string out, points;
  auto flush = [&] {
    if (!points.empty()) out += str("<polyline class=\"line ", series.style, "\" points=\"", points, "\"/>");
    points.clear();
  };
  for (size_t i = 0; i < series.y.size(); ++i) {
    if (!std::isfinite(series.y[i])) {
      flush();
      continue;
    }
    std::string x = number(frame.x(place(chart, i))), y = number(frame.y(series.y[i]));
    points += str(points.empty() ? "" : " ", x, ",", y);
    if (series.y.size() <= 12) {
      out += str("<circle class=\"dot ", series.style, "\" cx=\"", x, "\" cy=\"", y, "\" r=\"2.6\"/>");
    }
  }
  flush();
  return out;
}

struct EndLabel {
  const Series* series;
  double y;
  double value;
};

// The names stand at the lines' right ends; those that would overlap are moved apart.
std::string end_labels(const LineChart& chart, const Frame& frame) {
  std::vector<EndLabel> labels;
  for (const Series& series : chart.series) {
    auto last = std::find_if(series.y.rbegin(), series.y.rend(), [](double v) { return std::isfinite(v); });
    if (last != series.y.rend()) labels.push_back({&series, frame.y(*last), *last});
  }
  std::stable_sort(labels.begin(), labels.end(), [](auto& a, auto& b) { return a.y < b.y; });
  const double kGap = 18;
  for (size_t i = 1; i < labels.size(); ++i) labels[i].y = std::max(labels[i].y, labels[i - 1].y + kGap);
  double over = labels.empty() ? 0 : labels.back().y - (kHeight - kBottom);
  if (over > 0) {
    labels.back().y -= over;
    for (size_t i = labels.size() - 1; i-- > 0;) labels[i].y = std::min(labels[i].y, labels[i + 1].y - kGap);
  }
  std::string out;
  for (const EndLabel& label : labels) {
    std::string value = !chart.last_values ? ""
                        : chart.is_share   ? percent(label.value)
                                           : short_number(label.value);
    out += str("<text class=\"name ", label.series->style, "\" x=\"", kWidth - kRight + 9, "\" y=\"",
               number(label.y + 4), "\">", escape(label.series->name), " <tspan>", value, "</tspan></text>");
  }
  return out;
}

}  // namespace

std::string line_chart(const LineChart& chart) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  size_t epochs = 1;
  for (const Series& series : chart.series) {
    epochs = std::max(epochs, series.y.size());
    for (double v : series.y) {
      if (!std::isfinite(v)) continue;
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  if (!(low <= high)) low = 0, high = 1;
  if (!chart.is_share) low = std::min(low, 0.0);  // a loss is read from zero
  std::vector<double> ticks = round_ticks(low, high, 5);
  if (chart.is_share) std::erase_if(ticks, [](double t) { return t > 1 + 1e-9 || t < -1e-9; });
  double first = place(chart, 0), last = place(chart, epochs - 1);
  if (epochs == 1) first -= 1, last += 1;
  Frame frame{first, last, std::min(ticks.front(), low), std::max(ticks.back(), high)};
  std::string out =
      str("<figure class=\"chart\"><figcaption>", escape(chart.title), " <span>", escape(chart.y_label),
          "</span></figcaption><svg viewBox=\"0 0 ", kWidth, " ", kHeight, "\" role=\"img\" aria-label=\"",
          escape(chart.title + ": " + chart.description), "\">");
  out += axes(chart, frame, ticks, epochs);
  for (const Series& series : chart.series) out += polyline(chart, series, frame);
  out += end_labels(chart, frame);
  return out + "</svg></figure>\n";
}

std::string bar_chart(const std::string& title, const std::string& description,
                      const std::vector<Bar>& bars) {
  std::string out = str("<figure class=\"bars\"><figcaption>", escape(title), " <span>", escape(description),
                        "</span></figcaption>\n");
  for (const Bar& bar : bars) {
    out += str("<div class=\"row\"><div class=\"who\"><b>", escape(bar.name), "</b> ", escape(bar.note),
               "</div><div class=\"track\"><div class=\"fill ", bar.style,
               "\" style=\"width:", fixed(100 * bar.value, 2), "%\"></div>");
    if (bar.high > bar.low) {
      out += str("<div class=\"whisker\" style=\"left:", fixed(100 * bar.low, 2),
                 "%;width:", fixed(100 * (bar.high - bar.low), 2), "%\"></div>");
    }
    out += str("</div><div class=\"value\">",
               escape(bar.value_text.empty() ? percent(bar.value) : bar.value_text), "</div></div>\n");
  }
  return out + "</figure>\n";
}

}  // namespace graft::transfer::report
