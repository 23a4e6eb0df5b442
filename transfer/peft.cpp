#include "transfer/peft.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/file.h"
#include "core/nearest.h"
#include "nn/adapters.h"
#include "transfer/rules.h"
#include "weights/config.h"
#include "weights/save.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using weights::Config;

constexpr std::string_view kWrapper = "base_model.model.";  // PEFT's own modules around the network
constexpr std::string_view kDown = ".lora_A.weight", kUp = ".lora_B.weight";
constexpr std::string_view kAdapter = ".adapter";  // graft's name for what a layer carries

bool has_update(nn::Module& module) {
  auto* linear = dynamic_cast<nn::Linear*>(&module);
  auto* conv = dynamic_cast<nn::Conv2d*>(&module);
  return (linear && dynamic_cast<nn::LowRank<nn::Linear>*>(linear->adapter.get())) ||
         (conv && dynamic_cast<nn::LowRank<nn::Conv2d>*>(conv->adapter.get()));
}

bool is_in(const std::string& name, const std::vector<std::string>& modules) {
  return std::any_of(modules.begin(), modules.end(),
                     [&](const std::string& module) { return name.starts_with(module + "."); });
}

// "encoder.query.adapter.lora_A.weight" -> "encoder.query.lora_A.weight"
std::string without_adapter(const std::string& name) {
  size_t at = name.rfind(std::string(kAdapter) + ".lora_");
  return at == std::string::npos ? name : name.substr(0, at) + name.substr(at + kAdapter.size());
}

// The full name of the layer that the file calls `name`: PEFT may have wrapped a part of this network, so the
// end of the name will do where it is the end of one layer's only.
std::string layer_called(const std::string& name, nn::Module& network, const std::string& file) {
  std::vector<std::string> layers, found;
  for (auto& [full, module] : nn::named_modules(network)) {
    if (!dynamic_cast<nn::Linear*>(module) && !dynamic_cast<nn::Conv2d*>(module)) continue;
    layers.push_back(full);
    if (full == name) return full;
    if (full.ends_with("." + name)) found.push_back(full);
  }
  GRAFT_CHECK_AS(DataError, found.size() == 1, printable(file), ": holds an update of ", printable(name),
                 found.empty() ? ", which is no linear or convolution layer of the network"
                               : ", which is the end of several layers' names",
                 found.empty() ? did_you_mean(name, layers) : str(": ", found[0], " and ", found[1]));
  return found.front();
}

// alpha_pattern gives layers whose name ends with what the key (a regex) matches an alpha of their own.
double alpha_of(const std::string& layer, const Config& config, double alpha) {
  if (!config.has("alpha_pattern")) return alpha;
  Config patterns = config.section("alpha_pattern");
  for (const std::string& key : patterns.keys()) {
    if (matches("re:(.*\\.)?(" + key + ")", layer)) return patterns.number(key, 0, 1e6);
  }
  return alpha;
}

// Where the tensors of an adapter's file belong.
class Reading {
 public:
  Reading(nn::Module& network, const Config& config, std::string file)
      : network_(network),
        config_(config),
        file_(std::move(file)),
        alpha_(config.number_or("lora_alpha", 8, 0, 1e6)),
        dropout_(config.number_or("lora_dropout", 0, 0, 0.999)),
        by_root_(config.flag_or("use_rslora", false)) {
    names_.strip_wrappers = false;
  }

  // Hangs in the update that this tensor begins, or notes the tensor that it replaces.
  void place(const weights::Entry& entry) {
    std::string name = entry.name.starts_with(kWrapper) ? entry.name.substr(kWrapper.size()) : entry.name;
    if (name.ends_with(kUp)) return;
    if (!name.ends_with(kDown)) {
      size_t wrapped = name.rfind(".base_layer.");
      if (wrapped != std::string::npos) name.erase(wrapped, std::string_view(".base_layer").size());
      return map(entry.name, name);
    }
    std::string layer = layer_called(name.substr(0, name.size() - kDown.size()), network_, file_);
    GRAFT_CHECK_AS(DataError, !entry.sizes.empty() && entry.sizes[0] >= 1, printable(file_), ": ",
                   printable(entry.name), " has no rows; expected [rank, ...]");
    LoraOptions options{.rank = entry.sizes[0], .dropout = dropout_, .targets = {layer}};
    double root = by_root_ ? std::sqrt(static_cast<double>(options.rank)) : 1;
    options.alpha = alpha_of(layer, config_, alpha_) * root;
    add_lora(network_, options, "", 0);
    added_.push_back(layer);
    std::string prefix = entry.name.substr(0, entry.name.size() - kDown.size());
    for (std::string_view part : {kDown, kUp}) map(str(prefix, part), str(layer, kAdapter, part));
  }

