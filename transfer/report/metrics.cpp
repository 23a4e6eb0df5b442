#include "transfer/report/metrics.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace graft::transfer::report {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

std::string text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json evaluation(const Evaluation& test) {
  Json json;
  json["accuracy"] = number(test.accuracy);
  json["count"] = test.count;
  json["loss"] = number(test.loss);
  if (test.samples == Samples::tokens) json["perplexity"] = number(std::exp(test.loss));
  return json;
}

Json memory_plan_json(const MemoryPlan& plan) {
  if (!plan.known()) return nullptr;
  Json parts = Json::object();
  for (const MemoryPlan::Part& part : plan.parts) parts[part.name] = part.bytes;
  return {{"planned_bytes", plan.peak},
          {"measured_bytes", plan.measured},
          {"available_bytes", plan.room},
          {"batch", plan.batch},
          {"largest_batch", plan.largest_batch},
          {"peak_is_in", plan.peak_is_in},
          {"parts", parts},
          {"seconds", number(plan.seconds)}};
}

Json run_json(const RunResult& run) {
  Json json = evaluation(run.test);
  json["seconds"] = number(run.seconds.total);
  json["model"] = run.model;
  json["strategy"] = run.strategy;
  json["trainable_parameters"] = run.trainable_parameters;
  json["frozen_tensors"] = run.frozen_tensors;
  json["frozen_bytes_changed"] = run.certificate.frozen_bytes_changed;
  json["device"] = run.device;
  json["precision"] = run.precision;
  // The contract ends here; what follows is for people and may grow.
  json["parameters"] = run.parameters;
  json["weights"] = run.weights;
  json["data"] = run.data;
  json["classes"] = run.classes;
  json["train_count"] = run.train_count;
  json["epochs"] = Json::array();
  for (const EpochRecord& e : run.epochs) {
    json["epochs"].push_back({{"epoch", e.epoch},
                              {"learning_rate", number(e.learning_rate)},
                              {"train_loss", number(e.train_loss)},
                              {"train_accuracy", number(e.train_accuracy)},
                              {"test_loss", number(e.test_loss)},
                              {"test_accuracy", number(e.test_accuracy)},
                              {"seconds", number(e.seconds)}});
  }
  json["confusion"] = run.test.confusion;
  json["certificate_sha256"] = run.certificate.digest;
  json["timings"] = {{"load", number(run.seconds.load)},
                     {"features", number(run.seconds.features)},
                     {"train", number(run.seconds.train)},
                     {"evaluate", number(run.seconds.evaluate)}};
  json["peak_memory_bytes"] = run.peak_memory_bytes;
  json["memory_plan"] = memory_plan_json(run.memory_plan);
  json["artefact"] = run.artefact;
  json["artefact_accuracy"] = run.artefact_accuracy < 0 ? Json(nullptr) : number(run.artefact_accuracy);
  json["settings"] = run.settings;
  if (!run.adapted.empty()) json["adapted"] = run.adapted;
  if (run.resumed_at >= 0) json["resumed_at"] = run.resumed_at;
  if (!run.found_rate.curve.empty()) {
    Json curve = Json::array();
    for (const RatePoint& point : run.found_rate.curve)
      curve.push_back({number(point.rate), number(point.loss), number(point.smoothed)});
    json["rate_finder"] = {{"suggestion", number(run.found_rate.suggestion)}, {"curve", curve}};
  }
  json["stages"] = Json::array();
  for (const StageRecord& stage : run.stages) {
    json["stages"].push_back({{"name", stage.name},
                              {"parameters", stage.parameters},
                              {"trainable_parameters", stage.trainable_parameters},
                              {"trains_from", stage.trains_from}});
  }
  json["receipt"] = run.receipt;
  json["notes"] = run.notes;
  json["step_losses"] = Json::array();
  for (double loss : run.step_losses) json["step_losses"].push_back(number(loss));
  return json;
}

}  // namespace

std::string tune_json(const RunResult& run) {
  return text(run_json(run));
}

