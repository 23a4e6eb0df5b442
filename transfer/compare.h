// The ladder of transfer learning on one data set, with few and with many training samples: zero-shot,
// neighbours, class means, logistic regression, LoRA, the last stages, every layer, and from nothing. All are
// scored on the same held-out samples.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/text_table.h"
#include "nn/models/headed.h"
#include "transfer/compute.h"
#include "transfer/examples.h"
#include "transfer/recipe.h"

namespace graft::transfer {

// The methods by name, in the order of the ladder.
//   zeroshot  CLIP, from the classes' names alone (zeroshot.h)
//   knn       the nearest training samples by their features vote (neighbours.h)
//   centroid  the nearest of the classes' mean features (fewshot.h)
//   probe     strategy head: on features, the head alone
//   partial   strategy partial:N for a quarter of the network's stages
//   bitfit, lora, adapters, full, gradual, scratch   the strategies
// A number may follow where the strategy takes one: "partial:2", "lora:16". bitfit and adapters run only
// where they are named.
const std::vector<std::string>& comparison_methods();

// One method with so many training samples.
struct CompareRow {
  std::string method;
  std::string strategy;   // of a method that retrains: "partial:5"; else empty
  int64_t per_class = 0;  // 0: zeroshot, which is shown none
  double accuracy = 0;
  int64_t count = 0;  // held-out samples
  // From the loaded network to the finished classifier: the trunk's features of the training samples, where
  // the method takes them, and training. Scoring is not in it.
  double seconds = 0;
  int64_t trainable_parameters = 0;
  int64_t peak_memory_bytes = 0;  // in tensors on the device that computes, scoring included
  std::string note;               // "k = 5 ...", or empty
};

// How the methods are run.
struct Comparing {
  std::vector<std::string> methods = {};  // empty: all that the network and the data allow
  // Training samples of each class; empty: those of 5, 20 and 100 that every class has. The samples of a
  // class are a function of (seed, class), and the smaller sets are parts of the larger.
  std::vector<int64_t> per_class = {};
  uint64_t seed = 0;
  Compute compute = {};
  bool cache = true;  // the trunk's features may be kept in env::cache()
  // Settings in place of the recipes' own, of every method that trains by steps ("epochs", "3") or of one
  // ("full.epochs", "12").
  std::vector<std::pair<std::string, std::string>> settings = {};
  std::function<void(const CompareRow&)> on_row = {};  // told of each row as it is there
};

// What is compared, in memory. Each function gives a fresh network; one that is not set: there is none.
struct Contest {
  std::string model;
  Labelled labelled;  // all training samples
  // Some of them, with the augmentation of a recipe.
  std::function<std::unique_ptr<Examples>(std::span<const int64_t> which, const Recipe&)> training;
  std::unique_ptr<Examples> test;
  std::function<std::unique_ptr<nn::Headed>()> pretrained, scratch, zeroshot;
  std::string why_no_zeroshot, why_no_scratch;  // for whoever asks for it by name
  std::function<Recipe(const Strategy&)> recipe;
};

struct CompareResult {
  std::string model, weights, data;
  std::vector<std::string> classes;
  std::vector<std::string> methods;  // as they were run
  std::vector<int64_t> per_class;    // rising
  std::vector<CompareRow> rows;      // by method in the ladder's order, then by per_class
  Samples samples = Samples::pictures;
  int64_t count = 0;  // held-out samples
  uint64_t seed = 0;
  Compute compute;
  int threads = 0;
  std::vector<std::string> notes;
  double seconds = 0;  // of everything
};

// Throws UsageError for a method that there is not (with the nearest name), that is named twice or does not
// fit the network, and for numbers of samples that are not positive or stand twice; DataError, naming the
// classes, where they have fewer samples.
CompareResult compare(const Contest& contest, const Comparing& how, const OnProgress& on_progress = {});

// From files. Pictures: a network's name and its published weights, or a folder of a CLIP or a ViT alone.
// Texts: a folder of BERT, RoBERTa or GPT-2.
struct CompareOptions : Comparing {
  std::string data;     // as TuneOptions' data
  std::string model;    // of pictures
  std::string weights;  // as TuneOptions' weights
  double test_share = 0.2;
  data::TableOptions table = {};  // of texts
  int64_t max_length = 0;         // of texts: tokens that are read; 0: as many as the network has positions
};
CompareResult compare(const CompareOptions& options, const OnProgress& on_progress = {});

}  // namespace graft::transfer
