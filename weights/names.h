// Names of tensors: patterns and renaming.
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

}  // namespace graft::weights
