#include "transfer/report/ladder.h"

#include <doctest/doctest.h>

#include <regex>

#include "transfer/report/chart.h"
#include "transfer/report/summary.h"

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

CompareResult example() {
  CompareResult result;
  result.model = "net<1>";
  result.weights = "net.pth";
  result.data = "pictures/a&b";
  result.classes = {"x", "y"};
  result.methods = {"zeroshot", "probe", "partial:2", "scratch"};
  result.per_class = {5, 20, 100};
  result.count = 200;
  result.threads = 2;
  result.notes = {"a note with <tags>"};
  double few[] = {0.5, 0.6, 0.55, 0.3}, step[] = {0, 0.1, 0.15, 0.1};
  for (size_t m = 0; m < 4; ++m) {
    for (size_t s = 0; s < 3; ++s) {
      if (m == 0 && s > 0) continue;
      CompareRow row;
      row.method = result.methods[m];
      row.per_class = m == 0 ? 0 : result.per_class[s];
      row.accuracy = few[m] + step[m] * static_cast<double>(s);
      row.count = 200;
      row.seconds = 1.5;
      row.trainable_parameters = 1234;
      row.peak_memory_bytes = 1 << 20;
      if (m == 2) row.strategy = "partial:2";
      result.rows.push_back(row);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("ladder: the best with few and with many samples, of equals the lower rung") {
  CompareResult result = example();
  CHECK(best_of(result, 5)->method == "probe");
  CHECK(best_of(result, 100)->method == "partial:2");
  result.rows[0].accuracy = 0.6;
  CHECK(best_of(result, 5)->method == "zeroshot");
  CHECK(row_of(result, "zeroshot", 20) == &result.rows[0]);
  CHECK(row_of(result, "full", 20) == nullptr);
}

TEST_CASE("ladder: the page has a line for each method, every figure, and loads nothing") {
  std::string page = ladder_page(example());
  CHECK(occurrences(page, "<polyline") == 4);
  for (const char* part : {"85.0", "net&lt;1&gt;", "a&amp;b", "a note with &lt;tags&gt;", "1,234", "1.0 MiB",
                           "partial:2", "<em>probe</em>", "200 held-out pictures"})
    CHECK_MESSAGE(has(page, part), part);
  for (const char* part : {"http", "<script", "src=", "<tags>"}) CHECK_FALSE_MESSAGE(has(page, part), part);
  for (const char* tag : {"section", "table", "tr", "td", "dl", "dd", "svg", "figure", "div", "header"})
    CHECK_MESSAGE(occurrences(page, str("</", tag, ">")) ==
                      occurrences(page, str("<", tag, ">")) + occurrences(page, str("<", tag, " ")),
                  tag);
}

TEST_CASE("ladder: a single size is a page too") {
  CompareResult result = example();
  result.per_class = {5};
  std::erase_if(result.rows, [](const CompareRow& row) { return row.per_class > 5; });
  std::string page = ladder_page(result);
  CHECK(has(page, "60.0"));
  CHECK_FALSE(has(page, "nan"));
}

TEST_CASE("ladder: the table for the terminal marks the best of each column") {
  std::vector<std::string> lines = summary(example());
  REQUIRE(lines.size() == 6);
  CHECK(has(lines[0], "100 a class"));
  CHECK(has(lines[2], "60.0 % *"));
  CHECK(has(lines[3], "85.0 % *"));
  CHECK_FALSE(has(lines[1], "*"));
  for (size_t i = 1; i < 5; ++i) CHECK(lines[i].size() == lines[0].size());
}

TEST_CASE("chart: places on the x axis stand by their logarithms, each with its number") {
  LineChart chart;
  chart.x = {1, 10, 1000};
  chart.series = {{"a", "plain", {0.1, 0.2, 0.3}}};
  std::string svg = line_chart(chart);
  std::regex dot("<circle[^>]*cx=\"([0-9.]+)\"");
  std::vector<double> at;
  for (std::sregex_iterator m(svg.begin(), svg.end(), dot), none; m != none; ++m)
    at.push_back(std::stod((*m)[1]));
  REQUIRE(at.size() == 3);
  CHECK((at[1] - at[0]) * 2 == doctest::Approx(at[2] - at[1]).epsilon(0.01));
  CHECK(has(svg, ">1000</text>"));
  CHECK(has(svg, ">10</text>"));
}
