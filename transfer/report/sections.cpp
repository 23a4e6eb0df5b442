#include "transfer/report/sections.h"

#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "transfer/report/chart.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {

std::string strategy_sentence(const RunResult& run) {
  std::string model = escape(run.model);
  bool blocks = run.test.samples == Samples::tokens;  // of many tokens each
  Noun what = blocks ? Noun{"sample", "samples"} : noun(run.test.samples);
  std::string pictures = counted(run.train_count, what.one, what.many);
  if (run.strategy == "head") {
    return str("A <em>new head</em> was trained on ", pictures, "; <i>all else in ", model,
               " stayed as published</i>.");
  }
  if (run.strategy.starts_with("partial:")) {
    std::string stages = escape(run.strategy.substr(8));
    return str("The <em>head and the last ", stages == "1" ? "stage" : stages + " stages",
               "</em> were trained on ", pictures, "; <i>everything below stayed as published</i>.");
  }
  if (run.strategy == "full") {
    return str("<em>Every layer</em> of ", model, " was retrained on ", pictures,
               ", starting from the published weights.");
  }
  if (run.strategy == "gradual") {
    return str("<em>The head first, then every layer</em> of ", model,
               ", from the top down, was retrained on ", pictures, ".");
  }
  if (run.strategy == "bitfit") {
    return str("The <em>head and the biases</em> were trained on ", pictures, "; <i>all other weights of ",
               model, " stayed as published</i>.");
  }
  if (run.strategy.starts_with("lora") || run.strategy.starts_with("adapters")) {
    bool lora = run.strategy.starts_with("lora");
    return str("The <em>head and ", lora ? "updates of low rank" : "small adapters", " beside ",
               counted(static_cast<int64_t>(run.adapted.size()), "layer", "layers"), "</em> were trained on ",
               pictures, "; <i>all else in ", model, " stayed as published</i>.");
  }
  if (run.strategy == "scratch") {
    return str("<em>Every layer</em> of ", model, " was trained on ", pictures,
               ", starting from random numbers.");
  }
  return str(model, " was trained on ", pictures, ", strategy <em>", escape(run.strategy), "</em>.");
}

namespace {

std::string fact(std::string_view name, const std::string& value, const std::string& note) {
  return str("<div><dt>", name, "</dt><dd>", value, "<span>", note, "</span></dd></div>");
}

}  // namespace

std::string hero(const RunResult& run) {
  const Evaluation& test = run.test;
  Noun what = noun(test.samples);
  auto right = static_cast<int64_t>(std::llround(test.accuracy * static_cast<double>(test.count)));
  auto [low, high] = wilson_interval(test.accuracy, test.count);
  double share = run.parameters
                     ? static_cast<double>(run.trainable_parameters) / static_cast<double>(run.parameters)
                     : 0;
  std::string out = "<header class=\"hero\"><div><div class=\"score\">";
  out += str(fixed(100 * test.accuracy, 1), "<small>%</small></div><p>", count_text(right), " of ",
             counted(test.count, str("held-out ", what.one), str("held-out ", what.many)),
             " right; as good as ", percent(low, 0), " to ", percent(high, 0),
             " on others like them (95 % interval).</p></div>\n<div><h1>", strategy_sentence(run), "</h1>");
  out += "<dl class=\"facts\">";
  out += fact(
      "Trained", count_text(run.trainable_parameters),
      str("of ", count_text(run.parameters), " parameters (", percent(share, share < 0.01 ? 2 : 1), ")"));
  out += fact("Frozen", counted(run.frozen_tensors, "tensor", "tensors"),
              str(count_text(run.certificate.frozen_bytes_changed), " bytes changed"));
  out += fact("Time", seconds_text(run.seconds.total),
              str(seconds_text(run.seconds.train), " of them training"));
  out += fact("Classes", count_text(static_cast<int64_t>(run.classes.size())),
              str("loss ", short_number(test.loss), " on held-out"));
  if (run.peak_memory_bytes > 0) {
    out += fact("Memory", bytes_text(static_cast<double>(run.peak_memory_bytes)), "in tensors, at most");
  }
  return out + "</dl></div></header>\n";
}

std::string warnings(const RunResult& run) {
  std::string out;
  if (!run.certificate.broken.empty()) {
    out +=
        "<section class=\"banner\" role=\"alert\"><h2>Frozen tensors moved</h2><p>These were to stay as "
        "published and did "
        "not; this run must not be trusted.</p><ul class=\"notes\">";
    for (const std::string& name : run.certificate.broken)
      out += str("<li><code>", escape(name), "</code></li>");
    out += "</ul></section>\n";
  }
  if (run.artefact_accuracy >= 0 && run.artefact_accuracy != run.test.accuracy) {
    out +=
        str("<section class=\"banner\" role=\"alert\"><h2>The saved model scores differently</h2><p>Loaded "
            "again it reaches ",
            percent(run.artefact_accuracy, 2), ", in this run it reached ", percent(run.test.accuracy, 2),
            ".</p></section>\n");
  }
  return out;
}

