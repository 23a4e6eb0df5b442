#include "data/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "data/text/unicode_tables.h"

namespace graft::data::unicode {

namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

template <size_t N>
bool in(const Interval (&table)[N], char32_t c) {
  auto after = std::upper_bound(std::begin(table), std::end(table), c,
                                [](char32_t x, const Interval& i) { return x < i.first; });
  return after != std::begin(table) && c <= std::prev(after)->last;
}

bool between(utf8proc_category_t c, utf8proc_category_t first, utf8proc_category_t last) {
  return c >= first && c <= last;
}

bool ascii_letter(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool ascii_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  int value = utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  return value != 0 && in(kNoClass, c) ? 0 : value;
}

// Orders `marks`, which stand at `out`, by class and stably. Many by counting: a run may be as long as the
// text.
void sort_by_class(const Text& marks, Text::iterator out) {
  if (marks.size() == 1) return;
  if (marks.size() < 32) {
    std::stable_sort(out, out + static_cast<int64_t>(marks.size()), [](const Char& a, const Char& b) {
      return combining_class(a.code) < combining_class(b.code);
    });
    return;
  }
  std::array<size_t, 257> begin{};
  for (const Char& c : marks) ++begin[static_cast<size_t>(combining_class(c.code)) + 1];
  for (size_t k = 1; k < begin.size(); ++k) begin[k] += begin[k - 1];
  for (const Char& c : marks)
    out[static_cast<int64_t>(begin[static_cast<size_t>(combining_class(c.code))]++)] = c;
}

constexpr char32_t kUndecomposed = 0x11938;  // since Unicode 13; the reference leaves it whole

// The full decomposition, in canonical order.
void decompose(Text& text, bool compatibility) {
  if (std::all_of(text.begin(), text.end(), [](const Char& c) { return c.code < 0x80; })) return;
  Text out;
  out.reserve(text.size());
  for (const Char& c : text) {
    if (c.code < 0x80 || c.code == kUndecomposed) {
      out.push_back(c);
      continue;
    }
    utf8proc_int32_t parts[32];
    int last_class = 0;
    auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
    auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.code), parts, 32, options, &last_class);
    if (n < 1 || n > 32) {
      out.push_back(c);
      continue;
    }
    for (utf8proc_ssize_t i = 0; i < n; ++i) out.push_back({static_cast<char32_t>(parts[i]), c.begin, c.end});
  }
  // Runs of characters with a combining class are sorted by it, stably (UAX 15).
  for (size_t i = 0; i < out.size();) {
    if (combining_class(out[i].code) == 0) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < out.size() && combining_class(out[end].code) != 0) ++end;
    const auto first = out.begin() + static_cast<int64_t>(i), last = out.begin() + static_cast<int64_t>(end);
    const Text before(first, last);
    sort_by_class(before, first);
    // As in the reference, the parts of the original keep their order, but for marks that were part of the
    // starter.
    const bool separate = i == 0 || before[0].begin != out[i - 1].begin;
    for (size_t k = i; separate && k < end; ++k) {
      out[k].begin = before[k - i].begin;
      out[k].end = before[k - i].end;
    }
    i = end;
  }
  text = std::move(out);
}

// The canonical composition of two characters, or 0.
char32_t composed(char32_t a, char32_t b) {
  if (b < 0x300) return 0;
  utf8proc_int32_t pair[2] = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b)};
  auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair, 2, options) != 1) return 0;
  auto c = static_cast<char32_t>(pair[0]);
  return c == kUndecomposed ? 0 : c;
}

// Canonical composition of a decomposed text (UAX 15, section 3.11 D117): each character joins the last
// starter unless one between them blocks it.
void compose(Text& text) {
  constexpr size_t kNone = SIZE_MAX;
  size_t starter = kNone, n = 0;
  int last_class = 0;  // of the last character kept since the starter; 0: none
  for (const Char c : text) {
    int its_class = combining_class(c.code);
    bool adjacent = starter != kNone && n == starter + 1;
    bool blocked = !adjacent && (last_class == 0 || last_class >= its_class);
    if (starter != kNone && !blocked) {
      if (char32_t joined = composed(text[starter].code, c.code)) {
        text[starter].code = joined;
        continue;
      }
    }
    if (its_class == 0) starter = n;
    last_class = its_class;
    text[n++] = c;
  }
  text.resize(n);
}

}  // namespace

bool is_control(char32_t c) {
  if (c < 0x7F) return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
  auto k = category(c);
  return (k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO) &&
         !in(kNotControl, c);
}

bool is_nonspacing_mark(char32_t c) {
  if (c < 0x300) return false;
  if (c == 0x1734) return true;  // a spacing mark since Unicode 14
  return category(c) == UTF8PROC_CATEGORY_MN && !in(kNotMark, c);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return c > ' ' && c < 0x7F && !ascii_letter(c) && !ascii_digit(c);
  if (c == 0x166D || c == 0x111C9) return true;  // something else since Unicode 12 and 11
  return between(category(c), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO) && !in(kNotPunctuation, c);
}

bool is_ideograph(char32_t c) {
  if (c < 0x3400) return false;
  // As the reference has it: its seventh block starts at U+2B920 where BERT's own code has U+2B820.
  static constexpr Interval blocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                        {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                        {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return in(blocks, c);
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_letter(char32_t c) {
  if (c < 0x80) return ascii_letter(c);
  return between(category(c), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO) && !in(kNotLetter, c);
}

bool is_number(char32_t c) {
  if (c < 0x80) return ascii_digit(c);
  return between(category(c), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO) && !in(kNotNumber, c);
}

// Alphabetic, marks, decimal numbers, connecting punctuation and joiners (UTS 18, annex C).
bool is_word(char32_t c) {
  if (c < 0x80) return ascii_letter(c) || ascii_digit(c) || c == '_';
  auto k = category(c);
  return between(k, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_ME) || k == UTF8PROC_CATEGORY_ND ||
         k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
         (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

void lowercase(Text& text) {
  bool dotted = false;
  for (Char& c : text) {
    if (c.code < 0x80) {
      if (c.code >= 'A' && c.code <= 'Z') c.code += 'a' - 'A';
    } else if (c.code == 0x130) {
      dotted = true;
    } else {
      c.code = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code)));
    }
  }
  if (!dotted) return;
  Text out;
  out.reserve(text.size() + 1);
  for (const Char& c : text) {
    if (c.code == 0x130) {
      out.push_back({'i', c.begin, c.end});
      out.push_back({0x307, c.begin, c.end});
    } else {
      out.push_back(c);
    }
  }
  text = std::move(out);
}

void nfd(Text& text) {
  decompose(text, false);
}
void nfkd(Text& text) {
  decompose(text, true);
}
void nfc(Text& text) {
  if (std::all_of(text.begin(), text.end(), [](const Char& c) { return c.code < 0x300; })) return;
  decompose(text, false);
  compose(text);
}
void nfkc(Text& text) {
  decompose(text, true);
  compose(text);
}

size_t grapheme_end(const Text& text, size_t begin) {
  utf8proc_int32_t state = 0;
  size_t i = begin + 1;
  while (i < text.size() &&
         !utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(text[i - 1].code),
                                           static_cast<utf8proc_int32_t>(text[i].code), &state)) {
    ++i;
  }
  return i;
}

}  // namespace graft::data::unicode
