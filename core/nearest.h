// "Did you mean": the known names closest to one that was not found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace graft {

// Edits (insert, delete, replace, swap of neighbours) that make one text the other, or `limit` where there
// are that many; upper and lower case are equal.
int edit_distance(std::string_view a, std::string_view b, int limit = 1 << 30);

// Up to `count` of `known`, nearest first, and only those near enough to be meant: at most a third of the
// longer name's letters differ, or one name begins with the other.
std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& known,
                                 size_t count = 3);

// "; did you mean a, b or c?" or nothing: the end of a message.
std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& known);

}  // namespace graft