std::string curves(const RunResult& run) {
  if (run.epochs.empty()) return "";
  LineChart loss, accuracy;
  Series train_loss{"train", "muted", {}}, test_loss{"test", "trained", {}};
  Series train_accuracy = train_loss, test_accuracy = test_loss;
  for (const EpochRecord& epoch : run.epochs) {
    train_loss.y.push_back(epoch.train_loss);
    test_loss.y.push_back(epoch.test_loss);
    train_accuracy.y.push_back(epoch.train_accuracy);
    test_accuracy.y.push_back(epoch.test_accuracy);
  }
  const EpochRecord& first = run.epochs.front();
  std::string_view what = noun(run.test.samples).many;
  const EpochRecord& last = run.epochs.back();
  loss.title = "Loss";
  loss.y_label = "cross-entropy, in nats";
  loss.description = str("on the held-out ", what, " from ", short_number(first.test_loss),
                         " after epoch 1 to ", short_number(last.test_loss), " after epoch ", last.epoch);
  loss.series = {train_loss, test_loss};
  accuracy.title = "Accuracy";
  accuracy.y_label = str("share of ", what, " right");
  accuracy.is_share = true;
  accuracy.description = str("on the held-out ", what, " from ", percent(first.test_accuracy),
                             " after epoch 1 to ", percent(last.test_accuracy), " after epoch ", last.epoch);
  accuracy.series = {train_accuracy, test_accuracy};
  return str("<section><h2>Learning</h2><p>Dotted: the training ", what,
             " as they were trained on. Solid: the "
             "held-out ",
             what, " after each epoch.</p><div class=\"charts\">", line_chart(loss), line_chart(accuracy),
             "</div></section>\n");
}

std::string per_class(const Evaluation& test, const std::vector<std::string>& classes) {
  std::string_view what = noun(test.samples).many;
  std::vector<Bar> bars;
  for (size_t c = 0; c < classes.size() && c < test.confusion.size(); ++c) {
    int64_t total = 0, said = 0;
    for (int64_t n : test.confusion[c]) total += n;
    for (const auto& row : test.confusion) said += row[c];
    int64_t right = test.confusion[c][c];
    Bar bar{classes[c], 0, 0, 0, "", "trained", ""};
    bar.value = total ? static_cast<double>(right) / static_cast<double>(total) : 0;
    bar.note = str(count_text(right), " of ", count_text(total));
    if (said > 0) {
      bar.note += str(", precision ", percent(static_cast<double>(right) / static_cast<double>(said), 0));
    }
    if (total == 0) bar.value_text = "none";
    bars.push_back(bar);
  }
  std::string chart = bar_chart("Recall", str("of the held-out ", what), bars);
  if (bars.size() > kMaxMatrix) chart = "<div class=\"tall\">" + chart + "</div>";
  return str("<section><h2>Each class</h2><p>The bar is recall: how many of its ", what,
             " were recognised. Precision "
             "is how often "
             "the network was right when it named the class.</p>",
             chart, "</section>\n");
}