std::string evaluate_json(const EvaluateResult& result) {
  Json json = evaluation(result.evaluation);
  json["seconds"] = number(result.seconds);
  json["model"] = result.model;
  json["strategy"] = result.strategy;
  json["trainable_parameters"] = result.trainable_parameters;
  json["frozen_tensors"] = result.frozen_tensors;
  json["frozen_bytes_changed"] = result.frozen_bytes_changed;
  json["device"] = to_text(result.compute.device);
  json["precision"] = to_text(result.compute.precision);
  json["classes"] = result.classes;
  json["confusion"] = result.evaluation.confusion;
  return text(json);
}

namespace {

Json predictions_json(const std::vector<Prediction>& predictions, const Compute& compute) {
  Json list = Json::array();
  for (const Prediction& p : predictions) {
    Json json;
    if (p.text.empty()) {
      json["file"] = p.file;
    } else {
      json["text"] = p.text;
    }
    if (!p.error.empty()) {
      json["error"] = p.error;
      list.push_back(json);
      continue;
    }
    json["label"] = p.label;
    json["probability"] = number(p.probability);
    json["top"] = Json::array();
    for (const Guess& guess : p.top) {
      json["top"].push_back(
          {{"label", guess.label}, {"index", guess.index}, {"probability", number(guess.probability)}});
    }
    list.push_back(json);
  }
  Json json;
  json["predictions"] = list;
  json["device"] = to_text(compute.device);
  json["precision"] = to_text(compute.precision);
  return json;
}

}  // namespace

std::string predict_json(const std::vector<Prediction>& predictions, const Compute& compute) {
  return text(predictions_json(predictions, compute));
}

std::string zeroshot_json(const std::vector<Prediction>& predictions, const Compute& compute,
                          const std::vector<std::string>& labels, const std::vector<std::string>& templates,
                          const FolderAccuracy& known) {
  Json json = predictions_json(predictions, compute);
  json["labels"] = labels;
  json["templates"] = templates;
  if (known.count > 0) {
    json["accuracy"] = number(known.accuracy());
    json["count"] = known.count;
  }
  return text(json);
}

std::string comparison_json(const std::vector<RunResult>& runs, double seconds) {
  Json strategies = Json::object();
  for (const RunResult& run : runs) {
    strategies[run.strategy.substr(0, run.strategy.find(':'))] =
        run_json(run);  // "partial:1" is "partial" here
  }
  Json json;
  json["strategies"] = strategies;
  json["seconds"] = number(seconds);
  return text(json);
}

std::string compare_json(const CompareResult& result) {
  Json json;
  json["results"] = Json::array();
  for (const CompareRow& row : result.rows) {
    Json line = {{"method", row.method},
                 {"per_class", row.per_class},
                 {"accuracy", number(row.accuracy)},
                 {"seconds", number(row.seconds)},
                 {"trainable_parameters", row.trainable_parameters},
                 {"peak_memory_bytes", row.peak_memory_bytes}};
    if (!row.strategy.empty()) line["strategy"] = row.strategy;
    if (!row.note.empty()) line["note"] = row.note;
    json["results"].push_back(line);
  }
  json["model"] = result.model;
  json["weights"] = result.weights;
  json["data"] = result.data;
  json["classes"] = result.classes;
  json["count"] = result.count;
  json["methods"] = result.methods;
  json["per_class"] = result.per_class;
  json["seed"] = result.seed;
  json["device"] = to_text(result.compute.device);
  json["precision"] = to_text(result.compute.precision);
  json["threads"] = result.threads;
  json["seconds"] = number(result.seconds);
  json["notes"] = result.notes;
  return text(json);
}

std::string adapt_json(const AdaptResult& result) {
  Json json;
  json["model"] = result.model;
  json["count"] = result.pictures;
  json["batches"] = result.batches;
  json["layers"] = result.layers;
  json["frozen_tensors"] = result.certificate.frozen.size();
  json["frozen_bytes_changed"] = result.certificate.frozen_bytes_changed;
  json["certificate_sha256"] = result.certificate.digest;
  json["seconds"] = number(result.seconds);
  json["device"] = to_text(result.compute.device);
  json["precision"] = to_text(result.compute.precision);
  json["artefact"] = result.artefact;
  json["moved"] = Json::object();
  for (const Moved& moved : result.moved) {
    if (!moved.frozen) json["moved"][moved.name] = number(moved.relative_distance);
  }
  return text(json);
}

}  // namespace graft::transfer::report
