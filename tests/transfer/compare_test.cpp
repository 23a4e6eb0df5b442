#include "transfer/compare.h"

#include <algorithm>
#include <map>
#include <set>

#include "nn/models/registry.h"
#include "tests/app/program.h"
#include "tests/transfer/drawn.h"
#include "tests/transfer/text_shop.h"
#include "transfer/demo.h"
#include "transfer/neighbours.h"
#include "transfer/pretrain_meadow.h"
#include "transfer/report/metrics.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// Drawn pictures for a small network; remembers which samples each training took.
struct Drawn {
  PictureSet train = drawn_pictures(3, 6, 8, 1), test = drawn_pictures(3, 5, 8, 2);
  std::vector<std::vector<int64_t>> taken;
  int loaded = 0;
  data::Preprocess preprocess = {.resize = 0, .crop = 8};

  Contest contest() {
    Contest out;
    out.model = "small";
    out.labelled = train;
    out.training = [this](std::span<const int64_t> which, const Recipe& recipe) {
      taken.emplace_back(which.begin(), which.end());
      return PictureExamples(train, preprocess, recipe.augment).part(which);
    };
    out.test = std::make_unique<PictureExamples>(test, preprocess);
    out.pretrained = [this] {
      ++loaded;
      return small_network();
    };
    out.scratch = [] { return small_network(3, 9); };
    out.why_no_zeroshot = "no CLIP here";
    out.recipe = [](const Strategy& strategy) {
      Recipe recipe = quick_options("full").recipe;
      if (strategy.kind == Strategy::Kind::head) recipe = quick_options("head").recipe;
      recipe.epochs = std::min(recipe.epochs, 2);
      return recipe;
    };
    return out;
  }
};

std::vector<double> accuracies(const CompareResult& result) {
  std::vector<double> out;
  for (const CompareRow& row : result.rows) out.push_back(row.accuracy);
  return out;
}

}  // namespace

TEST_CASE(
    "neighbours: the nearest by angle vote, whatever the lengths; ties go to the nearer, then the first") {
  // Class a along x, b along y. k = 3 is the largest that the smallest class allows.
  std::vector<float> rows = {1, 0, 10, 1, 2, 0.3f, 0, 5, 0.1f, 1, 0.4f, 2};
  Labelled examples{{"a", "b"}, {"1", "2", "3", "4", "5", "6"}, {0, 0, 0, 1, 1, 1}};
  Tensor features = Tensor::from(rows, {6, 2});
  Tensor test = Tensor::from(std::vector<float>{500, 20, 0.01f, 0.9f}, {2, 2});
  Neighbours found = nearest_neighbours(features, examples, test, {{"a", "b"}, {"p", "q"}, {0, 0}});
  CHECK(found.k == 1);  // k = 1 and 3 name all examples rightly: the smaller
  CHECK(found.left_one_out == 1);
  CHECK(found.evaluation.scored[0].predicted == 0);
  CHECK(found.evaluation.scored[1].predicted == 1);
  CHECK(found.evaluation.accuracy == 0.5);

  // Two examples of the same direction and of different classes: the earlier is asked.
  Labelled two{{"a", "b"}, {"1", "2"}, {1, 0}};
  Tensor same = Tensor::from(std::vector<float>{1, 1, 2, 2}, {2, 2});
  Tensor third = Tensor::from(std::vector<float>{3, 0}, {1, 2});
  found = nearest_neighbours(same, two, third, {{"a", "b"}, {"t"}, {1}});
  CHECK(found.evaluation.scored[0].predicted == 1);
  check_throws<UsageError>([&] { nearest_neighbours(same, {{"a"}, {}, {}}, third, two); }, {"no examples"});
}

TEST_CASE("neighbours: k is the one with which the others name most examples, never a test sample") {
  // Ten of each class around two directions that are 0.3 rad apart, with much noise: one neighbour errs more
  // than seven do.
  Labelled examples{{"a", "b"}, {}, {}};
  std::vector<float> rows;
  Rng rng(4);
  for (int64_t i = 0; i < 60; ++i) {
    double angle = 0.3 * static_cast<double>(i % 2) + 0.25 * rng.normal();
    rows.push_back(static_cast<float>(std::cos(angle)));
    rows.push_back(static_cast<float>(std::sin(angle)));
    examples.files.push_back(str(i));
    examples.labels.push_back(i % 2);
  }
  Tensor features = Tensor::from(rows, {60, 2});
  Neighbours found = nearest_neighbours(features, examples, features, examples);
  CHECK(found.k > 1);
  // By hand, with every k that is allowed.
  double best = -1;
  int64_t best_k = 0;
  for (int64_t k : {1, 3, 5, 7, 9, 11, 15, 21}) {
    int right = 0;
    for (int64_t i = 0; i < 60; ++i) {
      std::vector<std::pair<double, int64_t>> near;
      for (int64_t j = 0; j < 60; ++j) {
        double cosine = rows[2 * i] * rows[2 * j] + rows[2 * i + 1] * rows[2 * j + 1];
        if (j != i) near.emplace_back(-cosine, j);
      }
      std::sort(near.begin(), near.end());
      int64_t of_b = 0;
      for (int64_t n = 0; n < k; ++n) of_b += near[static_cast<size_t>(n)].second % 2;
      right += (2 * of_b > k) == (i % 2 == 1);
    }
    if (right / 60.0 > best) best = right / 60.0, best_k = k;
  }
  CHECK(found.k == best_k);
  CHECK(found.left_one_out == doctest::Approx(best));
}