  bool has_updates() const { return !added_.empty(); }
  // What the file does not hold keeps its value.
  weights::NameMap names() const {
    weights::NameMap all = names_;
    for (const nn::NamedTensor& t : nn::named_tensors(network_)) {
      if (!filled_.contains(t.name)) all.waive.push_back(t.name);
    }
    return all;
  }
  void undo() {
    for (auto& [name, module] : nn::named_modules(network_)) {
      if (std::find(added_.begin(), added_.end(), name) == added_.end()) continue;
      if (auto* linear = dynamic_cast<nn::Linear*>(module)) linear->adapter.reset();
      if (auto* conv = dynamic_cast<nn::Conv2d*>(module)) conv->adapter.reset();
    }
  }

 private:
  void map(const std::string& from, const std::string& to) {
    names_.rename.push_back({from, to});
    filled_.insert(to);
  }

  nn::Module& network_;
  const Config& config_;
  std::string file_;
  double alpha_, dropout_;
  bool by_root_;
  weights::NameMap names_;
  std::set<std::string> filled_;
  std::vector<std::string> added_;
};

}  // namespace

void save_peft(const std::string& folder, nn::Module& network, const LoraOptions& options,
               const std::vector<std::string>& also, const std::string& base) {
  std::vector<std::string> layers;
  bool stored_in_out = false;
  for (auto& [name, module] : nn::named_modules(network)) {
    if (has_update(*module)) layers.push_back(name);
  }
  GRAFT_CHECK_AS(UsageError, !layers.empty(), "save_peft: no layer of the network has a LoRA update");
  for (const nn::NamedTensor& t : nn::named_tensors(network)) {
    bool adapted =
        t.name.ends_with(".weight") &&
        std::find(layers.begin(), layers.end(), t.name.substr(0, t.name.size() - 7)) != layers.end();
    stored_in_out = stored_in_out || (adapted && t.published == nn::Published::linear_io);
  }
  std::vector<weights::SavedTensor> tensors;
  for (weights::SavedTensor& t : weights::published_tensors(network)) {
    std::string name = without_adapter(t.name);
    if (name != t.name || is_in(t.name, also)) tensors.push_back({str(kWrapper, name), std::move(t.value)});
  }
  nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                   {"auto_mapping", nullptr},
                                   {"base_model_name_or_path", base},
                                   {"task_type", nullptr},
                                   {"inference_mode", true},
                                   {"r", options.rank},
                                   {"lora_alpha", options.alpha},
                                   {"lora_dropout", options.dropout},
                                   {"target_modules", layers},
                                   {"fan_in_fan_out", stored_in_out},
                                   {"bias", "none"},
                                   {"init_lora_weights", true},
                                   {"modules_to_save", also}};
  if (also.empty()) config["modules_to_save"] = nullptr;
  std::error_code error;
  fs::create_directories(folder, error);
  GRAFT_CHECK_AS(DiskError, !error, printable(folder), ": cannot be made: ", error.message());
  weights::save_safetensors((fs::path(folder) / "adapter_model.safetensors").string(), tensors);
  write_file((fs::path(folder) / "adapter_config.json").string(), config.dump(2) + "\n");
}

weights::LoadReport load_peft(nn::Module& network, const std::string& folder) {
  std::string file = (fs::path(folder) / "adapter_model.safetensors").string();
  if (!fs::exists(file)) file = (fs::path(folder) / "adapter_model.bin").string();
  GRAFT_CHECK_AS(DataError, fs::exists(file), printable(folder),
                 ": holds neither adapter_model.safetensors nor adapter_model.bin");
  Config config = Config::read((fs::path(folder) / "adapter_config.json").string());
  config.one_of("peft_type", {"LORA"});
  if (config.flag_or("use_dora", false)) config.reject("use_dora", "false: graft has no DoRA");
  auto checkpoint = weights::Checkpoint::open(file);
  Reading reading(network, config, file);
  try {
    for (const weights::Entry& entry : checkpoint.entries()) reading.place(entry);
    GRAFT_CHECK_AS(DataError, reading.has_updates(), printable(file),
                   ": holds no LoRA update (no name ends with ", kDown, ")");
    weights::LoadReport report = weights::load(network, checkpoint, reading.names());
    report.require_complete();
    return report;
  } catch (...) {
    reading.undo();
    throw;
  }
}

}  // namespace graft::transfer
