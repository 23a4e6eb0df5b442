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
    case Kind::partial:
    case Kind::full:
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

}  // namespace graft::transfer
