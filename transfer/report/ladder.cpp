#include "transfer/report/ladder.h"

#include <limits>

#include "core/parallel.h"
#include "core/str.h"
#include "transfer/report/chart.h"
#include "transfer/report/page.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

struct About {
  const char *method, *style, *text;
};
// Blue: the published network stays as it is. Green: some of it is trained. Red: nothing of it is used.
constexpr About kAbout[] = {
    {"zeroshot", "frozen dots", "the classes' names alone, put into CLIP's texts; no sample is seen"},
    {"knn", "frozen dashes", "the nearest training samples vote, by the angle between frozen features"},
    {"centroid", "frozen", "the class whose mean feature is nearest"},
    {"probe", "frozen solid", "a new head, logistic regression on frozen features"},
    {"bitfit", "trained dots", "all biases and the head"},
    {"adapters", "trained mixed", "small layers beside frozen ones, and the head"},
    {"lora", "trained dots", "small updates of low rank beside frozen layers, and the head"},
    {"partial", "trained dashes", "the network's last stages and the head"},
    {"full", "trained solid", "every layer, from the published weights"},
    {"gradual", "trained mixed", "every layer, thawed from the head downwards"},
    {"scratch", "wrong", "every layer, from random numbers"},
};

const About& about(const std::string& method) {
  std::string rung = method.substr(0, method.find(':'));
  for (const About& entry : kAbout) {
    if (rung == entry.method) return entry;
  }
  static const About unknown{"", "plain", ""};
  return unknown;
}

// "5 pictures a class"
std::string each(const CompareResult& result, int64_t per_class) {
  Noun what = noun(result.samples);
  return str(counted(per_class, what.one, what.many), " a class");
}

std::string hero(const CompareResult& result) {
  int64_t most = result.per_class.back();
  const CompareRow* best = best_of(result, most);
  if (!best) return "";
  Noun what = noun(result.samples);
  std::string out =
      str("<header class=\"hero\"><div><div class=\"score\">", fixed(100 * best->accuracy, 1),
          "<small>%</small></div><p>of ",
          counted(result.count, str("held-out ", what.one), str("held-out ", what.many)), " right by <b>",
          escape(best->method), "</b>, from ", each(result, most), ".</p></div>\n<div><h1>");
  const CompareRow* few = best_of(result, result.per_class.front());
  if (result.per_class.size() > 1 && few->method != best->method) {
    out += str("With ", each(result, result.per_class.front()), " <em>", escape(few->method),
               "</em> is best, with ", most, " <em>", escape(best->method), "</em>.");
  } else {
    out += str("<em>", escape(best->method), "</em> is best with ", each(result, most), ".");
  }
  out += "</h1><dl class=\"facts\">";
  for (int64_t per_class : result.per_class) {
    const CompareRow* row = best_of(result, per_class);
    out += str("<div><dt>", each(result, per_class), "</dt><dd>", percent(row->accuracy), "<span>",
               escape(row->method), "</span></dd></div>");
  }
  return out + "</dl></div></header>\n";
}

std::string plot(const CompareResult& result) {
  LineChart chart;
  chart.title = "Accuracy";
  chart.y_label = str("on ", noun(result.samples).many, " that no method has seen");
  chart.x_label = str("training ", noun(result.samples).many, " of each class");
  chart.is_share = true;
  for (int64_t per_class : result.per_class) chart.x.push_back(static_cast<double>(per_class));
  for (const std::string& method : result.methods) {
    Series series{method, about(method).style, {}};
    for (int64_t per_class : result.per_class) {
      const CompareRow* row = row_of(result, method, per_class);
      series.y.push_back(row ? row->accuracy : std::numeric_limits<double>::quiet_NaN());
    }
    chart.description += str(chart.series.empty() ? "" : "; ", method, " ends at ", percent(series.y.back()));
    chart.series.push_back(std::move(series));
  }
  return str(
      "<section><h2>Few samples, and more</h2><p>Blue: the published network stays as it is. Green: a part "
      "of "
      "it, or all, is trained. Red: nothing of it is used. A smaller set is part of the larger ones.</p>"
      "<div class=\"charts\">",
      line_chart(chart), "</div></section>\n");
}

