#include "transfer/artefact.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/nearest.h"
#include "nn/models/registry.h"
#include "transfer/adapters.h"
#include "transfer/language.h"
#include "transfer/text_source.h"
#include "weights/load.h"
#include "weights/save.h"

namespace graft::transfer {
namespace {

using Json = nlohmann::json;
using TextMap = std::map<std::string, std::string>;

constexpr const char* kFormat = "1";

Json certificate_json(const RunResult& result) {
  Json frozen = Json::array();
  for (const CertifiedTensor& t : result.certificate.frozen) {
    frozen.push_back({{"name", t.name}, {"bytes", t.bytes}, {"sha256", t.after}});
  }
  return {{"digest", result.certificate.digest},
          {"frozen", frozen},
          {"frozen_bytes_changed", result.certificate.frozen_bytes_changed},
          {"unmoved", result.certificate.unmoved},
          {"trainable_parameters", result.trainable_parameters}};
}

// Reads the metadata of one file; every complaint names the file and the key.
class Reader {
 public:
  explicit Reader(const weights::Checkpoint& file) : file_(file) {
    const TextMap& all = file.metadata();
    GRAFT_CHECK_AS(DataError, all.contains("graft.model"), file.path(), ": no model.graft (", file.format(),
                   " without graft's metadata); published weights need the network's name beside them");
    GRAFT_CHECK_AS(DataError, text("graft.format") == kFormat, file.path(), ": format ",
                   printable(text("graft.format")), " of model.graft; this build reads format ", kFormat);
  }

  const std::string& text(const std::string& key) const {
    auto it = file_.metadata().find(key);
    GRAFT_CHECK_AS(DataError, it != file_.metadata().end(), file_.path(), ": metadata \"", key,
                   "\" is missing");
    return it->second;
  }
  bool has(const std::string& key) const { return file_.metadata().contains(key); }
  // The value of a key as T; T() of it where it is not one is a DataError.
  template <class T>
  T parsed(const std::string& key) const {
    try {
      return Json::parse(text(key)).get<T>();
    } catch (const Json::exception& e) {
      fail<DataError>(file_.path(), ": metadata \"", key, "\" does not hold what it should: ", e.what());
    }
  }

