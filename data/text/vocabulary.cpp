#include "data/text/vocabulary.h"

#include "core/error.h"

namespace graft::data {

// The tokens are moved out below. NOLINTNEXTLINE(performance-unnecessary-value-param)
Vocabulary::Vocabulary(std::vector<std::pair<std::string, int64_t>> tokens, std::string_view where) {
  const auto n = static_cast<int64_t>(tokens.size());
  GRAFT_CHECK_AS(DataError, n > 0, where, ": the vocabulary is empty");
  // Looked at first, so that a far too large id is named as that.
  for (const auto& [token, id] : tokens) {
    GRAFT_CHECK_AS(DataError, id >= 0 && id < int64_t{1} << 31, where, ": token \"", printable(token),
                   "\" has the id ", id, "; ids are 0 to 2147483647");
  }
  tokens_.resize(tokens.size());
  std::vector<bool> taken(tokens.size());
  std::optional<int64_t> beyond;
  for (auto& [token, id] : tokens) {
    if (!ids_.emplace(token, id).second)
      fail<DataError>(where, ": the token \"", printable(token), "\" stands there twice");
    if (id >= n) {
      beyond = beyond ? std::min(*beyond, id) : id;
      continue;
    }
    auto i = static_cast<size_t>(id);
    if (taken[i]) {
      fail<DataError>(where, ": tokens \"", printable(tokens_[i]), "\" and \"", printable(token),
                      "\" share the id ", id);
    }
    taken[i] = true;
    tokens_[i] = std::move(token);
  }
  if (beyond) {
    size_t gap = 0;
    while (taken[gap]) ++gap;
    fail<DataError>(where, ": ", n, " tokens, but no token has the id ", gap, ", and one has ", *beyond,
                    "; ids must be 0 to ", n - 1, " without a gap");
  }
}

std::optional<int64_t> Vocabulary::id_of(std::string_view token) const {
  auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace graft::data
