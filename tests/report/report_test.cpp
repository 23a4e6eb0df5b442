#include "transfer/report/report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/report/example.h"
#include "transfer/report/chart.h"
#include "transfer/report/metrics.h"
#include "transfer/report/text.h"

using namespace graft;
using namespace graft::transfer;
using namespace graft::transfer::report;

namespace {

bool has(const std::string& page, const std::string& text) {
  return page.find(text) != std::string::npos;
}

size_t occurrences(const std::string& page, const std::string& text) {
  size_t n = 0;
  for (size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + text.size())) ++n;
  return n;
}

// Every element that is opened is closed, in order. Void elements and the doctype aside.
std::string first_imbalance(const std::string& page) {
  static const std::vector<std::string> kVoid{"meta", "br", "img", "!DOCTYPE"};
  std::vector<std::string> open;
  static const std::regex tag("<(/?)([!a-zA-Z0-9]+)[^<>]*?(/?)>");
  std::string body = page;
  size_t style = body.find("<style>"), end = body.find("</style>");
  if (style != std::string::npos) body.erase(style + 7, end - style - 7);
  for (std::sregex_iterator m(body.begin(), body.end(), tag), none; m != none; ++m) {
    std::string name = (*m)[2];
    if ((*m)[3] == "/" || std::find(kVoid.begin(), kVoid.end(), name) != kVoid.end()) continue;
    if ((*m)[1] != "/") {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes <" + (open.empty() ? "" : open.back()) + ">";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

std::string no_picture(size_t) {
  return "";
}
std::string a_picture(size_t i) {
  return "PNG" + std::to_string(i);
}

}  // namespace

TEST_CASE("text: percent, counts, times and addresses") {
  CHECK(percent(0.904) == "90.4 %");
  CHECK(percent(std::nan("")) == "n/a");
  CHECK(count_text(0) == "0");
  CHECK(count_text(999) == "999");
  CHECK(count_text(2230277) == "2,230,277");
  CHECK(count_text(-1234) == "-1,234");
  CHECK(seconds_text(0.5) == "0.50 s");
  CHECK(seconds_text(12.34) == "12.3 s");
  CHECK(seconds_text(192) == "3 min 12 s");
  CHECK(seconds_text(3900) == "1 h 05 min");
  CHECK(clock_text(42) == "0:42");
  CHECK(clock_text(3909) == "1:05:09");
  CHECK(clock_text(std::numeric_limits<double>::infinity()) == "-:--");
  CHECK(short_number(0.31214) == "0.3121");
  CHECK(short_number(1.23e-7) == "1.2e-07");
  CHECK(png_address("") == "data:image/png;base64,");
  CHECK(png_address("f") == "data:image/png;base64,Zg==");
  CHECK(png_address("fo") == "data:image/png;base64,Zm8=");
  CHECK(png_address("foo") == "data:image/png;base64,Zm9v");
  CHECK(png_address("foob\xff") == "data:image/png;base64,Zm9vYv8=");
}

TEST_CASE("text: what comes from a file cannot become markup") {
  CHECK(escape("<b a='1'>&\"") == "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
  CHECK(escape(std::string("a\0b\n\xff", 5)) == "a\\x00b\\x0a\\xff");
  CHECK(escape("gänseblümchen 雛菊") == "gänseblümchen 雛菊");
}

TEST_CASE("Wilson's interval: published values, and sense at the ends") {
  auto [low, high] = wilson_interval(0.9, 10);  // Wilson's for 9 of 10: 0.596 to 0.982
  CHECK(low == doctest::Approx(0.5958).epsilon(0.001));
  CHECK(high == doctest::Approx(0.9821).epsilon(0.001));
  CHECK(wilson_interval(1, 500).second == doctest::Approx(1));
  CHECK(wilson_interval(1, 500).first > 0.99);
  CHECK(wilson_interval(0, 0) == std::pair<double, double>(0, 1));
}

TEST_CASE("round ticks: cover the range in steps of 1, 2 or 5") {
  CHECK(round_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(round_ticks(0, 7, 5) == std::vector<double>{0, 2, 4, 6, 8});
  for (double high : {1e-9, 0.3, 17.0, 4e8}) {
    auto ticks = round_ticks(0, high, 5);
    CHECK(ticks.back() >= high * (1 - 1e-9));
    CHECK(ticks.size() <= 8);
  }
  CHECK(round_ticks(3, 3, 5).size() >= 2);
}

TEST_CASE("run page: complete, balanced, self-contained, and safe against hostile names") {
  RunResult run = test::example_run();
  std::string page = run_page(run, a_picture);
  CHECK(first_imbalance(page) == "");
  for (const char* part : {"Learning", "Taken for", "Each class", "Most wrong", "What moved",
                           "Freeze certificate", "Load ledger", "Settings", "Times"}) {
    CHECK_MESSAGE(has(page, std::string("<h2>") + part), std::string(part));
  }
  CHECK(has(page, run.certificate.digest));
  CHECK(!has(page, "<script"));
  CHECK(has(page, "&lt;script&gt;"));
  for (const char* outside : {"http://", "https://", "src=\"/", "@import", "url("})
    CHECK_MESSAGE(!has(page, outside), std::string(outside));
  CHECK(occurrences(page, "<img ") == 12);
  CHECK(occurrences(page, " alt=\"") == 12);
  CHECK(occurrences(page, "data:image/png;base64,UE5H") == 12);
}

TEST_CASE("run page: shows the most confident mistakes, and says so where there is none") {
  RunResult run = test::example_run();
  for (Scored& s : run.test.scored) s.predicted = s.truth;
  CHECK(has(run_page(run, no_picture), "every held-out picture was right"));
  run.test.scored[7].predicted = 1;
  run.test.scored[7].probability = 0.6;
  run.test.scored[9].predicted = 2;
  run.test.scored[9].probability = 0.9;
  std::string page = run_page(run, a_picture);
  CHECK(has(page, "All 2 wrong pictures"));
  CHECK(page.find(png_address(a_picture(9))) < page.find(png_address(a_picture(7))));
}

TEST_CASE("run page: a broken certificate stands above everything else") {
  RunResult run = test::example_run();
  CHECK(!has(run_page(run, no_picture), "role=\"alert\""));
  run.certificate.broken = {"features.0.1.running_mean"};
  run.certificate.frozen_bytes_changed = 128;
  std::string page = run_page(run, no_picture);
  CHECK(page.find("role=\"alert\"") < page.find("Learning"));
  CHECK(has(page, "<code>features.0.1.running_mean</code>"));
  run.artefact_accuracy = 0.5;
  CHECK(has(run_page(run, no_picture), "The saved model scores differently"));
}

TEST_CASE(
    "run page: survives what a run may leave empty, one epoch, many classes, and values that are not "
    "finite") {
  CHECK(first_imbalance(run_page(RunResult{}, no_picture)) == "");
  RunResult run = test::example_run();
  run.epochs.resize(1);
  run.epochs[0].train_loss = std::nan("");
  run.moved[0].relative_distance = std::numeric_limits<double>::infinity();
  std::string page = run_page(run, no_picture);
  CHECK(first_imbalance(page) == "");
  for (const char* bad : {"nan", "inf\"", "=\"-inf"})
    CHECK_MESSAGE(!has(page, std::string("\"") + bad), std::string(bad));
  RunResult many;
  for (int c = 0; c < 40; ++c) many.classes.push_back("class " + std::to_string(c));
  many.test.confusion.assign(40, std::vector<int64_t>(40, 1));
  page = run_page(many, no_picture);
  CHECK(first_imbalance(page) == "");
  CHECK(has(page, "The most frequent mistakes"));
}

TEST_CASE("comparison page: all strategies in one table and one plot") {
  std::vector<RunResult> runs{test::example_run("scratch", 0.62), test::example_run("head", 0.91),
                              test::example_run("partial:1", 0.93), test::example_run("full", 0.92)};
  std::string page = comparison_page("graft demo", runs, {{"png", "a <class>"}}, a_picture);
  CHECK(first_imbalance(page) == "");
  CHECK(occurrences(page, "class=\"row\"") == 4 + 5);
  CHECK(has(page, "points better than the same network trained from nothing"));
  CHECK(has(page, "a &lt;class&gt;"));
}

TEST_CASE("metrics: the keys that scripts rely on") {
  RunResult run = test::example_run();
  auto json = nlohmann::json::parse(tune_json(run));
  for (const char* key : {"accuracy", "count", "loss", "seconds", "model", "strategy", "trainable_parameters",
                          "frozen_tensors", "frozen_bytes_changed"}) {
    CHECK_MESSAGE(json.contains(key), std::string(key));
  }
  CHECK(json["accuracy"].get<double>() == run.test.accuracy);
  CHECK(json["epochs"].size() == 25);
  run.test.loss = std::nan("");
  run.classes[0] = "\xff";
  json = nlohmann::json::parse(tune_json(run));
  CHECK(json["loss"].is_null());
  CHECK(json["classes"][0] == "\xEF\xBF\xBD");

  json = nlohmann::json::parse(
      comparison_json({test::example_run("scratch"), test::example_run("partial:2")}, 3));
  CHECK(json["strategies"].contains("scratch"));
  CHECK(json["strategies"]["partial"]["strategy"] == "partial:2");

  json = nlohmann::json::parse(
      predict_json({{"a.jpg", "daisy", 0.5, {{"daisy", 3, 0.5}}, ""}, {"b.jpg", "", 0, {}, "b.jpg: empty"}}));
  CHECK(json["predictions"][0]["top"][0]["index"] == 3);
  CHECK(json["predictions"][1]["error"] == "b.jpg: empty");
}
