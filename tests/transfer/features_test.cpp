#include "transfer/features.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "autograd/ops.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/head.h"
#include "transfer/score.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// GRAFT_CACHE points to a folder of its own while one is alive.
class CacheFolder {
 public:
  CacheFolder() {
    if (const char* value = std::getenv("GRAFT_CACHE")) before_ = value;
    setenv("GRAFT_CACHE", folder_.path().c_str(), 1);
  }
  ~CacheFolder() {
    if (before_)
      setenv("GRAFT_CACHE", before_->c_str(), 1);
    else
      unsetenv("GRAFT_CACHE");
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) out.push_back(entry.path());
    return out;
  }

 private:
  TempDir folder_;
  std::optional<std::string> before_;
};

// The options of the cache, and how pictures become inputs.
struct Options : FeatureOptions {
  data::Preprocess preprocess;
  data::Augment augment;
};

Options options_with(int views) {
  Options options;
  options.architecture = "small";
  options.preprocess = {.resize = 0, .crop = 8};
  options.views = views;
  return options;
}

Features features_of(nn::Headed& network, const PictureSet& set, const Options& options) {
  return transfer::features_of(network, PictureExamples(set, options.preprocess, options.augment), options);
}

std::string feature_key(nn::Headed& network, const PictureSet& set, const Options& options) {
  return transfer::feature_key(network, PictureExamples(set, options.preprocess, options.augment), options);
}

}  // namespace

TEST_CASE("features: from the cache the same bits, for the plain pictures and for views") {
  CacheFolder folder;
  auto network = small_network();
  PictureSet set = drawn_pictures(2, 10, 8, 1);  // more than one batch
  for (int views : {0, 2}) {
    Features first = features_of(*network, set, options_with(views));
    CHECK(!first.from_cache);
    Features second = features_of(*network, set, options_with(views));
    CHECK(second.from_cache);
    CHECK(second.note.empty());
    REQUIRE(second.views.size() == static_cast<size_t>(views) + 1);
    for (size_t v = 0; v < second.views.size(); ++v) CHECK(bit_equal(first.views[v], second.views[v]));
    if (views > 0) CHECK(!bit_equal(first.views[0], first.views[1]));
  }
  CHECK(folder.files().size() == 2);
  Options in_memory = options_with(0);
  in_memory.cache = false;
  CHECK(!features_of(*network, set, in_memory).from_cache);
}

TEST_CASE("features: a picture's features do not depend on its batch") {
  auto network = small_network();
  PictureSet set = drawn_pictures(3, 7, 8, 1);
  Options options = options_with(0);
  options.cache = false;
  Tensor all = features_of(*network, set, options).views[0];
  for (size_t i : {size_t{0}, size_t{9}, size_t{20}}) {
    PictureSet one{set.classes, {set.files[i]}, {set.labels[i]}, {set.pixels[i]}};
    auto row = static_cast<int64_t>(i);
    CHECK(bit_equal(features_of(*network, one, options).views[0], all.slice(0, row, row + 1)));
  }
}

TEST_CASE("features: whatever they depend on changes the key") {
  auto network = small_network();
  PictureSet set = drawn_pictures(2, 3, 8, 1);
  Options options = options_with(1);
  std::string key = feature_key(*network, set, options);
  CHECK(key.size() == 64);
  CHECK(feature_key(*network, set, options) == key);
  auto differs = [&](const std::function<void(Options&)>& change) {
    Options other = options;
    change(other);
    return feature_key(*network, set, other) != key;
  };
  CHECK(differs([](Options& o) { o.architecture = "other"; }));
  CHECK(differs([](Options& o) { o.preprocess.mean[1] += 1e-6f; }));
  CHECK(differs([](Options& o) { o.preprocess.crop = 7; }));
  CHECK(differs([](Options& o) { o.views = 2; }));
  CHECK(differs([](Options& o) { o.seed = 1; }));
  CHECK(differs([](Options& o) { o.augment.flip = 0.25; }));

  PictureSet other = set;
  auto image = std::make_shared<data::Image>(*set.pixels[4]);
  image->rgb[17] ^= 1;
  other.pixels[4] = image;
  CHECK(feature_key(*network, other, options) != key);
  std::swap(other.pixels[4], other.pixels[5]);
  CHECK(feature_key(*network, other, options) != key);

  network->replace_head(9, 1);  // the head takes no part
  CHECK(feature_key(*network, set, options) == key);
  network->layers[1][0].bn2.running_var.value.data<float>()[3] *= 1.0001f;
  CHECK(feature_key(*network, set, options) != key);
}

