#include "transfer/text_source.h"

#include <algorithm>
#include <filesystem>

#include "transfer/language.h"
#include "transfer/layer_count.h"
#include "transfer/text_encoder.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using weights::Config;

std::string family_of(const Config& config) {
  return config.one_of("model_type", {"bert", "roberta", "gpt2", "t5"});
}

Config config_beside(const std::string& path) {
  fs::path folder = path;
  if (!fs::is_directory(folder)) folder = folder.parent_path();
  fs::path file = folder / "config.json";
  GRAFT_CHECK_AS(DataError, fs::exists(file), printable(path),
                 ": no config.json; the folder of a published language network has one");
  return Config::read(file.string());
}

// Names beyond the trunk's that are waived: the new head, and the heads of other tasks.
weights::NameMap names_for(const std::string& family, const nn::TextNetwork& network) {
  weights::NameMap names;
  std::vector<std::string> heads = {"classifier.*", "score.*", "cls.*", "qa_outputs.*", "lm_head.*"};
  if (family == "gpt2") {
    names = gpt2_names();
  } else {
    const auto& bert = dynamic_cast<const nn::BertClassifier&>(network);
    names = bert_names(bert.net.config, nn::BertTask::classes);
    heads.push_back(family + ".pooler.*");
  }
  names.waive.insert(names.waive.end(), heads.begin(), heads.end());
  return names;
}

}  // namespace

std::string text_family(const std::string& path) {
  return family_of(config_beside(path));
}

std::unique_ptr<nn::TextNetwork> make_text_classifier(const Config& config, int64_t classes, uint64_t seed) {
  std::string family = family_of(config);
  if (family == "gpt2") return std::make_unique<nn::Gpt2Classifier>(gpt2_config(config), classes, seed);
  if (family == "t5") config.reject("model_type", "bert, roberta or gpt2: T5 answers in words");
  return std::make_unique<nn::BertClassifier>(bert_config(config), classes, seed);
}

PublishedText load_text_classifier(const std::string& path, uint64_t seed) {
  Config config = config_beside(path);
  PublishedText out;
  out.family = family_of(config);
  size_t labels = config.labels("id2label").size();
  auto checkpoint = weights::Checkpoint::open(path);
  require_layers(config, checkpoint);
  out.network = make_text_classifier(config, labels >= 2 ? static_cast<int64_t>(labels) : 2, seed);
  out.files = published_files(path);
  out.report = weights::load(*out.network, checkpoint, names_for(out.family, *out.network));
  out.report.require_complete();
  if (auto* bert = dynamic_cast<nn::BertClassifier*>(out.network.get())) {
    bert->new_pooler = std::any_of(
        out.report.waived.begin(), out.report.waived.end(),
        [](const weights::Waived& w) { return w.name == "bert.pooler.dense.weight" && w.what == "missing"; });
  }
  out.network->eval();
  return out;
}

}  // namespace graft::transfer
