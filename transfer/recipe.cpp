#include "transfer/recipe.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/nearest.h"

namespace graft::transfer {
namespace {

using Kind = data::Augment::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 3> kKinds = {
    {{Kind::none, "none"}, {Kind::resized_crop, "resized_crop"}, {Kind::pad_crop, "pad_crop"}}};
constexpr std::array<std::pair<Optimizer, std::string_view>, 5> kOptimizers = {{{Optimizer::sgd, "sgd"},
                                                                                {Optimizer::adam, "adam"},
                                                                                {Optimizer::adamw, "adamw"},
                                                                                {Optimizer::lamb, "lamb"},
                                                                                {Optimizer::lbfgs, "lbfgs"}}};

constexpr std::array<std::pair<ClassWeights, std::string_view>, 2> kClassWeights = {
    {{ClassWeights::none, "none"}, {ClassWeights::automatic, "auto"}}};
constexpr std::array<std::pair<RateSchedule, std::string_view>, 4> kSchedules = {
    {{RateSchedule::cosine, "cosine"},
     {RateSchedule::linear, "linear"},
     {RateSchedule::constant, "constant"},
     {RateSchedule::one_cycle, "one_cycle"}}};

// The words for a setting's values, in the order of the values.
constexpr const auto& names_of(Kind) {
  return kKinds;
}
constexpr const auto& names_of(Optimizer) {
  return kOptimizers;
}
constexpr const auto& names_of(RateSchedule) {
  return kSchedules;
}
constexpr const auto& names_of(ClassWeights) {
  return kClassWeights;
}

// The one list of all settings: f(name, field) for each.
template <class R, class F>
void for_each_setting(R& r, F&& f) {
  f("epochs", r.epochs);
  f("batch", r.batch);
  f("batch_auto", r.batch_auto);
  f("optimizer", r.optimizer);
  f("learning_rate", r.learning_rate);
  f("body_lr_scale", r.body_lr_scale);
  f("layer_decay", r.layer_decay);
  f("momentum", r.momentum);
  f("weight_decay", r.weight_decay);
  f("warmup_epochs", r.warmup_epochs);
  f("schedule", r.schedule);
  f("accumulate", r.accumulate);
  f("l2_sp", r.l2_sp);
  f("ema", r.ema);
  f("clip_norm", r.clip_norm);
  f("label_smoothing", r.label_smoothing);
  f("class_weights", r.class_weights);
  f("mixup", r.mixup);
  f("cutmix", r.cutmix);
  f("lora_alpha", r.lora_alpha);
  f("lora_dropout", r.lora_dropout);
  f("freeze_bn", r.freeze_bn);
  f("cached_features", r.cached_features);
  f("head_first", r.head_first);
  f("keep_head", r.keep_head);
  f("by_length", r.by_length);
  f("views", r.views);
  f("keep_best", r.keep_best);
  f("patience", r.patience);
  f("validation", r.validation);
  f("augment.kind", r.augment.kind);
  f("augment.scale_min", r.augment.scale_min);
  f("augment.scale_max", r.augment.scale_max);
  f("augment.ratio_min", r.augment.ratio_min);
  f("augment.ratio_max", r.augment.ratio_max);
  f("augment.pad", r.augment.pad);
  f("augment.flip", r.augment.flip);
  f("augment.rand_ops", r.augment.rand_ops);
  f("augment.rand_magnitude", r.augment.rand_magnitude);
  f("augment.erase", r.augment.erase);
}

template <class T>
bool parse_number(std::string_view text, T& out) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return false;
  }
  out = value;
  return true;
}

bool parse(std::string_view text, int& out) {
  return parse_number(text, out);
}
bool parse(std::string_view text, double& out) {
  return parse_number(text, out);
}
bool parse(std::string_view text, int64_t& out) {
  return parse_number(text, out);
}
bool parse(std::string_view text, bool& out) {
  if (text != "true" && text != "false") return false;
  out = text == "true";
  return true;
}
template <class E, size_t N>
bool parse_named(std::string_view text, const std::array<std::pair<E, std::string_view>, N>& names, E& out) {
  for (auto [value, name] : names) {
    if (text != name) continue;
    out = value;
    return true;
  }
  return false;
}
template <class E>
requires std::is_enum_v<E>
bool parse(std::string_view text, E& out) {
  return parse_named(text, names_of(out), out);
}

