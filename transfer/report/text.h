// Values as text for people: in the report, on the terminal, in messages. All free of the locale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "transfer/result.h"

namespace graft::transfer::report {

// Text for HTML, inside elements and quoted attributes: & < > " ' become entities; control characters and
// bytes that are not UTF-8 become \xNN, since names come from files. Not shortened.
std::string escape(std::string_view text);

// 0.904 is "90.4 %"; "n/a" where the value is not finite.
std::string percent(double share, int decimals = 1);
// 2230277 is "2,230,277".
std::string count_text(int64_t value);
// "picture" and "pictures", "text" and "texts", "token" and "tokens".
struct Noun {
  std::string_view one, many;
};
Noun noun(Samples samples);
// "1 picture", "500 pictures", "2 classes"
std::string counted(int64_t value, std::string_view singular, std::string_view plural);
// "0.84 s", "12.3 s", "3 min 12 s", "1 h 05 min"
std::string seconds_text(double seconds);
// "0:42", "1:05:09": for a clock that changes every second.
std::string clock_text(double seconds);
// Four significant digits where a person reads them: "0.3121", "12.05", "1.2e-07".
std::string short_number(double value);

// The part of a path after its last slash.
std::string file_name(std::string_view path);

// An address that holds the picture itself. `png` are the bytes of a PNG file.
std::string png_address(std::string_view png);

// The 95 % interval of a share that was seen `right` times in `count` (Wilson 1927, "Probable inference, the
// law of succession, and statistical inference"), which holds near 0 and 1 too.
std::pair<double, double> wilson_interval(double share, int64_t count);

}  // namespace graft::transfer::report
