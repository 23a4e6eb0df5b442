// The report's second half: what moved, what did not, where everything came from.
#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "transfer/report/sections.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

// One column a tensor, in the network's order, on a logarithmic scale; frozen ones are a tick under the
// ground line.
std::string movement_chart(const std::vector<Moved>& moved, const std::string& description) {
  double low = 1e300, high = 0;
  for (const Moved& m : moved) {
    if (m.frozen || !(m.relative_distance > 0) || !std::isfinite(m.relative_distance)) continue;
    low = std::min(low, m.relative_distance);
    high = std::max(high, m.relative_distance);
  }
  if (high == 0) low = 0.1, high = 1;
  int top = static_cast<int>(std::ceil(std::log10(high) - 1e-9));  // decades
  int bottom = std::clamp(static_cast<int>(std::floor(std::log10(low) - 1e-9)), top - 6, top - 3);
  auto height = [&](double v) { return 100 * (std::log10(v) - bottom) / (top - bottom); };
  std::string out = str("<div class=\"columns\" role=\"img\" aria-label=\"", escape(description), "\">\n");
  for (int decade = bottom; decade <= top; ++decade) {
    std::string label =
        decade >= -2 ? percent(std::pow(10, decade), 0) : percent(std::pow(10, decade), -2 - decade);
    out += str("<div class=\"level\" style=\"bottom:", fixed(height(std::pow(10, decade)), 2), "%\"><span>",
               label, "</span></div>");
  }
  out += "<div class=\"plot\">";
  for (const Moved& m : moved) {
    if (m.frozen && m.relative_distance == 0) {
      out += "<i class=\"frozen\"></i>";
      continue;
    }
    double distance = std::isfinite(m.relative_distance) ? m.relative_distance : std::pow(10, top);
    double tall = distance > 0 ? std::clamp(height(distance), 1.0, 100.0) : 2;
    out += str("<i class=\"", m.frozen || distance == 0 ? "wrong" : "trained",
               "\" style=\"height:", fixed(tall, 1), "%\" title=\"", escape(m.name), ": ",
               percent(m.relative_distance, 2), "\"></i>");
  }
  return out + "</div></div><div class=\"ends\"><span>first layer</span><span>head</span></div>\n";
}

std::string movement_list(const std::vector<Moved>& moved) {
  std::string out =
      str("<details><summary>All tensors <span>", moved.size(),
          "</span></summary><div class=\"tall\"><table class=\"list\"><thead><tr><th>Tensor</th><th "
          "class=\"n\">Elements</th><th class=\"n\">Moved by</th></tr></thead><tbody>\n");
  for (const Moved& m : moved) {
    out += str("<tr><td class=\"mono\">", escape(m.name), "</td><td class=\"n\">", count_text(m.elements),
               "</td><td class=\"n\">",
               m.frozen && m.relative_distance == 0 ? "frozen" : percent(m.relative_distance, 3),
               "</td></tr>\n");
  }
  return out + "</tbody></table></div></details>";
}

std::string definition(std::string_view name, const std::string& value, bool mono = false) {
  return str("<dt>", escape(name), "</dt><dd", mono ? " class=\"mono\"" : "", ">", escape(value), "</dd>");
}

}  // namespace

std::string movement(const RunResult& run) {
  if (run.moved.empty()) return "";
  const Moved* farthest = nullptr;
  int64_t frozen = 0;
  for (const Moved& m : run.moved) {
    frozen += m.frozen;
    if (!m.frozen && (!farthest || m.relative_distance > farthest->relative_distance)) farthest = &m;
  }
  std::string text =
      str(count_text(frozen), " of ", counted(static_cast<int64_t>(run.moved.size()), "tensor", "tensors"),
          " stayed exactly where they were");
  if (farthest)
    text += str("; farthest went ", farthest->name, ", by ", percent(farthest->relative_distance),
                " of its length");
  std::string legend =
      "<div class=\"legend\"><span class=\"trained\"><i></i>trained</span><span "
      "class=\"frozen\"><i></i>frozen: exactly 0</span>";
  bool still = std::any_of(run.moved.begin(), run.moved.end(),
                           [](const Moved& m) { return m.frozen != (m.relative_distance == 0); });
  if (still) legend += "<span class=\"wrong\"><i></i>not as planned</span>";
  return str(
      "<section><h2>What moved</h2><p>Each column is one tensor, in the network's order: the length of its "
      "change over its "
      "own length, on a logarithmic scale. ",
      escape(text), ".</p>", movement_chart(run.moved, "What moved: " + text), legend, "</div>",
      movement_list(run.moved), "</section>\n");
}

