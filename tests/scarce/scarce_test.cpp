// Memory that runs out at each request of ten pieces of work: each ends with an error that says so, keeps
// nothing, breaks no file, and can be done again.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "core/file.h"
#include "core/parallel.h"
#include "core/sha256.h"
#include "data/image.h"
#include "data/text/tokenizer.h"
#include "data/text_dataset.h"
#include "tests/crash/kept.h"
#include "tests/data/seeds.h"
#include "tests/scarce/sweep.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "tests/transfer/text_shop.h"
#include "transfer/artefact.h"
#include "transfer/certificate.h"
#include "transfer/features.h"
#include "weights/load.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;
namespace fs = std::filesystem;

namespace {

// How many of a scenario's requests are refused one by one; with --no-skip all of them, which takes minutes.
int64_t dense(int64_t usual) {
  return doctest::getContextOptions()->no_skip ? -1 : usual;
}

std::string same(const std::string& what, const std::string& expected) {
  return what == expected ? "" : str("it is ", what, ", expected ", expected);
}

// For what must not be left there.
std::string listed(const std::string& folder) {
  std::vector<std::string> names = names_in(folder);
  std::sort(names.begin(), names.end());
  std::string out;
  for (const std::string& name : names) out += name + " ";
  return out;
}

std::string bytes_of_file(const std::string& path) {
  std::vector<uint8_t> bytes = data::read_bytes(path);
  return {bytes.begin(), bytes.end()};
}

// A network's weights read from a file in place of others; half of them is nothing.
void sweep_loading(const std::string& name) {
  TempDir dir;
  std::string path = dir / name;
  auto published = small_network(2, 3), network = small_network(2, 9);
  weights::save(*published, path);
  std::string expected = weights_sha256(*published), other = weights_sha256(*network);
  sweep({.name = "loading " + name,
         .work = [&] { weights::load(*network, weights::Checkpoint::open(path)).require_complete(); },
         .done = [&] { return same(weights_sha256(*network), expected); },
         .given_up = [&] { return same(weights_sha256(*network), other); },
         .anew = [&] { network = small_network(2, 9); }},
        dense(150));
}

struct OneStep {
  PictureSet train = drawn_pictures(2, 2, 4, 1), test = drawn_pictures(2, 1, 4, 2);
  RetrainOptions options = quick_options("scratch");
  std::string weights;
  OneStep() {
    options.preprocess.crop = 4;
    options.recipe.epochs = 1;
    options.recipe.batch = 4;
  }
  RunResult run(const OnProgress& on_progress = {}) const {
    auto network = small_network(2);
    return retrain(*network, train, test, options, on_progress);
  }
  void run_to_end() { weights = run().receipt.at("weights_after_sha256"); }
};

// A network of texts with its tokenizer, as a run leaves it.
struct SmallArtefact {
  Shop shop{kBert, "head"};
  PublishedText published = load_text_classifier(shop.options.weights, 1);
  RunResult result;
  TextInputs text;
  SmallArtefact() {
    result.model = published.family;
    result.classes = {"a", "b"};
    result.test.samples = Samples::texts;
    text = {published.files, 12, false};
  }
  void save(const std::string& path) { save_artefact(path, *published.network, result, text); }
};

// GRAFT_CACHE points to a folder of its own while one is alive.
struct CacheFolder {
  TempDir folder;
  CacheFolder() { setenv("GRAFT_CACHE", folder.path().c_str(), 1); }
  ~CacheFolder() { unsetenv("GRAFT_CACHE"); }
};

}  // namespace

TEST_CASE("scarce memory: loading .safetensors and .pth") {
  sweep_loading("net.safetensors");
  sweep_loading("net.pth");
}

TEST_CASE("scarce memory: reading a picture") {
  for (const char* name : {"jpeg_420", "jpeg_progressive", "png_p"}) {
    ImageSeed seed = image_seed(name);
    data::Image image;
    sweep({.name = str("reading ", name),
           .work = [&] { image = data::decode(seed.file, name); },
           .done = [&] { return image == seed.pixels ? "" : "other pixels"; },
           .anew = [&] { image = {}; }},
          dense(400));
  }
}

TEST_CASE("scarce memory: reading a table of texts") {
  Shop shop(kBert, "head");
  data::TextDataset read;
  const data::TextDataset expected = data::read_text_dataset(shop.options.data);
  sweep({.name = "reading a table",
         .work = [&] { read = data::read_text_dataset(shop.options.data); },
         .done =
             [&] {
               bool all =
                   read.train.size() == expected.train.size() && read.test.size() == expected.test.size();
               return all && read.train.back().text == expected.train.back().text ? "" : "other texts";
             },
         .anew = [&] { read = {}; }},
        dense(300));
}

TEST_CASE("scarce memory: opening a tokenizer") {
  for (const char* family : {"tiny_bert", "tiny_gpt2", "tiny_t5", "tiny_t5_json"}) {
    std::string folder = source_dir() + "/tests/golden/tokenizers/" + family;
    const std::string text = "Hello w\xc3\xb6rld, it is a test 123";
    std::vector<int64_t> expected = data::open_tokenizer(folder).encode(text).ids, ids;
    sweep({.name = str("opening ", family),
           .work = [&] { ids = data::open_tokenizer(folder).encode(text).ids; },
           .done = [&] { return ids == expected ? "" : "other tokens"; },
           .anew = [&] { ids = {}; },
           // BERT's vocabulary is lines, T5's has a format of its own.
           .reserve = str(family).find("gpt2") != std::string::npos || str(family).ends_with("json")},
          dense(150));
  }
}