TEST_CASE("compare: every method with every size, in the ladder's order, and again to the same figures") {
  Drawn drawn;
  Contest contest = drawn.contest();
  Comparing how{.per_class = {4, 2}, .seed = 3, .cache = false};
  how.methods = {"scratch", "full", "probe", "knn", "lora:2", "centroid", "partial", "gradual"};
  CompareResult result = compare(contest, how);
  CHECK(result.methods == std::vector<std::string>{"knn", "centroid", "probe", "lora:2", "partial", "full",
                                                   "gradual", "scratch"});
  CHECK(result.per_class == std::vector<int64_t>{2, 4});
  REQUIRE(result.rows.size() == 16);
  for (size_t i = 0; i < 16; ++i) {
    const CompareRow& row = result.rows[i];
    CAPTURE(row.method);
    CHECK(row.method == result.methods[i / 2]);
    CHECK(row.per_class == (i % 2 ? 4 : 2));
    CHECK(row.count == 15);
    CHECK(row.seconds > 0);
    CHECK(row.peak_memory_bytes > 0);
  }
  // One network for the three on features, one for each retraining.
  CHECK(drawn.loaded == 1 + 8);
  int64_t all = 0, head = 16 * 3 + 3;
  auto fresh = small_network(3);
  for (const nn::NamedTensor& t : nn::named_parameters(*fresh)) all += t.value().numel();
  std::map<std::string, int64_t> trained = {{"knn", 0},       {"centroid", 0}, {"probe", head},
                                            {"lora:2", -1},   {"partial", -1}, {"full", all},
                                            {"gradual", all}, {"scratch", all}};
  for (const CompareRow& row : result.rows) {
    int64_t expected = trained.at(row.method);
    if (expected >= 0) CHECK(row.trainable_parameters == expected);
    if (expected < 0) CHECK((row.trainable_parameters > head && row.trainable_parameters < all));
  }

  // Two of a class are among the four; the features were made of the four once.
  std::set<int64_t> four(drawn.taken[0].begin(), drawn.taken[0].end());
  CHECK(four.size() == 12);
  REQUIRE(drawn.taken.size() == 11);
  for (size_t t = 1; t < 11; ++t) {
    std::map<int64_t, int64_t> counts;
    for (int64_t i : drawn.taken[t]) {
      CHECK(four.contains(i));
      ++counts[i / 6];
    }
    int64_t each = t % 2 ? 2 : 4;
    CHECK(counts == std::map<int64_t, int64_t>{{0, each}, {1, each}, {2, each}});
  }
  CHECK(accuracies(compare(contest, how)) == accuracies(result));
  how.seed = 4;
  drawn.taken.clear();
  compare(contest, how);
  CHECK(std::set<int64_t>(drawn.taken[0].begin(), drawn.taken[0].end()) != four);
}

TEST_CASE("compare: a method alone gives what it gives among others, and what the strategy gives") {
  Drawn drawn;
  Contest contest = drawn.contest();
  Comparing how{.per_class = {3}, .seed = 8, .cache = false};
  how.methods = {"centroid", "probe", "full"};
  CompareResult together = compare(contest, how);
  for (size_t i = 0; i < 3; ++i) {
    how.methods = {together.methods[i]};
    CHECK(compare(contest, how).rows.at(0).accuracy == together.rows[i].accuracy);
  }
  for (const char* strategy : {"head", "full"}) {
    auto network = small_network();
    RetrainOptions options = quick_options(strategy);
    options.recipe = contest.recipe(options.strategy);
    options.seed = 8;
    auto train = contest.training(drawn.taken.at(0), options.recipe);
    double alone = retrain(*network, *train, *contest.test, options).test.accuracy;
    CHECK(alone == together.rows[std::string(strategy) == "head" ? 1 : 2].accuracy);
  }
}