std::string cell(const CompareResult& result, const std::string& method, int64_t per_class) {
  const CompareRow* row = row_of(result, method, per_class);
  if (!row) return "<td class=\"n\"></td>";
  auto [low, high] = wilson_interval(row->accuracy, row->count);
  std::string value = percent(row->accuracy);
  if (row == best_of(result, per_class)) value = str("<b>", value, "</b>");
  return str("<td class=\"n\">", value, "<br><small>", fixed(100 * low, 0), " to ", fixed(100 * high, 0),
             "</small></td>");
}

std::string table(const CompareResult& result) {
  int64_t most = result.per_class.back();
  std::string out =
      str("<section><h2>Side by side</h2><p>Right of ",
          counted(result.count, str("held-out ", noun(result.samples).one),
                  str("held-out ", noun(result.samples).many)),
          "; below, the 95 % interval; in bold, the best of a column. Time is that of learning, and memory "
          "the most in tensors, both with ",
          each(result, most), ".</p><div class=\"scroll\"><table class=\"list\"><thead><tr><th>Method</th>");
  for (int64_t per_class : result.per_class) out += str("<th class=\"n\">", per_class, "</th>");
  out +=
      "<th class=\"n\">Trained parameters</th><th class=\"n\">Time</th><th class=\"n\">Memory</th></tr>"
      "</thead><tbody>\n";
  for (const std::string& method : result.methods) {
    const CompareRow* row = row_of(result, method, most);
    out += str("<tr><th scope=\"row\">", escape(method), "</th>");
    for (int64_t per_class : result.per_class) out += cell(result, method, per_class);
    out += str("<td class=\"n\">", count_text(row->trainable_parameters), "</td><td class=\"n\">",
               seconds_text(row->seconds), "</td><td class=\"n\">",
               bytes_text(static_cast<double>(row->peak_memory_bytes)), "</td></tr>\n");
  }
  return out + "</tbody></table></div></section>\n";
}

std::string methods(const CompareResult& result) {
  std::string out = "<section><h2>What each method does</h2><dl class=\"pairs\">";
  for (const std::string& method : result.methods) {
    const CompareRow* row = row_of(result, method, result.per_class.back());
    out += str("<dt>", escape(method), "</dt><dd>", about(method).text);
    if (row->strategy.find(':') != std::string::npos) out += str(" (", escape(row->strategy), ")");
    if (!row->note.empty()) out += str("; ", escape(row->note));
    out += "</dd>";
  }
  return out + "</dl></section>\n";
}

std::string record(const CompareResult& result) {
  auto pair = [](const char* name, const std::string& value) {
    return str("<dt>", name, "</dt><dd>", escape(value), "</dd>");
  };
  std::string out =
      "<section><h2>To do it again</h2><p>The same seed gives the same figures; only the times "
      "are the machine's.</p><dl class=\"pairs\">";
  out += pair("Network", result.model) + pair("Weights", result.weights) + pair("Data", result.data) +
         pair("Classes", str(result.classes.size())) + pair("Seed", str(result.seed)) +
         pair("Computed on", str(to_text(result.compute.device), ", ", result.threads,
                                 result.threads == 1 ? " thread" : " threads")) +
         pair("Everything took", seconds_text(result.seconds)) + "</dl>";
  if (!result.notes.empty()) {
    out += "<ul class=\"notes\">";
    for (const std::string& note : result.notes) out += str("<li>", escape(note), "</li>");
    out += "</ul>";
  }
  return out + "</section>\n";
}

}  // namespace

const CompareRow* row_of(const CompareResult& result, const std::string& method, int64_t per_class) {
  for (const CompareRow& row : result.rows) {
    if (row.method == method && (row.per_class == per_class || row.per_class == 0)) return &row;
  }
  return nullptr;
}

const CompareRow* best_of(const CompareResult& result, int64_t per_class) {
  const CompareRow* best = nullptr;
  for (const CompareRow& row : result.rows) {
    bool of_these = row.per_class == per_class || row.per_class == 0;
    if (of_these && (!best || row.accuracy > best->accuracy)) best = &row;
  }
  return best;
}

std::string ladder_page(const CompareResult& result) {
  std::string title = str(result.model, " on ", file_name(result.data), ": the methods compared");
  return page(title, str(result.model, " · ", file_name(result.data)),
              hero(result) + plot(result) + table(result) + methods(result) + record(result));
}

}  // namespace graft::transfer::report
