#include "transfer/features.h"

#include <algorithm>
#include <filesystem>

#include "core/env.h"
#include "core/sha256.h"
#include "core/version.h"
#include "kernels/dispatch.h"
#include "transfer/certificate.h"
#include "transfer/compute.h"
#include "transfer/score.h"
#include "transfer/stopwatch.h"
#include "weights/checkpoint.h"
#include "weights/save.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

std::string view_name(size_t view) {
  return str("features.", view);
}

// The file's views, or none where there is no such file. Throws what Checkpoint throws for a damaged one.
std::vector<Tensor> read_cache(const std::string& path, const std::string& key, const Examples& set,
                               int views) {
  if (!fs::exists(path)) return {};
  auto file = weights::Checkpoint::open(path);
  auto it = file.metadata().find("graft.key");
  GRAFT_CHECK_AS(DataError, it != file.metadata().end() && it->second == key, path, ": holds other features");
  std::vector<Tensor> out;
  for (size_t v = 0; v <= static_cast<size_t>(views); ++v) {
    out.push_back(file.read(view_name(v)));
    GRAFT_CHECK_AS(DataError,
                   out[v].rank() == 2 && out[v].dim(0) == set.size() && out[v].dtype() == DType::f32, path,
                   ": ", view_name(v), " is ", out[v], " for ", set.size(), " samples");
  }
  return out;
}

void write_cache(const std::string& path, const std::string& key, const std::vector<Tensor>& views) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  GRAFT_CHECK_AS(DiskError, !error, fs::path(path).parent_path().string(), ": ", error.message());
  std::vector<weights::SavedTensor> tensors;
  for (size_t v = 0; v < views.size(); ++v) tensors.push_back({view_name(v), views[v]});
  weights::save_safetensors(path, tensors, {{"graft.key", key}});
}

std::vector<Tensor> compute(nn::Headed& network, const Examples& set, const FeatureOptions& options,
                            const OnProgress& on_progress) {
  NoGrad no_grad;
  EvaluationMode mode(network);
  Stopwatch watch;
  std::vector<int64_t> order = scoring_order(set);
  std::vector<Tensor> out;
  int64_t total = set.size() * (options.views + 1);
  // A member without a batch of its own asks the first one how long a row is, as everybody must know.
  Team* team = options.team;
  bool idle = team && team->rank() * kScoreBatch >= set.size();
  for (int view = 0; view <= options.views; ++view) {
    Tensor features;
    for (int64_t begin = 0; begin < set.size(); begin += kScoreBatch) {
      int64_t end = std::min(set.size(), begin + kScoreBatch);
      bool own = !team || begin / kScoreBatch % team->size() == team->rank();
      if (!own && !(idle && begin == 0)) continue;
      std::span<const int64_t> batch(order.data() + begin, static_cast<size_t>(end - begin));
      Tensor inputs =
          view == 0 ? set.inputs(batch) : set.augmented(batch, options.seed, static_cast<uint64_t>(view));
      Tensor pooled = network.features(network.taken(inputs)).value().to(kCpu).to(DType::f32);
      if (!features) features = Tensor::zeros({set.size(), pooled.dim(1)});
      if (!own) break;
      scatter_rows(pooled, batch, features);
      if (on_progress) {
        int64_t done = view * set.size() + end;
        on_progress({.phase = "features",
                     .done = done,
                     .total = total,
                     .items_per_second = static_cast<double>(done) / watch.seconds()});
      }
    }
    if (team) team->sum(features);
    out.push_back(features);
  }
  return out;
}

// What the leader found in its cache, or that it found nothing.
void share_views(Team& team, Features& features) {
  double count[] = {static_cast<double>(features.views.size())};
  broadcast(team, count);
  features.views.resize(static_cast<size_t>(count[0]));
  for (Tensor& view : features.views) view = broadcast(team, view);
  features.from_cache = !features.views.empty();
}

}  // namespace

std::string feature_key(nn::Headed& network, const Examples& set, const FeatureOptions& options) {
  Sha256 hash;
  hash.add(str("graft features\nengine ", kVersion, " ", to_text(kernels::cpu_level()), "\narchitecture ",
               options.architecture, "\n"));
  if (network.device().is_cuda()) {
    hash.add(str("device ", describe(network.device()), "\nprecision ", network.precision(), "\n"));
  }
  for (const nn::Stage& stage : network.stages()) hash.add(str("stage ", stage.name, "\n"));
  std::vector<std::string> head = network.head_parts();
  for (const nn::NamedTensor& t : nn::named_tensors(network)) {
    bool of_head = std::any_of(head.begin(), head.end(),
                               [&](const std::string& part) { return t.name.starts_with(part + "."); });
    if (!of_head) hash.add(str(t.name, " ", sha256(t.value().to(kCpu)), "\n"));
  }
  hash.add(set.describe()).add(str("views ", options.views, "\n"));
  if (options.views > 0) hash.add(set.describe_augmentation()).add(str("seed ", options.seed, "\n"));
  return hash.hex();
}

std::string cache_folder() {
  if (std::string folder = env::cache(); !folder.empty()) return folder;
  if (std::string base = env::get("XDG_CACHE_HOME"); !base.empty()) return base + "/graft";
  if (std::string home = env::get("HOME"); !home.empty()) return home + "/.cache/graft";
  return "";
}

Features features_of(nn::Headed& network, const Examples& set, const FeatureOptions& options,
                     const OnProgress& on_progress) {
  Features out;
  bool keeps = options.cache && (!options.team || options.team->leads());
  std::string folder = keeps ? cache_folder() : "", key, path;
  if (!folder.empty()) {
    key = feature_key(network, set, options);
    path = folder + "/" + key + ".safetensors";
    try {
      out.views = read_cache(path, key, set, options.views);
      out.from_cache = !out.views.empty();
    } catch (const Error& e) {
      out.note = str("cached features were computed anew: ", e.what());
    }
  }
  if (options.team) share_views(*options.team, out);
  if (out.from_cache) return out;
  out.views = compute(network, set, options, on_progress);
  if (folder.empty()) return out;
  try {
    write_cache(path, key, out.views);
  } catch (const DiskError& e) {
    out.note = str("features could not be cached: ", e.what());
  }
  return out;
}

}  // namespace graft::transfer