TEST_CASE("compare: settings of all methods and of one") {
  Drawn drawn;
  Contest contest = drawn.contest();
  Comparing how{.methods = {"partial:1", "full"}, .per_class = {2}, .cache = false};
  how.settings = {{"epochs", "1"}, {"full.epochs", "3"}};
  std::map<std::string, int> epochs;
  compare(contest, how, [&](const Progress& p) {
    if (p.epochs > 0) epochs[p.phase] = p.epochs;
  });
  CHECK(epochs == std::map<std::string, int>{{"partial:1 2 train", 1}, {"full 2 train", 3}});
  how.settings = {{"full.epoch", "3"}};
  check_throws<UsageError>([&] { compare(contest, how); }, {"no setting \"epoch\"", "epochs"});
}

TEST_CASE("compare: what makes no sense is refused before anything is computed") {
  Drawn drawn;
  Contest contest = drawn.contest();
  auto refuse = [&](Comparing how, const std::vector<std::string>& parts) {
    check_throws<UsageError>([&] { compare(contest, how); }, parts);
  };
  refuse({.methods = {"prob"}, .per_class = {2}}, {"no method \"prob\"", "did you mean probe"});
  refuse({.methods = {"knn", "full", "knn"}, .per_class = {2}}, {"knn is named twice"});
  refuse({.methods = {"partial:x"}, .per_class = {2}}, {"partial:x"});
  refuse({.methods = {"full:2"}, .per_class = {2}}, {"full:2"});
  refuse({.methods = {"knn:3"}, .per_class = {2}}, {"knn:3"});
  refuse({.methods = {"zeroshot"}, .per_class = {2}}, {"zeroshot", "no CLIP here"});
  refuse({.methods = {"knn"}, .per_class = {2, 0}}, {"0 training samples"});
  refuse({.methods = {"knn"}, .per_class = {2, 3, 2}}, {"2 training samples", "twice"});
  contest.scratch = nullptr;
  contest.why_no_scratch = "no sizes known";
  refuse({.methods = {"scratch"}, .per_class = {2}}, {"scratch: no sizes known"});
  check_throws<DataError>([&] { compare(contest, {.methods = {"knn"}, .per_class = {7}}); },
                          {"7 training samples", "\"kind0\" 6", "\"kind2\" 6", "--per-class"});
  CHECK(drawn.loaded == 0);
  // Nothing named: what fits; of 5, 20 and 100 those that every class has.
  Comparing usual{.cache = false, .settings = {{"epochs", "1"}}};
  CompareResult result = compare(contest, usual);
  CHECK(result.methods ==
        std::vector<std::string>{"knn", "centroid", "probe", "lora", "partial", "full", "gradual"});
  CHECK(result.per_class == std::vector<int64_t>{5});
  REQUIRE(result.notes.size() == 1);
  CHECK(result.notes[0].find("6 training samples") != std::string::npos);
}

TEST_CASE("compare: on the shipped backbone more pictures help, and every method beats chance") {
  PictureSet train = demo_pictures(31, 20, 0), test = demo_pictures(31, 20, 20);
  Contest contest;
  contest.model = kMeadowModel;
  contest.labelled = train;
  contest.training = [&](std::span<const int64_t> which, const Recipe& recipe) {
    return PictureExamples(train, meadow_preprocess(), recipe.augment).part(which);
  };
  contest.test = std::make_unique<PictureExamples>(test, meadow_preprocess());
  contest.pretrained = [] { return meadow_backbone(); };
  contest.recipe = demo_recipe;
  CompareResult result = compare(
      contest, {.methods = {"knn", "centroid", "probe"}, .per_class = {1, 20}, .seed = 1, .cache = false});
  for (size_t i = 0; i < 6; i += 2) {
    CAPTURE(result.rows[i].method);
    CHECK(result.rows[i].accuracy > 0.25);  // by chance a fifth
    CHECK(result.rows[i + 1].accuracy > result.rows[i].accuracy);
    CHECK(result.rows[i + 1].accuracy > 0.6);
  }
}

TEST_CASE("compare: texts through the program, where the head is more than one layer too") {
  Shop shop(kBert, "head");
  Ran ran = graft_in(shop.dir.path(),
                     "compare data --weights net --per-class 2,10 --set epochs=2 --no-cache --json c.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(shop.dir / "c.json");
  CHECK(json["methods"] == std::vector<std::string>{"knn", "centroid", "probe", "lora", "partial", "full",
                                                    "gradual", "scratch"});
  CHECK(json["results"].size() == 16);
  CHECK(json["model"] == "bert");
  CHECK(json["count"] == 30);
  check_complaint(graft_in(shop.dir.path(), "compare data --weights net --methods zeroshot"), 64,
                  {"zeroshot", "pictures"});
}