TEST_CASE("features: a damaged cache file is computed anew, an impossible folder costs only the cache") {
  auto network = small_network();
  PictureSet set = drawn_pictures(2, 3, 8, 1);
  Tensor expected;
  {
    CacheFolder folder;
    expected = features_of(*network, set, options_with(0)).views[0];
    std::filesystem::path file = folder.files().at(0);
    auto size = std::filesystem::file_size(file);
    for (auto offset : {size - 5, size / 2, uintmax_t{3}}) {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(static_cast<std::streamoff>(offset));
      auto byte = static_cast<char>(stream.get() ^ 0x10);
      stream.seekp(static_cast<std::streamoff>(offset));
      stream.put(byte);
      stream.close();
      Features again = features_of(*network, set, options_with(0));
      CHECK(!again.from_cache);
      CHECK(again.note.find("computed anew") != std::string::npos);
      CHECK(bit_equal(again.views[0], expected));
      CHECK(features_of(*network, set, options_with(0)).from_cache);  // the file was replaced
    }
    std::filesystem::resize_file(file, size / 2);
    CHECK(bit_equal(features_of(*network, set, options_with(0)).views[0], expected));
  }
  setenv("GRAFT_CACHE", "/dev/null/nowhere", 1);
  Features uncached = features_of(*network, set, options_with(0));
  unsetenv("GRAFT_CACHE");
  CHECK(bit_equal(uncached.views[0], expected));
  CHECK(uncached.note.find("could not be cached") != std::string::npos);
}

TEST_CASE("head: the folded head says of features what the standardised problem's optimum says") {
  auto network = small_network();
  PictureSet train = drawn_pictures(3, 15, 8, 1), test = drawn_pictures(3, 5, 8, 2);
  network->replace_head(3, 1);
  Options options = options_with(0);
  options.cache = false;
  HeadData data;
  data.train = {train, features_of(*network, train, options)};
  data.test = {test, features_of(*network, test, options)};
  Recipe recipe = default_recipe("small", parse_strategy("head"));
  recipe.epochs = 200;
  Trained trained = train_head(*network, data, recipe, 1);
  CHECK(trained.epochs.size() <= 200);
  Tensor logits;
  {
    NoGrad no_grad;
    logits = network->head(Var(data.test.features.views[0])).value();
  }
  Evaluation folded = evaluation_of(logits, test);
  CHECK(folded.loss == doctest::Approx(trained.epochs.back().test_loss).epsilon(1e-4));
  CHECK(folded.accuracy == trained.epochs.back().test_accuracy);

  // The optimum of the convex problem: AdamW's last loss on the same features is no lower than L-BFGS's.
  auto other = small_network();
  other->replace_head(3, 1);
  recipe.optimizer = Optimizer::adamw;
  recipe.weight_decay = 0;
  recipe.epochs = 30;
  Trained by_steps = train_head(*other, data, recipe, 1);
  CHECK(by_steps.epochs.back().test_accuracy >= 0.6);
}

TEST_CASE("head: views take part in the training") {
  PictureSet train = drawn_pictures(3, 6, 8, 1), test = drawn_pictures(3, 5, 8, 2);
  for (Optimizer optimizer : {Optimizer::lbfgs, Optimizer::sgd}) {
    std::vector<Tensor> heads;
    for (int views : {0, 2}) {
      auto network = small_network(3);
      RetrainOptions options = quick_options("head");
      options.recipe.optimizer = optimizer;
      options.recipe.views = views;
      retrain(*network, train, test, options);
      heads.push_back(network->linear.weight.var.value().clone());
    }
    CHECK(!bit_equal(heads[0], heads[1]));
  }
}
