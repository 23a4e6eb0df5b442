#include "transfer/pretrain_meadow.h"

#include "autograd/ops.h"
#include "core/parallel.h"
#include "data/meadow/meadow.h"
#include "nn/models/registry.h"
#include "transfer/score.h"
#include "transfer/stopwatch.h"
#include "weights/save.h"

namespace graft::transfer {
namespace {

using data::meadow::Flora;

// Pictures of one seed with a number below this one train; those above are held out.
constexpr uint64_t kFirstHeldOut = uint64_t{1} << 40;

// Inputs of pictures number first, first + 1, ...; picture number i shows species i modulo their count.
struct Batch {
  Tensor images, labels;
};
Batch draw_batch(std::span<const int64_t> numbers, uint64_t first, uint64_t seed, int64_t classes) {
  static const data::Preprocess preprocess = meadow_preprocess();
  auto count = static_cast<int64_t>(numbers.size());
  Batch batch{Tensor::empty({count, preprocess.crop, preprocess.crop, 3}),
              Tensor::empty({count}, DType::i64)};
  float* pixels = batch.images.data<float>();
  int64_t* labels = batch.labels.data<int64_t>();
  int64_t per_picture = batch.images.numel() / count;
  parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t number = numbers[static_cast<size_t>(i)];
      labels[i] = number % classes;
      data::Image picture =
          data::meadow::draw(Flora::pretraining, labels[i], seed, first + static_cast<uint64_t>(number));
      data::write_input(picture, preprocess, pixels + i * per_picture);
    }
  });
  return batch;
}

Evaluation held_out_score(nn::Classifier& network, const PretrainOptions& options, int64_t classes) {
  EvaluationMode mode(network);
  NoGrad no_grad;
  Evaluation out;
  std::vector<int64_t> numbers(static_cast<size_t>(classes));
  for (int64_t i = 0; i < classes; ++i) numbers[static_cast<size_t>(i)] = i;
  int64_t right = 0;
  for (int64_t round = 0; round < options.held_out_per_class;
       ++round) {  // one picture of each species a round
    Batch batch =
        draw_batch(numbers, kFirstHeldOut + static_cast<uint64_t>(round * classes), options.seed, classes);
    Tensor logits = network.forward(Var(batch.images)).value();
    out.loss += cross_entropy(Var(logits), batch.labels).value().item() /
                static_cast<double>(options.held_out_per_class);
    for (int64_t i = 0; i < classes; ++i) {
      const float* row = logits.data<float>() + i * classes;
      right += std::max_element(row, row + classes) - row == batch.labels.data<int64_t>()[i];
    }
    out.count += classes;
  }
  out.accuracy = static_cast<double>(right) / static_cast<double>(std::max<int64_t>(out.count, 1));
  return out;
}

}  // namespace

data::Preprocess meadow_preprocess() {
  const nn::InputSpec& spec = nn::model_info(kMeadowModel).input;
  data::Preprocess preprocess{.resize = spec.resize, .crop = spec.size};
  for (size_t c = 0; c < 3; ++c) {
    preprocess.mean[c] = static_cast<float>(spec.mean[c]);
    preprocess.std[c] = static_cast<float>(spec.standard_deviation[c]);
  }
  return preprocess;
}

Recipe pretrain_recipe(const PretrainOptions& options) {
  Recipe recipe;
  recipe.epochs = options.epochs;
  recipe.batch = 64;
  recipe.learning_rate = 0.1;
  recipe.body_lr_scale = 1;
  recipe.weight_decay = 1e-4;
  recipe.warmup_epochs = 1;
  recipe.label_smoothing = 0.1;
  recipe.freeze_bn = false;
  return recipe;
}

PretrainResult pretrain_meadow(const PretrainOptions& options, const OnProgress& on_progress) {
  Stopwatch watch;
  std::vector<std::string> species = data::meadow::species_names(Flora::pretraining);
  auto classes = static_cast<int64_t>(species.size());
  auto network = nn::make_classifier(kMeadowModel, classes, options.seed);
  network->train();

  Task task;
  task.count = classes * options.pictures_per_class;
  task.inputs = [&](std::span<const int64_t> which, int epoch) {
    return draw_batch(which, static_cast<uint64_t>(epoch * task.count), options.seed, classes).images;
  };
  task.logits = [&](const Var& x) { return network->forward(x); };
  task.labels = [&](std::span<const int64_t> which) {
    Tensor labels = Tensor::empty({static_cast<int64_t>(which.size())}, DType::i64);
    for (size_t i = 0; i < which.size(); ++i) labels.data<int64_t>()[i] = which[i] % classes;
    return labels;
  };
  task.evaluate = [&] { return held_out_score(*network, options, classes); };

  Recipe recipe = pretrain_recipe(options);
  Trained trained =
      train(task, plan(*network, {{"*", Freeze::trainable}}), recipe, options.seed, {}, on_progress);

  PretrainResult result{trained.epochs, trained.epochs.back().test_accuracy, task.count * recipe.epochs,
                        watch.seconds()};
  if (!options.out.empty()) {
    std::string names;
    for (const std::string& name : species) names += (names.empty() ? "" : ",") + name;
    weights::save(*network, options.out,
                  {{"model", kMeadowModel},
                   {"classes", names},
                   {"preprocess", data::to_json(meadow_preprocess())},
                   {"seed", str(options.seed)},
                   {"pictures", str(result.pictures)},
                   {"held_out_accuracy", fixed(result.accuracy, 4)},
                   {"command", options.command}});
  }
  return result;
}

}  // namespace graft::transfer
