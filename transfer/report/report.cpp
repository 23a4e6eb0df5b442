#include "transfer/report/report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/str.h"
#include "transfer/report/chart.h"
#include "transfer/report/page.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

const RunResult* find(const std::vector<RunResult>& runs, std::string_view strategy) {
  auto at = std::find_if(runs.begin(), runs.end(),
                         [&](const RunResult& r) { return r.strategy.starts_with(strategy); });
  return at == runs.end() ? nullptr : &*at;
}

std::string style_of(const std::string& strategy) {
  if (strategy == "head") return "trained";
  if (strategy == "scratch") return "wrong";
  return strategy == "full" ? "plain" : "frozen";
}

std::string comparison_hero(const std::string& title, const std::vector<RunResult>& runs) {
  const RunResult* head = find(runs, "head");
  const RunResult* scratch = find(runs, "scratch");
  if (!head || !scratch) return str("<header><h1>", escape(title), "</h1></header>\n");
  double gain = 100 * (head->test.accuracy - scratch->test.accuracy);
  std::string out =
      str("<header class=\"hero\"><div><div class=\"score\">", fixed(100 * head->test.accuracy, 1),
          "<small>%</small></div><p>of ", counted(head->test.count, "held-out picture", "held-out pictures"),
          " right, from ", count_text(head->train_count), " to learn from.</p></div>\n");
  out += str("<div><h1>With the <i>pretrained trunk frozen</i> and only a <em>new head</em> trained, ",
             escape(head->model), " is ", fixed(gain, 1),
             " points better than the same network trained from nothing.</h1><dl class=\"facts\">");
  auto fact = [&](std::string_view name, const std::string& value, const std::string& note) {
    out += str("<div><dt>", name, "</dt><dd>", value, "<span>", note, "</span></dd></div>");
  };
  fact("From scratch", percent(scratch->test.accuracy), str("after ", scratch->epochs.size(), " epochs"));
  fact("Head only", percent(head->test.accuracy), str("after ", head->epochs.size(), " epochs"));
  fact("Trained", count_text(head->trainable_parameters),
       str("of ", count_text(head->parameters), " parameters"));
  fact("Frozen", counted(head->frozen_tensors, "tensor", "tensors"),
       str(count_text(head->certificate.frozen_bytes_changed), " bytes changed"));
  return out + "</dl></div></header>\n";
}

std::string comparison_bars(const std::vector<RunResult>& runs) {
  std::vector<Bar> bars;
  for (const RunResult& run : runs) {
    auto [low, high] = wilson_interval(run.test.accuracy, run.test.count);
    bars.push_back({run.strategy, run.test.accuracy, low, high,
                    str("trains ", count_text(run.trainable_parameters), " of ", count_text(run.parameters)),
                    style_of(run.strategy), ""});
  }
  std::string chart = bar_chart("Accuracy", "on held-out pictures; the whisker is the 95 % interval", bars);
  return str(
      "<section><h2>Same network, same pictures</h2><p>Only where training starts and what may move "
      "differ.</p>",
      chart, "</section>\n");
}

std::string comparison_table(const std::vector<RunResult>& runs) {
  std::string out =
      "<section><h2>Side by side</h2><div class=\"scroll\"><table "
      "class=\"list\"><thead><tr><th>Strategy</th><th class=\"n\">Accuracy</th>"
      "<th class=\"n\">Loss</th><th class=\"n\">Trained parameters</th><th class=\"n\">Frozen "
      "tensors</th><th class=\"n\">Frozen bytes "
      "changed</th><th class=\"n\">Epochs</th><th class=\"n\">Time</th></tr></thead><tbody>\n";
  for (const RunResult& run : runs) {
    out += str("<tr><th scope=\"row\">", escape(run.strategy), "</th><td class=\"n\">",
               percent(run.test.accuracy), "</td><td class=\"n\">", short_number(run.test.loss),
               "</td><td class=\"n\">", count_text(run.trainable_parameters), "</td><td class=\"n\">",
               count_text(run.frozen_tensors), "</td><td class=\"n\">",
               count_text(run.certificate.frozen_bytes_changed), "</td><td class=\"n\">", run.epochs.size(),
               "</td><td class=\"n\">", seconds_text(run.seconds.total), "</td></tr>\n");
  }
  return out + "</tbody></table></div></section>\n";
}

