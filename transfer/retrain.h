// One retraining on a data set in memory: new head, freeze plan, training, certificate, scores. tune() adds
// files on both ends; programs with pictures of their own (a camera, a generator) start here.
#pragma once

#include "nn/models/headed.h"
#include "transfer/compute.h"
#include "transfer/pictures.h"
#include "transfer/recipe.h"
#include "transfer/train.h"

namespace graft::transfer {

struct RetrainOptions {
  std::string model;  // the network's name: in the result, and part of the key of cached features
  Strategy strategy;
  Recipe recipe;
  data::Preprocess preprocess;  // of pictures
  std::vector<Rule> rules;      // applied after the strategy's own
  uint64_t seed = 0;            // of the head's start, the order, the augmentation
  Compute compute;
  bool cache = true;  // features may be kept in env::cache(); false: in memory only
  // Before a training on samples, find_rate.h looks for the learning rate; its suggestion takes the place of
  // the recipe's.
  bool find_rate = false;
  // The held-out samples are scored after each epoch, for the curves; otherwise at the end alone.
  bool score_epochs = true;
  // Maps of the held-out samples' features before and after, for the report: costs two passes over some.
  bool feature_maps = false;
  // Of the strategies lora and adapters: the layers, as in transfer/adapters.h; empty: the usual ones.
  std::vector<std::string> targets = {};
  // With lora, before the updates are merged into the weights: a chance to save them alone.
  std::function<void(nn::Headed& network)> before_merge = {};
  Hooks hooks;
  int64_t memory_limit = 0;  // bytes that tensors may take on the CPU; 0: what is free
  std::function<void(const MemoryPlan& plan)> on_plan = {};  // told before the first step
};

// Replaces the head by one for the sets' classes, trains as the strategy and the recipe say, and scores
// `test`. Scratch trains the network as it is given, and replaces the head only where the classes differ in
// number, and so does the recipe's keep_head. lora hangs updates in, trains them, and merges them in the end:
// `test` is then what the merged network says. Fills all of the result but weights, data, ledger and
// artefact. Throws CertificateError, naming the tensors, if a frozen tensor moved. Training steps through
// the network on the CPU are planned first (memory_plan.h): where they do not fit, MemoryError comes before
// the first step, and a batch of 0 becomes the largest power of two that fits. With hooks.checkpoints a
// training on samples can be stopped and go on; what is solved on cached features is done again.
//
// Batches are made on the CPU and brought to the device batch by batch; the network, its
// gradients, the optimizer's state and the loss are on the device. Afterwards the network is on the CPU
// again, in its own type; it stays on the device where an error ended the run.
RunResult retrain(nn::Headed& network, const Examples& train, const Examples& test,
                  const RetrainOptions& options, const OnProgress& on_progress = {});
// The same of pictures, prepared as options.preprocess says and augmented as the recipe says.
RunResult retrain(nn::Headed& network, const PictureSet& train, const PictureSet& test,
                  const RetrainOptions& options, const OnProgress& on_progress = {});

}  // namespace graft::transfer
