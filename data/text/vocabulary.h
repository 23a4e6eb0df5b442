// Tokens and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace graft::data {

class Vocabulary {
 public:
  Vocabulary() = default;
  // Ids must be 0, 1, 2, ... in any order, each once, and no token may stand twice; throws DataError, which
  // begins with `where`, naming the first that breaks this.
  Vocabulary(std::vector<std::pair<std::string, int64_t>> tokens, std::string_view where);

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  std::optional<int64_t> id_of(std::string_view token) const;
  const std::string& token_of(int64_t id) const { return tokens_[static_cast<size_t>(id)]; }
  const std::vector<std::string>& tokens() const { return tokens_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> ids_;
};

}  // namespace graft::data
