#include "transfer/fewshot.h"

#include <algorithm>
#include <map>

#include "nn/generate.h"
#include "nn/models/registry.h"
#include "tests/app/program.h"
#include "tests/transfer/drawn.h"
#include "tests/transfer/text_shop.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

TEST_CASE("fewshot: so many of each class, drawn by seed") {
  Labelled all{{"a", "b", "c"}, {}, {}};
  for (int64_t i = 0; i < 30; ++i) {
    all.files.push_back(str(i));
    all.labels.push_back(i % 3);
  }
  std::vector<int64_t> shots = draw_shots(all, 4, 7);
  std::map<int64_t, int> counts;
  for (int64_t i : shots) ++counts[all.labels[static_cast<size_t>(i)]];
  CHECK(counts == std::map<int64_t, int>{{0, 4}, {1, 4}, {2, 4}});
  std::sort(shots.begin(), shots.end());
  CHECK(std::adjacent_find(shots.begin(), shots.end()) == shots.end());
  CHECK(draw_shots(all, 4, 7) == draw_shots(all, 4, 7));
  CHECK(draw_shots(all, 4, 7) != draw_shots(all, 4, 8));
  CHECK(draw_shots(all, 10, 0).size() == 30);
  check_throws<DataError>([&] { draw_shots(all, 11, 0); }, {"11 examples", "\"a\" has 10"});
  check_throws<UsageError>([&] { draw_shots(all, 0, 0); }, {"at least 1"});
}

TEST_CASE("fewshot: the nearest prototype by angle, whatever the lengths") {
  // Class a lies along x, class b along y; one example of b is a thousand times as long.
  Tensor features = Tensor::from(std::vector<float>{1, 0.1f, 2, -0.2f, 0.1f, 1000, -0.01f, 0.5f}, {4, 2});
  Labelled examples{{"a", "b"}, {"1", "2", "3", "4"}, {0, 0, 1, 1}};
  Tensor test = Tensor::from(std::vector<float>{300, 10, 0.01f, 0.2f, 1, 5}, {3, 2});
  Evaluation found = nearest_prototype(features, examples, test, {{"a", "b"}, {"p", "q", "r"}, {0, 1, 0}});
  CHECK(found.accuracy == doctest::Approx(2.0 / 3));
  CHECK(found.scored[0].predicted == 0);
  CHECK(found.scored[1].predicted == 1);
  CHECK(found.scored[2].predicted == 1);
  // The softmax of ten times the cosine: the first lies 0.033 from x, the prototypes are x and y to 1e-3.
  CHECK(found.scored[0].probability == doctest::Approx(1 / (1 + std::exp(10 * (0.0333 - 1)))).epsilon(1e-2));
}

TEST_CASE("fewshot: GPT-2 scores the classes' names after a prompt of examples") {
  Shop shop(kGpt2, "full", true, true);
  Language language = load_language(shop.dir / "net");
  auto tokenizer = data::open_tokenizer(shop.dir / "net");
  std::vector<data::TextRow> examples = {{"film", "", "good", ""}, {"book", "", "bad", ""}};
  std::vector<data::TextRow> test = {{"plot", "", "bad", "t:1"}, {"music", "", "good", "t:2"}};
  PromptOptions words{.text_word = "it", .label_word = "is"};
  // "it: film\nis: good": the colons are unknown words, [UNK] = 1, as is nothing else here.
  auto ids = [&](const std::string& text) { return tokenizer.encode(text).ids; };
  std::vector<int64_t> prompt = ids("it: book\nis: bad\n\nit: plot\nis:");
  // 12 positions: of the two examples of six tokens only the second fits beside the question and a choice.
  REQUIRE(prompt.size() == 11);
  Prompted found = choose_by_prompt(*language.model, tokenizer, examples, test, {"bad", "good"}, words);
  CHECK(found.dropped == 2);
  CHECK(found.evaluation.count == 2);
  std::vector<double> scores = nn::score(*language.model, prompt, {ids("bad"), ids("good")});
  CHECK(found.evaluation.scored[0].predicted == (scores[0] >= scores[1] ? 0 : 1));
  double first = std::exp(scores[0]) / (std::exp(scores[0]) + std::exp(scores[1]));
  CHECK(found.evaluation.scored[0].truth_probability == doctest::Approx(first).epsilon(1e-6));

  // A choice of two tokens is less probable than one of its tokens' share.
  auto share = [&](bool per_token) {
    PromptOptions how = words;
    how.per_token = per_token;
    return choose_by_prompt(*language.model, tokenizer, {}, {{"plot", "", "very good", ""}},
                            {"bad", "very good"}, how)
        .evaluation.scored[0]
        .truth_probability;
  };
  CHECK(share(true) > share(false));
  std::vector<data::TextRow> longer = {{"a a a a a a a a a a", "", "bad", "t:9"}};
  check_throws<DataError>(
      [&] {
        choose_by_prompt(*language.model, tokenizer, examples, longer, {"bad", "good"}, words);
      },
      {"t:9", "room for 11"});
}

TEST_CASE("fewshot: prototypes of texts and of pictures, through the program") {
  Shop shop(kBert, "head");
  Ran ran = graft_in(shop.dir.path(), "fewshot data --weights net --shots 10 --seed 2 --json f.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(shop.dir / "f.json");
  CHECK(json["method"] == "prototypes");
  CHECK(json["count"] == 30);
  CHECK(json["examples"] == 20);
  CHECK(json["classes"].size() == 2);
  ran = graft_in(shop.dir.path(), "fewshot data --weights net --shots 10 --seed 2 --limit 7 --json g.json");
  CHECK(parsed(shop.dir / "g.json")["count"] == 7);
  check_complaint(graft_in(shop.dir.path(), "fewshot data --weights net --shots 31"), 65,
                  {"31 examples", "has 30"});
  check_complaint(graft_in(shop.dir.path(), "fewshot data --weights data"), 65, {"config.json"});
  check_complaint(graft_in(shop.dir.path(), "fewshot data --weights net --limit -1"), 64, {"limit"});

  write_folder(drawn_pictures(3, 8, 32, 1), shop.dir / "pictures/train");
  write_folder(drawn_pictures(3, 4, 32, 2), shop.dir / "pictures/test");
  weights::save(*nn::make_classifier("cifar_resnet20", 10, 4), shop.dir / "net.pth");
  ran = graft_in(
      shop.dir.path(),
      "fewshot pictures --model cifar_resnet20 --weights net.pth --shots 5 --no-cache --json p.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto pictures = parsed(shop.dir / "p.json");
  CHECK(pictures["count"] == 12);
  CHECK(pictures["accuracy"].get<double>() > 0.6);  // by chance a third
}