namespace {

std::string confusion_cell(int64_t n, int64_t total, bool diagonal, const std::string& truth,
                           const std::string& said) {
  if (n == 0) return "<td class=\"none\">&middot;</td>";
  double share = static_cast<double>(n) / static_cast<double>(std::max<int64_t>(1, total));
  double shade = diagonal ? 0.10 + 0.80 * share : std::min(0.75, 0.16 + 1.6 * share);
  // In between, neither dark nor light text would have contrast: shades keep away from there.
  bool strong = shade > 0.6;
  if (strong)
    shade = std::max(shade, 0.88);
  else
    shade = std::min(shade, 0.42);
  return str("<td class=\"", diagonal ? "right" : "miss", strong ? " strong" : "",
             "\" style=\"--v:", fixed(shade, 2), "\" title=\"",
             escape(str(n, " of ", total, " ", truth, ": taken for ", said)), "\">", n, "</td>");
}

std::string confusion_table(const Evaluation& test, const std::vector<std::string>& classes) {
  std::string out = "<div class=\"scroll\"><table class=\"confusion\"><thead><tr><td></td>";
  for (const std::string& name : classes) out += str("<th scope=\"col\">", escape(name), "</th>");
  out += "</tr></thead><tbody>\n";
  for (size_t t = 0; t < classes.size(); ++t) {
    int64_t total = 0;
    for (int64_t n : test.confusion[t]) total += n;
    out += str("<tr><th scope=\"row\">", escape(classes[t]), "</th>");
    for (size_t p = 0; p < classes.size(); ++p) {
      out += confusion_cell(test.confusion[t][p], total, t == p, classes[t], classes[p]);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

struct Mistake {
  int64_t count;
  size_t truth, said;
};

std::string mistake_list(const Evaluation& test, const std::vector<std::string>& classes) {
  std::vector<Mistake> mistakes;
  for (size_t t = 0; t < classes.size(); ++t) {
    for (size_t p = 0; p < classes.size(); ++p) {
      if (t != p && test.confusion[t][p] > 0) mistakes.push_back({test.confusion[t][p], t, p});
    }
  }
  std::stable_sort(mistakes.begin(), mistakes.end(), [](auto& a, auto& b) { return a.count > b.count; });
  if (mistakes.size() > 25) mistakes.resize(25);
  std::string out =
      "<table class=\"list\"><thead><tr><th class=\"n\">Times</th><th>Is</th><th>Taken "
      "for</th></tr></thead><tbody>\n";
  for (const Mistake& m : mistakes) {
    out += str("<tr><td class=\"n\">", m.count, "</td><td>", escape(classes[m.truth]), "</td><td>",
               escape(classes[m.said]), "</td></tr>\n");
  }
  return out + "</tbody></table>";
}

}  // namespace

std::string confusion(const Evaluation& test, const std::vector<std::string>& classes) {
  if (test.confusion.size() != classes.size() || classes.empty()) return "";
  bool small = classes.size() <= kMaxMatrix;
  return str("<section><h2>Taken for</h2><p>",
             small ? str("A row is what the ", noun(test.samples).many,
                         test.samples == Samples::pictures ? " show" : " are",
                         ", a column what the network said. Green is right, red is not.")
                   : "The most frequent mistakes.",
             "</p>", small ? confusion_table(test, classes) : mistake_list(test, classes), "</section>\n");
}

std::string most_wrong(const Evaluation& test, const std::vector<std::string>& classes,
                       const Thumbnail& thumbnail, size_t count) {
  std::vector<size_t> wrong;
  Noun what = noun(test.samples);
  bool pictures = test.samples == Samples::pictures;
  for (size_t i = 0; i < test.scored.size(); ++i) {
    if (test.scored[i].truth != test.scored[i].predicted) wrong.push_back(i);
  }
  if (wrong.empty())
    return str("<section><h2>Most wrong</h2><p>Nothing: every held-out ", what.one,
               " was right.</p></section>\n");
  std::stable_sort(wrong.begin(), wrong.end(), [&](size_t a, size_t b) {
    return test.scored[a].probability > test.scored[b].probability;
  });
  size_t shown = std::min(count, wrong.size());
  auto name = [&](int64_t c) {
    bool known = c >= 0 && static_cast<size_t>(c) < classes.size();
    return known ? escape(classes[static_cast<size_t>(c)]) : str("class ", c);
  };
  std::string out =
      str("<section><h2>Most wrong</h2><p>",
          shown == wrong.size() ? "All " : str("The ", shown, " most confident of "),
          counted(static_cast<int64_t>(wrong.size()), str("wrong ", what.one), str("wrong ", what.many)),
          ". Some are hard, some are mislabelled: look before you train longer.</p><div class=\"wall\">\n");
  for (size_t k = 0; k < shown; ++k) {
    const Scored& s = test.scored[wrong[k]];
    std::string png = thumbnail ? thumbnail(wrong[k]) : "";
    out += "<figure>";
    if (!pictures) {
      out += str("<blockquote>", escape(s.file), "</blockquote>");
    } else if (png.empty()) {
      out += "<div class=\"noimage\">no picture</div>";
    } else {
      out += str("<img src=\"", png_address(png), "\" alt=\"", name(s.truth), ", taken for ",
                 name(s.predicted), "\">");
    }
    out +=
        str("<figcaption><span class=\"no\">", name(s.predicted), " ", percent(s.probability, 0),
            "</span><br>is <span class=\"yes\">", name(s.truth), " ", percent(s.truth_probability, 0),
            "</span>", pictures ? str("<br><span class=\"file\">", escape(file_name(s.file)), "</span>") : "",
            "</figcaption></figure>\n");
  }
  return out + "</div></section>\n";
}

}  // namespace graft::transfer::report