TEST_CASE("scarce memory: a step of training") {
  OneStep job;
  job.run_to_end();
  std::string expected = job.weights;
  sweep({.name = "training for a step",
         .work = [&] { job.run_to_end(); },
         .done = [&] { return same(job.weights, expected); },
         .anew = [&] { job.weights = {}; }},
        dense(250));
}

TEST_CASE("scarce memory: saving checkpoints and going on from them") {
  TempDir dir;
  std::string folder = dir / "run/checkpoints";
  Report report;
  sweep({.name = "saving three checkpoints",
         .work = [&] { save_three(folder, report); },
         .done = [&] { return problem_with(folder, 3); },
         .given_up = [&] { return problem_with(folder, report.completed); },
         .anew =
             [&] {
               fs::remove_all(dir / "run");
               fs::create_directory(dir / "run");
               report.completed = 0;
             },
         .reserve = true},
        dense(150));

  OneStep job;
  job.options.recipe.epochs = 2;
  job.run_to_end();
  std::string expected = job.weights;
  // A run that stopped behind its first step.
  struct Stop {};
  {
    Checkpoints checkpoints(dir / "half", 1);
    job.options.hooks.checkpoints = &checkpoints;
    CHECK_THROWS_AS(job.run([](const Progress& p) {
      if (p.phase == "train") throw Stop();
    }),
                    Stop);
  }
  std::string state = bytes_of_file(dir / "half/step-00000001.checkpoint");
  int64_t resumed_at = -1;
  sweep(
      {.name = "going on from a checkpoint",
       .work =
           [&] {
             Checkpoints checkpoints(dir / "half", 100);
             job.options.hooks.checkpoints = &checkpoints;
             job.options.hooks.go_on = true;
             RunResult result = job.run();
             resumed_at = result.resumed_at;
             job.weights = result.receipt.at("weights_after_sha256");
           },
       .done = [&] { return same(str(resumed_at, " ", job.weights), "1 " + expected); },
       .given_up =
           [&] { return bytes_of_file(dir / "half/step-00000001.checkpoint") == state ? "" : "it changed"; },
       .anew =
           [&] {
             job.weights = {};
             for (const auto& entry : fs::directory_iterator(dir / "half")) fs::remove(entry.path());
             write_file(dir / "half/step-00000001.checkpoint", state);
           },
       .reserve = true},
      dense(150));
}

TEST_CASE("scarce memory: saving model.graft in place of an older one, and loading it") {
  SmallArtefact job;
  TempDir dir;
  std::string path = dir / "model.graft";
  job.save(path);
  std::string whole = bytes_of_file(path), older = "an older one";
  sweep({.name = "saving model.graft",
         .work = [&] { job.save(path); },
         .done = [&] { return bytes_of_file(path) == whole ? "" : "other bytes"; },
         .given_up =
             [&] { return same(bytes_of_file(path) + ", " + listed(dir.path()), older + ", model.graft "); },
         .anew = [&] { write_file(path, older); },
         .reserve = true},
        dense(400));
  job.save(path);
  std::string expected = weights_sha256(*job.published.network), loaded;
  std::optional<Artefact> artefact;
  sweep({.name = "loading model.graft",
         .work = [&] { artefact = load_artefact(path); },
         .done =
             [&] {
               std::string now = artefact ? weights_sha256(*artefact->network) : "";
               bool whole_one = artefact && artefact->labels.size() == 2 && artefact->tokenizer;
               artefact.reset();
               return whole_one ? same(now, expected) : "something is missing";
             },
         .anew = [&] { artefact.reset(); },
         .reserve = true},
        dense(150));
}

TEST_CASE("scarce memory: writing and reading cached features") {
  CacheFolder cache;
  auto network = small_network(2);
  PictureExamples set(drawn_pictures(2, 2, 8, 1), {.resize = 0, .crop = 8});
  FeatureOptions options{.architecture = "small"};
  Features features = features_of(*network, set, options);
  std::string expected = sha256(features.views.at(0));
  std::string file = fs::directory_iterator(cache.folder.path())->path().string();
  std::string whole = bytes_of_file(file);
  auto done = [&] {
    return features.views.size() == 1 ? same(sha256(features.views[0]), expected) : "no features";
  };
  sweep({.name = "writing cached features",
         .work = [&] { features = features_of(*network, set, options); },
         .done = done,
         // A file of this name is whole.
         .given_up =
             [&] {
               std::string names = listed(cache.folder.path());
               bool kept = !names.empty() && bytes_of_file(file) == whole;
               return names.empty() || kept ? "" : "left: " + names;
             },
         .anew =
             [&] {
               features = {};
               fs::remove(file);
             }},
        dense(250));
  features = features_of(*network, set, options);
  sweep({.name = "reading cached features",
         .work = [&] { features = features_of(*network, set, options); },
         .done = done,
         .given_up = [&] { return bytes_of_file(file) == whole ? "" : "it changed"; },
         .anew = [&] { features = {}; }},
        dense(400));
}