std::string comparison_curves(const std::vector<RunResult>& runs) {
  LineChart accuracy, loss;
  accuracy.title = "Accuracy";
  accuracy.y_label = "on held-out pictures";
  accuracy.is_share = true;
  loss.title = "Loss";
  loss.y_label = "on held-out pictures, in nats";
  size_t epochs = 0;
  for (const RunResult& run : runs) {
    Series a{run.strategy, style_of(run.strategy), {}}, l = a;
    for (const EpochRecord& epoch : run.epochs) {
      a.y.push_back(epoch.test_accuracy);
      l.y.push_back(epoch.test_loss);
    }
    epochs = std::max(epochs, a.y.size());
    accuracy.description +=
        str(accuracy.series.empty() ? "" : "; ", run.strategy, " ends at ", percent(run.test.accuracy));
    loss.description +=
        str(loss.series.empty() ? "" : "; ", run.strategy, " ends at ", short_number(run.test.loss));
    accuracy.series.push_back(a);
    loss.series.push_back(l);
  }
  if (epochs == 0) return "";
  return str("<section><h2>Learning</h2><p>After each epoch.</p><div class=\"charts\">", line_chart(accuracy),
             line_chart(loss), "</div></section>\n");
}

std::string sample_wall(const std::vector<Sample>& samples) {
  if (samples.empty()) return "";
  std::string out =
      "<section><h2>The pictures</h2><p>Some of those to learn from.</p><div class=\"wall small\">\n";
  for (const Sample& sample : samples) {
    out += str("<figure><img src=\"", png_address(sample.png), "\" alt=\"", escape(sample.caption),
               "\"><figcaption>", escape(sample.caption), "</figcaption></figure>\n");
  }
  return out + "</div></section>\n";
}

}  // namespace

std::string run_page(const RunResult& run, const Thumbnail& thumbnail) {
  std::string body = hero(run) + warnings(run) + curves(run) + rate_finder(run);
  body += "<div class=\"two\">" + confusion(run.test, run.classes) + per_class(run.test, run.classes) +
          "</div>\n";
  body += most_wrong(run.test, run.classes, thumbnail);
  body += feature_maps(run) + gradient_stop(run);
  body +=
      movement(run) + certificate(run.certificate) + ledger(run) + memory_plan(run.memory_plan) + record(run);
  std::string title =
      str(run.model, ", ", run.strategy, ": ", percent(run.test.accuracy), " on ", file_name(run.data));
  return page(title, str(run.model, " · ", run.strategy, " · ", file_name(run.data)), body);
}

std::string comparison_page(const std::string& title, const std::vector<RunResult>& runs,
                            const std::vector<Sample>& samples, const Thumbnail& thumbnail) {
  std::string body = comparison_hero(title, runs) + comparison_bars(runs) + sample_wall(samples) +
                     comparison_curves(runs) + comparison_table(runs);
  for (const RunResult& run : runs) body += warnings(run);
  if (const RunResult* head = find(runs, "head")) {
    body += "<div class=\"two\">" + confusion(head->test, head->classes) +
            per_class(head->test, head->classes) + "</div>\n";
    body += most_wrong(head->test, head->classes, thumbnail);
  }
  for (const RunResult& run : runs) {
    body += str("<details class=\"card\"><summary>", escape(run.strategy),
                " <span>what moved, certificate, ledger, settings</span></summary>", movement(run),
                certificate(run.certificate), ledger(run), record(run), "</details>\n");
  }
  return page(title, title, body);
}

}  // namespace graft::transfer::report
