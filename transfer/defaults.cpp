// What is right for somebody who sets nothing. The values come from runs on a part of the training pictures
// of five kinds of flowers (100 a class), scored on the rest of them; the test pictures took no part in the
// choice.
#include "transfer/recipe.h"

namespace graft::transfer {

Recipe default_recipe(std::string_view model, const Strategy& strategy) {
  using Kind = Strategy::Kind;
  Recipe r;
  bool cifar = model.starts_with("cifar_");
  r.augment = cifar ? data::Augment{.kind = data::Augment::Kind::pad_crop} : data::Augment{.scale_min = 0.4};
  switch (strategy.kind) {
    case Kind::head:
      r.optimizer = Optimizer::lbfgs;
      r.epochs = 25;
      r.weight_decay = 0.1;
      r.warmup_epochs = 0;
      break;
    case Kind::lora:
    case Kind::adapters:
    case Kind::bitfit:
    case Kind::partial:
    case Kind::full:
    case Kind::gradual:
      r.epochs = 8;
      // SGD at 0.002 below frozen batch norms diverges on MobileNetV2 when every layer trains; AdamW does
      // not.
      r.optimizer = Optimizer::adamw;
      r.learning_rate = 3e-4;
      r.body_lr_scale = 0.3;
      r.weight_decay = 0.01;
      r.clip_norm = 1;
      r.head_first = true;
      break;
    case Kind::scratch:
      r.epochs = 10;
      r.learning_rate = 0.05;
      r.body_lr_scale = 1;
      r.freeze_bn = false;
      break;
  }
  return r;
}

// Devlin et al. (2019, appendix A.3) fine-tune BERT with AdamW at 2e-5 to 5e-5 in batches of 16 or 32 for 2
// to 4 epochs; the schedule, a rise and a line down to 0, is theirs too.
Recipe default_text_recipe(const Strategy& strategy, bool linear_head) {
  using Kind = Strategy::Kind;
  Recipe r;
  r.augment = {.kind = data::Augment::Kind::none};
  r.optimizer = Optimizer::adamw;
  r.weight_decay = 0.01;
  r.clip_norm = 1;
  r.body_lr_scale = 1;
  r.schedule = RateSchedule::linear;
  r.epochs = 3;
  r.warmup_epochs = 0.3;
  r.learning_rate = 5e-5;
  if (strategy.kind == Kind::head) {
    if (linear_head) {
      data::Augment none = r.augment;
      r = default_recipe("", strategy);
      r.augment = none;
      return r;
    }
    r.epochs = 20;
    r.warmup_epochs = 1;
    r.learning_rate = 1e-3;
  }
  if (strategy.kind == Kind::scratch) {
    r.epochs = 10;
    r.warmup_epochs = 1;
    r.learning_rate = 3e-4;
  }
  return r;
}

}  // namespace graft::transfer