std::string certificate(const Certificate& c) {
  std::string out =
      "<section><h2>Freeze certificate</h2><p>Every frozen tensor, running statistics included, is hashed "
      "before the "
      "first step and after the last.</p>";
  if (c.frozen.empty()) return out + "<p>Nothing was frozen in this run.</p></section>\n";
  out += str("<div class=\"seal", c.broken.empty() ? "" : " broken", "\"><span class=\"zero\">",
             counted(c.frozen_bytes_changed, "byte", "bytes"), " changed</span><span>in ",
             counted(static_cast<int64_t>(c.frozen.size()), "frozen tensor", "frozen tensors"), ", ",
             bytes_text(static_cast<double>(c.frozen_bytes)), "</span></div>");
  if (!c.digest.empty()) out += str("<p class=\"digest mono\">SHA-256 ", escape(c.digest), "</p>");
  if (!c.unmoved.empty()) {
    out += str("<h3>Trained, yet unmoved</h3><ul class=\"notes\">");
    for (const std::string& name : c.unmoved) out += str("<li><code>", escape(name), "</code></li>");
    out += "</ul>";
  }
  out += str("<details><summary>Each tensor's hash <span>", c.frozen.size(),
             "</span></summary><div class=\"tall\"><table class=\"list\"><thead><tr><th>Tensor</th><th "
             "class=\"n\">Bytes</th>"
             "<th>SHA-256, before and after</th></tr></thead><tbody>\n");
  for (const CertifiedTensor& t : c.frozen) {
    std::string hashes = t.before == t.after ? escape(t.before) : escape(t.before) + "<br>" + escape(t.after);
    out += str("<tr><td class=\"mono\">", escape(t.name), "</td><td class=\"n\">", count_text(t.bytes),
               "</td><td class=\"mono\">", hashes, "</td></tr>\n");
  }
  return out + "</tbody></table></div></details></section>\n";
}

std::string ledger(const RunResult& run) {
  if (run.ledger.empty() && run.ledger_notes.empty()) return "";
  std::string out = str(
      "<section><h2>Load ledger</h2><p>Where each tensor came from",
      run.weights.empty() ? "" : str(": <span class=\"mono\">", escape(file_name(run.weights)), "</span>"),
      ".</p>");
  if (!run.ledger_notes.empty()) {
    out += "<ul class=\"notes\">";
    for (const std::string& note : run.ledger_notes) out += str("<li>", escape(note), "</li>");
    out += "</ul>";
  }
  out += str("<details><summary>All tensors <span>", run.ledger.size(),
             "</span></summary><div class=\"tall\"><table class=\"list\"><thead><tr><th>In the "
             "file</th><th>In the network</th>"
             "<th>Shape</th><th>Type</th><th>Changed</th><th>SHA-256</th></tr></thead><tbody>\n");
  for (const LedgerRow& row : run.ledger) {
    std::string target =
        row.target == row.source ? "the same" : str("<span class=\"mono\">", escape(row.target), "</span>");
    out += str("<tr><td class=\"mono\">", escape(row.source), "</td><td>", target, "</td><td class=\"mono\">",
               escape(row.shape), "</td><td>", escape(row.dtype), "</td><td>", escape(row.transform),
               "</td><td class=\"mono\" title=\"", escape(row.sha256), "\">",
               escape(row.sha256.substr(0, 12)), "</td></tr>\n");
  }
  return out + "</tbody></table></div></details></section>\n";
}

std::string memory_plan(const MemoryPlan& plan) {
  if (!plan.known()) return "";
  auto amount = [](int64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
  std::string out =
      str("<section><h2>Memory plan against measured</h2><p>Planned before the first step: <b>",
          amount(plan.peak), "</b> at most, in ", escape(plan.peak_is_in), ", with batches of ", plan.batch,
          ". Measured: <b>", amount(plan.measured), "</b>. There were ", amount(plan.room), ", enough for ",
          plan.largest_batch >= MemoryPlan::kMostPlanned ? "batches of any size"
                                                         : str("batches of ", plan.largest_batch),
          ".</p><div class=\"scroll\"><table class=\"list\"><thead><tr><th>At the peak</th><th "
          "class=\"n\">Bytes</th><th class=\"n\">Share</th></tr></thead><tbody>\n");
  for (const MemoryPlan::Part& part : plan.parts) {
    double share = static_cast<double>(part.bytes) / static_cast<double>(plan.peak);
    out += str("<tr><th scope=\"row\">", escape(part.name), "</th><td class=\"n\">", amount(part.bytes),
               "</td><td class=\"n\">", percent(share, 0), "</td></tr>\n");
  }
  return out + "</tbody></table></div></section>\n";
}

std::string record(const RunResult& run) {
  std::string out = "<div class=\"two\"><section><h2>Times</h2><dl class=\"pairs\">";
  const std::pair<const char*, double> phases[] = {{"load", run.seconds.load},
                                                   {"features", run.seconds.features},
                                                   {"train", run.seconds.train},
                                                   {"evaluate", run.seconds.evaluate},
                                                   {"all", run.seconds.total}};
  for (auto& [name, seconds] : phases) {
    if (seconds > 0) out += definition(name, seconds_text(seconds));
  }
  out += "</dl><h2 style=\"margin-top:20px\">Receipt</h2><dl class=\"pairs\">";
  out += definition("data", run.data, true);
  if (!run.weights.empty()) out += definition("weights", run.weights, true);
  if (!run.artefact.empty()) out += definition("saved as", run.artefact, true);
  if (run.artefact_accuracy >= 0)
    out += definition("saved, loaded, scored", percent(run.artefact_accuracy, 2));
  for (auto& [name, value] : run.receipt) out += definition(name, value, true);
  out += "</dl></section><section><h2>Settings</h2><dl class=\"pairs\">";
  for (auto& [name, value] : run.settings) out += definition(name, value, true);
  out += "</dl>";
  if (!run.notes.empty()) {
    out += "<h2 style=\"margin-top:20px\">Notes</h2><ul class=\"notes\">";
    for (const std::string& note : run.notes) out += str("<li>", escape(note), "</li>");
    out += "</ul>";
  }
  return out + "</section></div>\n";
}

}  // namespace graft::transfer::report
