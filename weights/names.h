// Names of tensors: patterns, renaming, and the nearest name for a message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace graft::weights {

// "*" stands for any run of characters, "?" for one. Time at most pattern times text, whatever they hold.
bool glob_match(std::string_view pattern, std::string_view text);

// Where `text` matches `from`, what "to" gives with its stars replaced, in order, by what the stars of `from`
// matched: rename("*.gamma", "*.weight", "norm.gamma") is "norm.weight". Each star but the last takes as
// little as it can.
std::optional<std::string> rename(std::string_view from, std::string_view to, std::string_view text);

// Insertions, deletions and replacements between two names (Levenshtein, 1966), or `limit` where there are
// that many.
size_t edit_distance(std::string_view a, std::string_view b, size_t limit);

// The candidate with the smallest edit distance, at most a third of the name's length; empty where none is
// that near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace graft::weights