template <class T>
std::string text_of(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(names_of(value)[static_cast<size_t>(value)].second);
  } else {
    return str(value);
  }
}

// What a setting of this type may be.
template <class T>
std::string expected(const T& field) {
  if constexpr (std::is_enum_v<T>) {
    std::string out = "one of";
    for (const auto& [value, name] : names_of(field)) out += str(value == T{} ? " " : ", ", name);
    return out;
  } else if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else {
    return std::is_integral_v<T> ? "a whole number" : "a number";
  }
}

}  // namespace

std::string_view to_text(Optimizer optimizer) {
  return kOptimizers[static_cast<size_t>(optimizer)].second;
}

std::map<std::string, std::string> settings(const Recipe& recipe) {
  std::map<std::string, std::string> out;
  for_each_setting(recipe, [&](const char* name, const auto& field) { out[name] = text_of(field); });
  return out;
}

void set(Recipe& recipe, std::string_view name, std::string_view value) {
  bool known = false, parsed = false;
  std::vector<std::string> names;
  std::string rule;
  for_each_setting(recipe, [&](const char* field_name, auto& field) {
    names.push_back(field_name);
    if (name != field_name) return;
    known = true;
    parsed = parse(value, field);
    rule = expected(field);
  });
  GRAFT_CHECK_AS(UsageError, known, "recipe: no setting \"", printable(name), "\"",
                 did_you_mean(name, names));
  GRAFT_CHECK_AS(UsageError, parsed, "recipe: ", name, " cannot be \"", printable(value), "\"; it is ", rule);
}

void check(const Recipe& r, const Strategy& strategy, Samples samples) {
  auto require = [](bool good, const char* name, const auto& value, const char* rule) {
    GRAFT_CHECK_AS(UsageError, good, "recipe: ", name, " is ", value, ", must be ", rule);
  };
  require(r.epochs >= 1, "epochs", r.epochs, "at least 1");
  require(r.batch >= 1, "batch", r.batch, "at least 1");
  require(r.learning_rate >= 0 && std::isfinite(r.learning_rate), "learning_rate", r.learning_rate,
          "0 or more, and finite");
  require(r.body_lr_scale >= 0, "body_lr_scale", r.body_lr_scale, "0 or more");
  require(r.layer_decay > 0 && r.layer_decay <= 1, "layer_decay", r.layer_decay, "above 0, up to 1");
  require(r.accumulate >= 1, "accumulate", r.accumulate, "at least 1");
  require(r.l2_sp >= 0, "l2_sp", r.l2_sp, "0 or more");
  require(r.ema >= 0 && r.ema < 1, "ema", r.ema, "in [0, 1)");
  require(r.patience >= 0, "patience", r.patience, "0 or more");
  require(r.patience == 0 || r.keep_best, "patience", r.patience,
          "0 unless keep_best=true: samples must be set aside that say which epoch is best");
  require(r.lora_alpha > 0, "lora_alpha", r.lora_alpha, "above 0");
  require(r.lora_dropout >= 0 && r.lora_dropout < 1, "lora_dropout", r.lora_dropout, "in [0, 1)");
  require(r.momentum >= 0 && r.momentum < 1, "momentum", r.momentum, "in [0, 1)");
  require(r.weight_decay >= 0, "weight_decay", r.weight_decay, "0 or more");
  require(r.warmup_epochs >= 0 && r.warmup_epochs <= r.epochs, "warmup_epochs", r.warmup_epochs,
          "between 0 and the epochs");
  require(r.clip_norm >= 0, "clip_norm", r.clip_norm, "0 or more");
  require(r.label_smoothing >= 0 && r.label_smoothing < 1, "label_smoothing", r.label_smoothing, "in [0, 1)");
  require(r.views >= 0 && r.views <= 1000, "views", r.views, "between 0 and 1000");
  require(r.validation >= 0 && r.validation < 1, "validation", r.validation, "in [0, 1)");
  require(r.class_weights == ClassWeights::none || samples != Samples::tokens, "class_weights",
          text_of(r.class_weights), "none for a language model, whose samples have no classes");
  const data::Augment& a = r.augment;
  require(a.scale_min > 0 && a.scale_min <= a.scale_max, "augment.scale_min", a.scale_min,
          "above 0, up to scale_max");
  require(a.scale_max <= 1, "augment.scale_max", a.scale_max, "at most 1");
  require(a.ratio_min > 0 && a.ratio_min <= a.ratio_max, "augment.ratio_min", a.ratio_min,
          "above 0, up to ratio_max");
  require(a.pad >= 0 && a.pad <= 1024, "augment.pad", a.pad, "between 0 and 1024");
  require(a.flip >= 0 && a.flip <= 1, "augment.flip", a.flip, "in [0, 1]");
  require(a.rand_ops >= 0 && a.rand_ops <= 14, "augment.rand_ops", a.rand_ops, "between 0 and 14");
  require(a.rand_magnitude >= 0 && a.rand_magnitude <= 30, "augment.rand_magnitude", a.rand_magnitude,
          "between 0 and 30");
  require(a.erase >= 0 && a.erase <= 1, "augment.erase", a.erase, "in [0, 1]");
  bool cached = strategy.kind == Strategy::Kind::head && r.cached_features;
  require(!r.batch_auto || !cached, "batch_auto", "true",
          "false with cached features, whose memory is not planned");
  require(r.optimizer != Optimizer::lbfgs || cached, "optimizer", r.optimizer,
          "sgd, adam, adamw or lamb; lbfgs solves heads on cached features");
  for (auto [name, alpha] : {std::pair{"mixup", r.mixup}, {"cutmix", r.cutmix}}) {
    require(alpha >= 0, name, alpha, "0 or more");
    require(alpha == 0 || samples == Samples::pictures, name, alpha, "0 for texts: only pictures are mixed");
    require(
        alpha == 0 || !cached, name, alpha,
        "0 with cached features, of which there are no mixtures; cached_features=false trains on pictures");
  }
  bool partial = strategy.kind == Strategy::Kind::partial;
  require(r.views == 0 || cached || partial, "views", r.views,
          "0 without a frozen trunk: views are for head with cached features, and for partial");
  require(r.views == 0 || !partial || (r.mixup == 0 && r.cutmix == 0), "views", r.views,
          "0 with mixup and cutmix, which mix pictures and not what the trunk says of them");
  require(r.views == 0 || !partial || r.freeze_bn, "freeze_bn", "false",
          "true with views: statistics that go on would change what the frozen trunk says");
  require(!r.keep_head || !cached, "keep_head", "true",
          "false with cached features, where a head starts at zero");
}

