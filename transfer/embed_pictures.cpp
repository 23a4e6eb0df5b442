#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/parallel.h"
#include "transfer/clip.h"
#include "transfer/embed.h"
#include "transfer/family.h"
#include "transfer/pictures.h"
#include "transfer/source.h"
#include "transfer/vit.h"

namespace graft::transfer {
namespace {

// The pictures [begin, end) of the files, decoded in parallel.
PictureSet read_pictures(const std::vector<std::string>& files, size_t begin, size_t end, int64_t channels) {
  PictureSet out;
  out.files.assign(files.begin() + static_cast<std::ptrdiff_t>(begin),
                   files.begin() + static_cast<std::ptrdiff_t>(end));
  out.labels.assign(end - begin, 0);
  out.pixels.resize(end - begin);
  parallel_for(out.size(), 1, [&](int64_t first, int64_t last) {
    for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i)
      out.pixels[i] =
          std::make_shared<const data::Image>(data::read_image(out.files[i], {.channels = channels}));
  });
  return out;
}

}  // namespace

PictureEncoder open_picture_encoder(const std::string& weights, const std::string& model,
                                    std::optional<int64_t> channels) {
  PictureEncoder out;
  out.model = model;
  if (!model.empty()) {
    Published published = load_published(model, weights, channels);
    out.network = std::move(published.network);
    out.preprocess = published.preprocess;
    out.network->eval();
    return out;
  }
  GRAFT_CHECK_AS(UsageError, !channels, "channels ", *channels,
                 ": name the network of the weights, too; a folder or a model.graft is taken "
                 "as it is");
  out.model = family_of(weights);
  if (out.model == "clip") {
    LoadedClip clip = load_clip(weights);
    out.preprocess = clip.preprocess;
    Tensor no_head = Tensor::zeros({1, clip.model->config.projection});
    auto network = std::make_unique<nn::ClipClassifier>(std::move(*clip.model), no_head);
    network->normalizes = false;
    out.network = std::move(network);
  } else if (out.model == "vit") {
    LoadedVit vit = load_vit(weights);
    out.preprocess = vit.preprocess;
    out.network = std::move(vit.model);
  } else {
    bool artefact = std::filesystem::is_regular_file(weights) &&
                    weights::Checkpoint::open(weights).metadata().contains("graft.model");
    GRAFT_CHECK_AS(UsageError, artefact, printable(weights),
                   ": neither a folder of a CLIP or a ViT nor a model.graft; say with --model which network "
                   "these weights are of");
    Artefact found = load_artefact(weights);
    GRAFT_CHECK_AS(UsageError, found.samples == Samples::pictures, printable(weights),
                   ": a network of texts; graft embed takes it from its published folder");
    out.model = found.model;
    out.preprocess = found.preprocess;
    out.network = std::move(found.network);
  }
  out.network->eval();
  return out;
}

Embeddings embed_pictures(const PictureEncoder& encoder, const std::vector<std::string>& files,
                          const EmbedOptions& options, const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, options.batch >= 1, "embed: batches of ", options.batch);
  GRAFT_CHECK_AS(UsageError, !files.empty(), "embed: no pictures given");
  NoGrad no_grad;
  Embeddings out;
  auto batch = static_cast<size_t>(options.batch);
  for (size_t begin = 0; begin < files.size(); begin += batch) {
    size_t end = std::min(files.size(), begin + batch);
    PictureSet set = read_pictures(files, begin, end, encoder.preprocess.channels);
    std::vector<int64_t> all(end - begin);
    std::iota(all.begin(), all.end(), 0);
    Var features = encoder.network->features(encoder.network->taken(inputs(set, all, encoder.preprocess)));
    if (options.normalize) features = normalize_rows(features);
    Tensor vectors = features.value().to(kCpu).to(DType::f32).contiguous();  // [B, width]
    auto count = static_cast<int64_t>(files.size()), done = static_cast<int64_t>(end);
    if (!out.vectors.defined()) out.vectors = Tensor::empty({count, vectors.dim(1)});
    out.vectors.slice(0, static_cast<int64_t>(begin), done).copy_from(vectors);
    if (on_progress) on_progress({.phase = "embed", .done = done, .total = count});
  }
  return out;
}

}  // namespace graft::transfer
