#include "transfer/adapters.h"

#include <algorithm>
#include <functional>

#include "core/nearest.h"
#include "kernels/binary.h"
#include "nn/adapters.h"

namespace graft::transfer {
namespace {

// A layer that can carry an adapter; one of the pointers is set.
struct Place {
  std::string name;
  nn::Linear* linear = nullptr;
  nn::Conv2d* conv = nullptr;

  std::unique_ptr<nn::Adapter>& adapter() const { return linear ? linear->adapter : conv->adapter; }
  const Tensor& weight() const { return (linear ? linear->weight : conv->weight).var.value(); }
};

bool is_below(const std::string& name, const std::string& module) {
  return !module.empty() && (name == module || name.starts_with(module + "."));
}

// Every layer that can carry one and is not a part of an adapter itself.
std::vector<Place> places(nn::Module& network) {
  std::vector<Place> found;
  for (auto& [name, module] : nn::named_modules(network)) {
    if (name.find(".adapter.") != std::string::npos || name.starts_with("adapter.")) continue;
    Place place{name, dynamic_cast<nn::Linear*>(module), dynamic_cast<nn::Conv2d*>(module)};
    if (place.linear || place.conv) found.push_back(place);
  }
  return found;
}

// Does `target` mean `name`? A layer's full name means it alone, else the end of a name every layer that ends
// so.
bool is_meant(const std::string& name, const std::string& target, const std::vector<std::string>& all) {
  if (name == target) return true;
  return name.ends_with("." + target) && std::find(all.begin(), all.end(), target) == all.end();
}

std::vector<Place> chosen(nn::Module& network, std::vector<std::string> targets, const std::string& head) {
  bool by_default = targets.empty();
  if (by_default) targets = default_targets(network, head);
  std::vector<Place> all = places(network), out;
  std::vector<std::string> names, endings;
  for (const Place& place : all) {
    names.push_back(place.name);
    std::string ending = place.name.substr(place.name.rfind('.') + 1);
    if (std::find(endings.begin(), endings.end(), ending) == endings.end()) endings.push_back(ending);
  }
  for (const std::string& target : targets) {
    bool known = std::any_of(names.begin(), names.end(),
                             [&](const std::string& name) { return is_meant(name, target, names); });
    GRAFT_CHECK_AS(UsageError, known, "adapters: no linear or convolution layer is called ",
                   printable(target),
                   did_you_mean(target, target.find('.') == std::string::npos ? endings : names));
  }
  for (Place& place : all) {
    bool meant = std::any_of(targets.begin(), targets.end(),
                             [&](const std::string& target) { return is_meant(place.name, target, names); });
    if (!meant || (by_default && is_below(place.name, head))) continue;
    GRAFT_CHECK_AS(UsageError, !place.adapter(), "adapters: ", place.name,
                   " has one already; merge it or start from the published weights");
    out.push_back(place);
  }
  return out;
}

// Makes all adapters before it hangs in the first, so that a refused one leaves the network as it was.
std::vector<std::string> hang_in(const std::vector<Place>& places,
                                 const std::function<std::unique_ptr<nn::Adapter>(const Place&)>& make) {
  std::vector<std::unique_ptr<nn::Adapter>> made;
  for (const Place& place : places) {
    made.push_back(make(place));
    nn::move_to(*made.back(), place.weight().device());
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < places.size(); ++i) {
    places[i].adapter() = std::move(made[i]);
    names.push_back(places[i].name);
  }
  return names;
}

template <class Layer>
std::unique_ptr<nn::Adapter> low_rank(const Layer& layer, const std::string& name, const LoraOptions& options,
                                      uint64_t seed) {
  auto made = std::make_unique<nn::LowRank<Layer>>(
      layer, typename nn::LowRank<Layer>::Config{.rank = options.rank,
                                                 .scale = options.alpha / static_cast<double>(options.rank),
                                                 .dropout = options.dropout,
                                                 .seed = seed});
  // As PEFT starts: a uniform within 1 / sqrt(inputs), b zero.
  nn::Init init{seed};
  init.uniform(made->down.weight, name + ".adapter.lora_A.weight",
               1 / std::sqrt(static_cast<double>(nn::fan_in(made->down.weight))));
  return made;
}

// Adds the update to the weight where the adapter is LoRA's.
template <class Layer>
bool merge_into(Layer& layer) {
  auto* update = dynamic_cast<nn::LowRank<Layer>*>(layer.adapter.get());
  if (!update) return false;
  const Tensor& weight = layer.weight.var.value();
  Tensor sum = weight.empty_like();
  kernels::add(weight.contiguous(), update->weight_update(), sum);
  layer.weight.var.set_value(sum);
  layer.adapter.reset();
  return true;
}

}  // namespace

std::vector<std::string> default_targets(nn::Module& network, const std::string& head) {
  std::vector<Place> all = places(network);
  std::erase_if(all, [&](const Place& place) {
    return is_below(place.name, head) || (place.conv && place.conv->how.groups != 1);
  });
  GRAFT_CHECK_AS(UsageError, !all.empty(),
                 "adapters: this network has no linear or convolution layer below its head");
  // BERT and ViT, T5, GPT-2, CLIP.
  const std::vector<std::vector<std::string>> attention = {
      {"query", "value"}, {"q", "v"}, {"c_attn"}, {"q_proj", "v_proj"}};
  for (const std::vector<std::string>& ends : attention) {
    bool all_there = std::all_of(ends.begin(), ends.end(), [&](const std::string& end) {
      return std::any_of(all.begin(), all.end(), [&](const Place& p) { return p.name.ends_with("." + end); });
    });
    if (all_there) return ends;
  }
  std::vector<std::string> names;
  for (const Place& place : all) names.push_back(place.name);
  return names;
}

std::vector<std::string> add_lora(nn::Module& network, const LoraOptions& options, const std::string& head,
                                  uint64_t seed) {
  GRAFT_CHECK_AS(UsageError, options.rank >= 1, "LoRA: the rank is ", options.rank, ", expected 1 or more");
  return hang_in(chosen(network, options.targets, head), [&](const Place& place) {
    return place.linear ? low_rank(*place.linear, place.name, options, seed)
                        : low_rank(*place.conv, place.name, options, seed);
  });
}

std::vector<std::string> add_bottlenecks(nn::Module& network, int64_t width,
                                         const std::vector<std::string>& targets, const std::string& head,
                                         uint64_t seed) {
  return hang_in(chosen(network, targets, head), [&](const Place& place) {
    auto made = std::make_unique<nn::Bottleneck>(place.weight().dim(0), width, place.weight().dtype());
    nn::Init init{seed};
    made->down.init(init, place.name + ".adapter.down");
    return made;
  });
}

Bottlenecks bottlenecks_of(nn::Module& network) {
  Bottlenecks out;
  for (const Place& place : places(network)) {
    auto* bottleneck = dynamic_cast<nn::Bottleneck*>(place.adapter().get());
    if (!bottleneck) continue;
    out.width = bottleneck->down.weight.var.dim(0);
    out.layers.push_back(place.name);
  }
  return out;
}

std::vector<std::string> merge_lora(nn::Module& network) {
  std::vector<std::string> names;
  for (const Place& place : places(network)) {
    if (place.linear ? merge_into(*place.linear) : merge_into(*place.conv)) names.push_back(place.name);
  }
  return names;
}

}  // namespace graft::transfer
