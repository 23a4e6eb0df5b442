#include "transfer/report/page.h"

#include "core/str.h"
#include "transfer/report/style.h"
#include "transfer/report/text.h"

namespace graft::transfer::report {
namespace {

// A number and its percent sign stay on one line.
std::string bind_percents(std::string html) {
  for (size_t at = html.find(" %"); at != std::string::npos; at = html.find(" %", at))
    html.replace(at, 1, "\u00a0");
  return html;
}

}  // namespace

std::string page(const std::string& title, const std::string& where, const std::string& body) {
  return str(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>",
      escape(title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<main>\n<div class=\"top\">",
      kMark, "<b>graft</b><span class=\"where\">", escape(where), "</span></div>\n", bind_percents(body),
      "<footer>Written by graft. This page is one file: it loads nothing, runs nothing, and can be passed on "
      "as it "
      "is.</footer>\n</main>\n</body>\n</html>\n");
}

}  // namespace graft::transfer::report
