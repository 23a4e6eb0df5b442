#include "transfer/rules.h"

#include <regex>

#include "weights/names.h"

namespace graft::transfer {

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("re:")) return weights::glob_match(pattern, name);
  try {
    return std::regex_match(std::string(name), std::regex(std::string(pattern.substr(3))));
  } catch (const std::regex_error&) {
    fail<UsageError>("rule \"", printable(pattern), "\": not a regular expression");
  }
}

}  // namespace graft::transfer
