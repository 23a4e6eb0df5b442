#include "transfer/recipe.h"

#include "core/error.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

TEST_CASE("strategy: text and back") {
  for (const char* text :
       {"head", "partial:2", "full", "gradual", "scratch", "bitfit", "lora:4", "adapters:16"})
    CHECK(to_text(parse_strategy(text)) == text);
  CHECK(to_text(parse_strategy("lora")) == "lora:8");
  CHECK(to_text(parse_strategy("adapters")) == "adapters:32");
  for (const char* text : {"", "Head", "partial", "partial:", "partial:0", "partial:-1", "partial:2x",
                           "full:2", "lora:", "lora:0", "adapters:x"}) {
    check_throws<UsageError>([&] { parse_strategy(text); }, {text, "head, partial:N"});
  }
}

TEST_CASE("recipe: settings as text and back") {
  Recipe a;
  a.epochs = 7;
  a.optimizer = Optimizer::adamw;
  a.learning_rate = 0.003;
  a.class_weights = ClassWeights::automatic;
  a.augment.flip = 0;
  a.augment.kind = data::Augment::Kind::pad_crop;
  Recipe b;
  for (const auto& [name, value] : settings(a)) set(b, name, value);
  CHECK(settings(a) == settings(b));
  CHECK(b.epochs == 7);
  CHECK(b.optimizer == Optimizer::adamw);
  CHECK(b.learning_rate == 0.003);
  CHECK(b.class_weights == ClassWeights::automatic);
  CHECK(settings(b).at("class_weights") == "auto");
  CHECK(b.augment.flip == 0);
  CHECK(b.augment.kind == data::Augment::Kind::pad_crop);
}

TEST_CASE("recipe: a wrong setting is named") {
  Recipe r;
  check_throws<UsageError>([&] { set(r, "epoch", "3"); }, {"epoch", "did you mean", "epochs"});
  struct Wrong {
    const char *name, *value, *rule;
  };
  for (const Wrong& w : {Wrong{"epochs", "3.5", "a whole number"},
                         {"epochs", "", "a whole number"},
                         {"learning_rate", "0,1", "a number"},
                         {"learning_rate", "nan", "a number"},
                         {"head_first", "yes", "true or false"},
                         {"class_weights", "automatic", "one of none, auto"},
                         {"schedule", "step", "one of cosine, linear, constant, one_cycle"},
                         {"augment.kind", "crop", "one of none, resized_crop, pad_crop"},
                         {"optimizer", "adagrad", "one of sgd, adam, adamw, lamb, lbfgs"}}) {
    check_throws<UsageError>([&] { set(r, w.name, w.value); }, {w.name, w.value, w.rule});
  }
  for (auto [name, value] : {std::pair{"augment.rand_ops", "15"},
                             {"augment.rand_ops", "-1"},
                             {"augment.rand_magnitude", "31"},
                             {"augment.erase", "1.5"}}) {
    Recipe wrong;
    set(wrong, name, value);
    check_throws<UsageError>([&] { check(wrong, parse_strategy("full")); }, {name, value});
  }
  r.learning_rate = -1;
  check_throws<UsageError>([&] { check(r, parse_strategy("full")); }, {"learning_rate", "-1"});
  r = {};
  r.optimizer = Optimizer::lbfgs;
  check_throws<UsageError>([&] { check(r, parse_strategy("full")); }, {"lbfgs"});
  CHECK_NOTHROW(check(r, parse_strategy("head")));
  r = {};
  r.class_weights = ClassWeights::automatic;
  CHECK_NOTHROW(check(r, parse_strategy("full"), Samples::texts));
  check_throws<UsageError>([&] { check(r, parse_strategy("full"), Samples::tokens); },
                           {"class_weights", "auto", "none", "no classes"});
}
