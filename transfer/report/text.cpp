#include "transfer/report/text.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/str.h"

namespace graft::transfer::report {

std::string escape(std::string_view text) {
  std::string out;
  for (char c : printable(text, std::numeric_limits<size_t>::max())) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string percent(double share, int decimals) {
  if (!std::isfinite(share)) return "n/a";
  return fixed(100 * share, decimals) + " %";
}

std::string count_text(int64_t value) {
  std::string digits = str(value), out;
  size_t sign = value < 0 ? 1 : 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

Noun noun(Samples samples) {
  switch (samples) {
    case Samples::pictures: return {"picture", "pictures"};
    case Samples::texts: return {"text", "texts"};
    case Samples::tokens: return {"token", "tokens"};
  }
  return {"sample", "samples"};
}

std::string counted(int64_t value, std::string_view singular, std::string_view plural) {
  return str(count_text(value), " ", value == 1 ? singular : plural);
}

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return "n/a";
  if (seconds < 10) return fixed(seconds, 2) + " s";
  if (seconds < 100) return fixed(seconds, 1) + " s";
  int64_t whole = std::llround(seconds);
  if (whole < 3600) return str(whole / 60, " min ", whole % 60, " s");
  int64_t minutes = (whole + 30) / 60;
  return str(minutes / 60, " h ", minutes % 60 < 10 ? "0" : "", minutes % 60, " min");
}

std::string clock_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  int64_t whole = std::llround(std::min(seconds, 360000.0));
  auto two = [](int64_t n) { return str(n < 10 ? "0" : "", n); };
  if (whole < 3600) return str(whole / 60, ":", two(whole % 60));
  return str(whole / 3600, ":", two(whole / 60 % 60), ":", two(whole % 60));
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "n/a";
  double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e6)) {
    char text[64];
    auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, 1).ptr;
    return std::string(text, end);
  }
  int decimals = size < 1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0;
  return fixed(value, decimals);
}

std::string file_name(std::string_view path) {
  size_t slash = path.find_last_of('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string png_address(std::string_view png) {
  const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "data:image/png;base64,";
  for (size_t i = 0; i < png.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < png.size() ? static_cast<unsigned char>(png[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      bool present = i + k <= png.size();  // k sextets need k bytes, rounded up
      out += present ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::pair<double, double> wilson_interval(double share, int64_t count) {
  if (count <= 0) return {0, 1};
  const double z = 1.959964;  // 97.5 % quantile of the normal distribution
  double n = static_cast<double>(count);
  double centre = (share + z * z / (2 * n)) / (1 + z * z / n);
  double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace graft::transfer::report
