#include "transfer/artefact.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/nearest.h"
#include "nn/models/registry.h"
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

std::unique_ptr<nn::Classifier> make_network(const std::string& path, const std::string& model,
                                             size_t classes) {
  try {
    return nn::make_classifier(model, static_cast<int64_t>(classes));
  } catch (const UsageError& e) {  // what a file asks for is data
    fail<DataError>(path, ": ", e.what());
  }
}

}  // namespace

void save_artefact(const std::string& path, nn::Classifier& network, const RunResult& result,
                   const data::Preprocess& preprocess) {
  GRAFT_CHECK(static_cast<int64_t>(result.classes.size()) == network.classes(),
              "artefact: ", result.classes.size(), " labels for ", network.classes(), " classes");
  TextMap receipt = result.receipt;
  receipt.erase("threads");  // the weights do not depend on it
  weights::save(network, path,
                {{"format", "pt"},
                 {"graft.format", kFormat},
                 {"graft.model", result.model},
                 {"graft.strategy", result.strategy},
                 {"graft.labels", Json(result.classes).dump()},
                 {"graft.preprocess", to_json(preprocess)},
                 {"graft.recipe", Json(result.settings).dump()},
                 {"graft.certificate", certificate_json(result).dump()},
                 {"graft.receipt", Json(receipt).dump()}});
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
  try {
    out.preprocess = data::preprocess_from_json(reader.text("graft.preprocess"));
  } catch (const DataError& e) {
    fail<DataError>(path, ": ", e.what());
  }
  GRAFT_CHECK_AS(DataError, out.labels.size() >= 2, path, ": ", out.labels.size(),
                 " labels, needs two or more");
  out.network = make_network(path, out.model, out.labels.size());
  const weights::Entry* head = file.find(out.network->head_name() + ".weight");
  GRAFT_CHECK_AS(DataError, !head || head->sizes.empty() || head->sizes[0] == out.network->classes(), path,
                 ": ", out.labels.size(), " labels, but the head ", head ? to_text(*head) : "",
                 " has other classes");
  weights::load(*out.network, file).require_complete();
  out.network->eval();
  return out;
}

}  // namespace graft::transfer
