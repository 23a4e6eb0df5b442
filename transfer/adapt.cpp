#include "transfer/adapt.h"

#include <filesystem>

#include "core/file.h"
#include "nn/layers.h"
#include "transfer/certificate.h"
#include "transfer/picture_files.h"
#include "transfer/pictures.h"
#include "transfer/score.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"
#include "transfer/batches.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

// The batch norms of a network while their statistics are estimated: they alone are in training mode, so that
// dropout drops nothing.
class Estimating {
 public:
  explicit Estimating(nn::Module& network) : mode_(network) {
    nn::for_each_layer<nn::BatchNorm2d>(network, [&](const std::string& name, nn::BatchNorm2d& layer) {
      layers_.push_back({name, &layer, layer.how.momentum});
    });
  }
  ~Estimating() {
    for (Layer& layer : layers_) layer.norm->how.momentum = layer.momentum;
  }
  Estimating(const Estimating&) = delete;
  Estimating& operator=(const Estimating&) = delete;

  size_t size() const { return layers_.size(); }

  // Nothing but the statistics may move.
  std::vector<Rule> rules() const {
    std::vector<Rule> out{{"*", Freeze::frozen}};
    for (const Layer& layer : layers_) {
      for (const char* part : {"running_mean", "running_var", "num_batches_tracked"})
        out.push_back({layer.name.empty() ? part : str(layer.name, ".", part), Freeze::frozen_adapt_stats});
    }
    return out;
  }

  void reset() {
    for (Layer& layer : layers_) {
      auto set = [](const nn::Buffer& buffer, double value) {
        Tensor old = buffer.value;
        old.copy_from(Tensor::full(old.shape(), value, old.dtype()).to(old.device()));
      };
      set(layer.norm->running_mean, 0);
      set(layer.norm->running_var, 1);
      set(layer.norm->num_batches_tracked, 0);
      layer.norm->train(true);
    }
  }

  // The next batch's share in the average.
  void set_share(double share) {
    for (Layer& layer : layers_) layer.norm->how.momentum = share;
  }

 private:
  struct Layer {
    std::string name;
    nn::BatchNorm2d* norm;
    double momentum;
  };
  EvaluationMode mode_;
  std::vector<Layer> layers_;
};

// All pictures of a folder; their class, which nobody knows, is 0.
PictureSet pictures_in(const std::string& folder, const data::Preprocess& preprocess,
                       const OnProgress& on_progress) {
  std::error_code error;
  GRAFT_CHECK_AS(DataError, fs::is_directory(folder, error), printable(folder),
                 ": is no folder; a folder with pictures of the new kind is needed");
  data::Dataset dataset;
  dataset.root = folder;
  for (const std::string& file : picture_files({folder}))
    dataset.train.push_back({fs::path(file).lexically_relative(folder).generic_string(), 0});
  return load_pictures(dataset, dataset.train, preprocess, on_progress);
}

void save(const AdaptOptions& options, Artefact& artefact, const std::string& pictures_sha256,
          const std::string& weights_before, const Adapted& adapted) {
  RunResult run;
  run.model = artefact.model;
  run.strategy = "adapt";
  run.classes = artefact.labels;
  run.settings = artefact.settings;
  run.certificate = adapted.certificate;
  run.receipt = artefact.receipt;
  run.receipt["adapted_strategy"] = artefact.strategy;
  run.receipt["adapt_pictures"] = str(adapted.pictures);
  run.receipt["adapt_pictures_sha256"] = pictures_sha256;
  run.receipt["adapt_batch"] = str(options.batch);
  run.receipt["adapt_seed"] = str(options.seed);
  run.receipt["weights_before_sha256"] = weights_before;
  run.receipt["weights_after_sha256"] = weights_sha256(*artefact.network);
  save_artefact(options.out, *artefact.network, run, artefact.preprocess);
  Artefact again = load_artefact(options.out);
  GRAFT_CHECK(weights_sha256(*again.network) == run.receipt["weights_after_sha256"], options.out,
              ": does not hold the tensors that were written to it");
}

}  // namespace

Adapted adapt_statistics(nn::Headed& network, const Examples& target, const Adapting& how,
                         const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, how.batch >= 2, "adapt: batches of ", how.batch,
                 "; statistics need two pictures or more");
  GRAFT_CHECK_AS(DataError, target.size() >= 2, "adapt: ", target.size(),
                 target.size() == 1 ? " picture" : " pictures", "; statistics need two or more");
  Stopwatch watch;
  network.eval();
  Estimating norms(network);
  GRAFT_CHECK_AS(UsageError, norms.size() > 0,
                 "adapt: this network has no batch norm, so there are no statistics to estimate anew; of the "
                 "other networks retrain the head on a few labelled pictures (graft tune)");
  Plan the_plan = plan(network, norms.rules());
  Snapshot before(the_plan);
  norms.reset();
  Adapted out;
  NoGrad no_grad;
  for (const std::vector<int64_t>& batch : batches_of(target.size(), how.batch, how.seed, 1)) {
    auto count = static_cast<int64_t>(batch.size());
    out.pictures += count;
    ++out.batches;
    norms.set_share(static_cast<double>(count) / static_cast<double>(out.pictures));
    network.features(network.taken(target.inputs(batch)));
    if (on_progress) {
      on_progress({.phase = "adapt",
                   .done = out.pictures,
                   .total = target.size(),
                   .items_per_second = static_cast<double>(out.pictures) / watch.seconds()});
    }
  }
  out.layers = static_cast<int64_t>(norms.size());
  out.certificate = before.certify();
  require_intact(out.certificate);
  out.moved = before.distances();
  out.seconds = watch.seconds();
  return out;
}

AdaptResult adapt(const AdaptOptions& options, const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, !options.out.empty(), "adapt: no file to write; name one");
  require_writable(options.out);
  Artefact artefact = open_source(options.source);
  GRAFT_CHECK_AS(UsageError, artefact.samples == Samples::pictures,
                 "adapt: ", printable(options.source.artefact),
                 " is a network of texts, which has no batch norm; a network of pictures is needed");
  PictureExamples target(pictures_in(options.pictures, artefact.preprocess, on_progress),
                         artefact.preprocess);
  std::string weights_before = weights_sha256(*artefact.network);
  AdaptResult out;
  static_cast<Adapted&>(out) = adapt_statistics(*artefact.network, target, options, on_progress);
  place(*artefact.network, {});
  save(options, artefact, target.content_sha256(), weights_before, out);
  out.model = artefact.model;
  out.artefact = options.out;
  out.compute = options.source.compute;
  return out;
}

}  // namespace graft::transfer