namespace {

using Strategies = std::array<std::pair<Strategy::Kind, std::string_view>, 8>;
constexpr Strategies kStrategies = {{{Strategy::Kind::head, "head"},
                                     {Strategy::Kind::partial, "partial"},
                                     {Strategy::Kind::full, "full"},
                                     {Strategy::Kind::gradual, "gradual"},
                                     {Strategy::Kind::scratch, "scratch"},
                                     {Strategy::Kind::bitfit, "bitfit"},
                                     {Strategy::Kind::lora, "lora"},
                                     {Strategy::Kind::adapters, "adapters"}}};
constexpr int kUsualRank = 8, kUsualWidth = 32;

// The number after the colon; null where the kind has none.
int* number_of(Strategy& strategy) {
  if (strategy.kind == Strategy::Kind::partial) return &strategy.stages;
  return strategy.is_adapted() ? &strategy.width : nullptr;
}

}  // namespace

Strategy parse_strategy(std::string_view text) {
  size_t colon = std::min(text.find(':'), text.size());
  Strategy out;
  bool good = parse_named(text.substr(0, colon), kStrategies, out.kind);
  int* number = number_of(out);
  if (out.is_adapted()) *number = out.kind == Strategy::Kind::lora ? kUsualRank : kUsualWidth;
  if (colon < text.size())
    good =
        good && number && parse_number(text.substr(colon + 1), *number) && *number >= 1 && *number <= 65536;
  good = good && (!number || *number >= 1);
  GRAFT_CHECK_AS(UsageError, good, "strategy \"", printable(text),
                 "\" is none of head, partial:N (N from 1), full, gradual, scratch, bitfit, lora:RANK, "
                 "adapters:WIDTH");
  return out;
}

std::string to_text(const Strategy& strategy) {
  Strategy copy = strategy;
  int* number = number_of(copy);
  std::string name(kStrategies[static_cast<size_t>(strategy.kind)].second);
  return number ? str(name, ":", *number) : name;
}

}  // namespace graft::transfer