 private:
  const weights::Checkpoint& file_;
};

void read_certificate(const Reader& reader, const std::string& path, Artefact& out) {
  Json json = reader.parsed<Json>("graft.certificate");
  try {
    out.certificate_digest = json.at("digest").get<std::string>();
    out.frozen_tensors = static_cast<int64_t>(json.at("frozen").size());
    out.frozen_bytes_changed = json.at("frozen_bytes_changed").get<int64_t>();
    out.trainable_parameters = json.at("trainable_parameters").get<int64_t>();
  } catch (const Json::exception& e) {
    fail<DataError>(path, ": metadata \"graft.certificate\" does not hold what it should: ", e.what());
  }
}

std::unique_ptr<nn::Headed> make_network(const std::string& path, const std::string& model, size_t classes,
                                         int64_t planes) {
  try {
    std::unique_ptr<nn::Classifier> network = nn::make_classifier(model, static_cast<int64_t>(classes));
    if (planes != network->planes()) network->set_planes(planes);
    return network;
  } catch (const UsageError& e) {  // what a file asks for is data
    fail<DataError>(path, ": ", e.what());
  }
}

Samples samples_of(const weights::Checkpoint& file) {
  auto it = file.metadata().find("graft.samples");
  if (it == file.metadata().end()) return Samples::pictures;
  if (it->second == "texts") return Samples::texts;
  if (it->second == "tokens") return Samples::tokens;
  fail<DataError>(file.path(), ": metadata \"graft.samples\" is \"", printable(it->second),
                  "\"; this build knows texts and tokens");
}

// Config, tokenizer and network, the last still without its weights.
void make_text_network(const Reader& reader, const std::string& path, Artefact& out) {
  out.text.files = files_from_json(str(path, ": metadata \"graft.files\""), reader.text("graft.files"));
  GRAFT_CHECK_AS(DataError, out.text.files.contains("config.json"), path,
                 ": metadata \"graft.files\" has no config.json");
  auto config = weights::Config::parse(path + ", config.json", out.text.files["config.json"]);
  bool new_pooler = false;
  Json inputs = reader.parsed<Json>("graft.text");
  try {
    out.text.max_length = inputs.at("max_length").get<int64_t>();
    out.text.pairs = inputs.at("pairs").get<bool>();
    new_pooler = inputs.at("new_pooler").get<bool>();
  } catch (const Json::exception& e) {
    fail<DataError>(path, ": metadata \"graft.text\" does not hold what it should: ", e.what());
  }
  std::unique_ptr<nn::TextNetwork> network;
  if (out.samples == Samples::tokens) {
    network = make_language_task(config);
  } else {
    network = make_text_classifier(config, static_cast<int64_t>(out.labels.size()), 0);
  }
  if (auto* bert = dynamic_cast<nn::BertClassifier*>(network.get())) bert->new_pooler = new_pooler;
  out.tokenizer = data::open_tokenizer_files(path, out.text.files);
  out.tokenizer->require_rows(network->vocabulary(), out.model);
  GRAFT_CHECK_AS(DataError,
                 out.text.max_length >= 1 &&
                     (network->most_tokens() == 0 || out.text.max_length <= network->most_tokens()),
                 path, ": texts of ", out.text.max_length, " tokens; the network has ",
                 network->most_tokens(), " positions");
  out.network = std::move(network);
}

// What every artefact says of itself, beside what `inputs` says.
void save_with(const std::string& path, nn::Headed& network, const RunResult& result, TextMap inputs) {
  GRAFT_CHECK(result.test.samples == Samples::tokens ||
                  static_cast<int64_t>(result.classes.size()) == network.classes(),
              "artefact: ", result.classes.size(), " labels for ", network.classes(), " classes");
  TextMap receipt = result.receipt;
  receipt.erase("threads");  // the weights do not depend on it
  inputs.merge(TextMap{{"format", "pt"},
                       {"graft.format", kFormat},
                       {"graft.model", result.model},
                       {"graft.strategy", result.strategy},
                       {"graft.labels", Json(result.classes).dump()},
                       {"graft.recipe", Json(result.settings).dump()},
                       {"graft.certificate", certificate_json(result).dump()},
                       {"graft.receipt", Json(receipt).dump()}});
  if (Bottlenecks adapters = bottlenecks_of(network); adapters.width > 0) {
    inputs["graft.adapters"] = Json{{"width", adapters.width}, {"layers", adapters.layers}}.dump();
  }
  weights::save(network, path, inputs);
}

// Hangs in the bottlenecks that the file's tensors belong to.
void add_adapters(const Reader& reader, const std::string& path, Artefact& out) {
  if (!reader.has("graft.adapters")) return;
  Json json = reader.parsed<Json>("graft.adapters");
  try {
    add_bottlenecks(*out.network, json.at("width").get<int64_t>(),
                    json.at("layers").get<std::vector<std::string>>(), "", 0);
  } catch (const Json::exception& e) {
    fail<DataError>(path, ": metadata \"graft.adapters\" does not hold what it should: ", e.what());
  } catch (const UsageError& e) {  // what a file asks for is data
    fail<DataError>(path, ": metadata \"graft.adapters\": ", e.what());
  }
}

}  // namespace

void save_artefact(const std::string& path, nn::Headed& network, const RunResult& result,
                   const data::Preprocess& preprocess) {
  save_with(path, network, result, {{"graft.preprocess", to_json(preprocess)}});
}

void save_artefact(const std::string& path, nn::Headed& network, const RunResult& result,
                   const TextInputs& text) {
  const auto* bert = dynamic_cast<const nn::BertClassifier*>(&network);
  Json inputs = {
      {"max_length", text.max_length}, {"pairs", text.pairs}, {"new_pooler", bert && bert->new_pooler}};
  save_with(path, network, result,
            {{"graft.samples", result.test.samples == Samples::texts ? "texts" : "tokens"},
             {"graft.text", inputs.dump()},
             {"graft.files", to_json(text.files)}});
}

Artefact load_artefact(const std::string& path) {
  auto file = weights::Checkpoint::open(path);
  Reader reader(file);
  Artefact out;
  out.model = reader.text("graft.model");
  out.strategy = reader.text("graft.strategy");
  out.labels = reader.parsed<std::vector<std::string>>("graft.labels");
  out.settings = reader.parsed<TextMap>("graft.recipe");
  out.receipt = reader.parsed<TextMap>("graft.receipt");
  read_certificate(reader, path, out);
  out.samples = samples_of(file);
  GRAFT_CHECK_AS(DataError, out.labels.size() >= 2 || out.samples == Samples::tokens, path, ": ",
                 out.labels.size(), " labels, needs two or more");
  nn::NoInit filled_by_the_file;
  if (out.samples == Samples::pictures) {
    try {
      out.preprocess = data::preprocess_from_json(reader.text("graft.preprocess"));
    } catch (const DataError& e) {
      fail<DataError>(path, ": ", e.what());
    }
    out.network = make_network(path, out.model, out.labels.size(), out.preprocess.planes());
  } else {
    make_text_network(reader, path, out);
  }
  add_adapters(reader, path, out);
  const weights::Entry* head = file.find(out.network->head_name() + ".weight");
  GRAFT_CHECK_AS(DataError,
                 out.samples == Samples::tokens || !head || head->sizes.empty() ||
                     head->sizes[0] == out.network->classes(),
                 path, ": ", out.labels.size(), " labels, but the head ", head ? to_text(*head) : "",
                 " has other classes");
  weights::load(*out.network, file).require_complete();
  out.network->eval();
  return out;
}

}  // namespace graft::transfer
