#include "app/access_drawing.h"

#include <algorithm>
#include <map>

#include "core/str.h"

namespace graft::app {
namespace {

char name_of(size_t lane) {
  return "0123456789abcdefghijklmnopqrstuv"[lane];
}

// Calls f(lane, word) for every word of 4 bytes that a lane of [first, last) touches.
template <class F>
void for_each_word(const sim::Instruction& instruction, size_t first, size_t last, F f) {
  for (size_t lane = first; lane < last; ++lane) {
    int64_t at = instruction.first[lane];
    if (at < 0) continue;
    for (int64_t word = at / 4; word <= (at + instruction.bytes - 1) / 4; ++word) f(lane, word);
  }
}

std::vector<std::string> draw_global(const sim::Instruction& instruction) {
  constexpr int64_t kWords = 8;  // of a sector
  std::map<int64_t, std::string> sectors;
  for_each_word(instruction, 0, 32, [&](size_t lane, int64_t word) {
    std::string& sector = sectors[word / kWords];
    if (sector.empty()) sector = std::string(kWords, '.');
    sector[static_cast<size_t>(word % kWords)] = name_of(lane);
  });
  constexpr size_t kMost = 32, kInLine = 4;
  std::vector<std::string> lines;
  size_t shown = 0;
  int64_t before = 0;
  for (const auto& [number, sector] : sectors) {
    if (shown == kMost) {
      lines.push_back(str("... and ", sectors.size() - shown, " more sectors"));
      break;
    }
    bool follows = shown > 0 && number == before + 1;
    if (shown % kInLine == 0) lines.emplace_back();
    lines.back() += str(shown % kInLine == 0 ? "" : follows ? "|" : " ~ ", sector);
    before = number;
    ++shown;
  }
  return lines;
}

// As the banks serve them: 32 lanes of up to 4 bytes in a pass, 16 of 8, 8 of 16; lanes that want the same
// word share it.
std::vector<std::string> draw_shared(const sim::Instruction& instruction) {
  size_t lanes_a_pass = 32 / std::max<size_t>(1, static_cast<size_t>(instruction.bytes) / 4);
  std::vector<std::string> lines;
  for (size_t first = 0; first < 32; first += lanes_a_pass) {
    std::array<std::map<int64_t, char>, 32> wanted;  // of each bank, word and lane
    for_each_word(instruction, first, first + lanes_a_pass, [&](size_t lane, int64_t word) {
      wanted[static_cast<size_t>(word % 32)].emplace(word, name_of(lane));
    });
    size_t passes = 0;
    for (const auto& bank : wanted) passes = std::max(passes, bank.size());
    for (size_t pass = 0; pass < passes; ++pass) {
      std::string line(32, '.');
      for (size_t bank = 0; bank < 32; ++bank) {
        if (pass < wanted[bank].size())
          line[bank] = std::next(wanted[bank].begin(), static_cast<long>(pass))->second;
      }
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace

std::vector<std::string> draw_access(const sim::Instruction& instruction) {
  return instruction.shared ? draw_shared(instruction) : draw_global(instruction);
}

}  // namespace graft::app
