// Which tensors train, and how fast: rules over their names. Later rules win.
#pragma once

#include <string>
#include <string_view>

#include "nn/module.h"

namespace graft::transfer {

using nn::Freeze;

// {"layer4.*", Freeze::trainable, 0.1}: the last stage learns at a tenth of the recipe's rate.
struct Rule {
  // A glob over full names: * is any text (dots too), ? one character; or "re:" and a regex.
  std::string pattern;
  Freeze freeze = Freeze::trainable;
  double lr_scale = 1;       // times the recipe's learning rate
  double weight_decay = -1;  // negative: the recipe's
};

// Does the pattern match the whole name? A glob takes at most time pattern times name. Throws UsageError for
// a broken regex (ECMAScript's syntax).
bool matches(std::string_view pattern, std::string_view name);

}  // namespace graft::transfer
