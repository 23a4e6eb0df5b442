#include "transfer/layer_count.h"

#include <algorithm>
#include <charconv>

namespace graft::transfer {
namespace {

// Which key counts the layers whose tensors are called "...<stem>0.<rest>", "...<stem>1.<rest>"; the section
// of the config that has the key, if any.
struct Counted {
  const char *section, *key, *stem;
};
constexpr Counted kCounted[] = {{"", "num_hidden_layers", "encoder.layer."},
                                {"", "n_layer", "h."},
                                {"", "num_layers", "encoder.block."},
                                {"", "num_decoder_layers", "decoder.block."},
                                {"text_config", "num_hidden_layers", "text_model.encoder.layers."},
                                {"vision_config", "num_hidden_layers", "vision_model.encoder.layers."}};

// One more than the largest number that follows `stem`, at the beginning of a name or after a dot.
int64_t layers_in(const weights::Checkpoint& checkpoint, std::string_view stem) {
  int64_t count = 0;
  for (const weights::Entry& entry : checkpoint.entries()) {
    size_t at = entry.name.find(stem);
    if (at == std::string::npos || (at > 0 && entry.name[at - 1] != '.')) continue;
    int64_t number = -1;
    const char* end = entry.name.data() + entry.name.size();
    auto [rest, error] = std::from_chars(entry.name.data() + at + stem.size(), end, number);
    if (error == std::errc() && rest != end && *rest == '.' && number < int64_t{1} << 40)
      count = std::max(count, number + 1);
  }
  return count;
}

}  // namespace

void require_layers(const weights::Config& config, const weights::Checkpoint& checkpoint) {
  for (const Counted& counted : kCounted) {
    bool in_section = *counted.section != '\0';
    if (in_section && !config.has_section(counted.section)) continue;
    weights::Config part = in_section ? config.section(counted.section) : config;
    if (!part.has(counted.key)) continue;
    int64_t there = layers_in(checkpoint, counted.stem);
    if (there > 0 && part.layers(counted.key) > there)
      part.reject(counted.key, "at most ", there, ", the layers that ", printable(checkpoint.path()),
                  " holds");
  }
}

}  // namespace graft::transfer
