// One run of the benchmarks: each case is checked first, then its contenders take turns on the device's
// clock, each from a cleared cache.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/cuda/device.h"
#include "bench/measure.h"
#include "core/tensor.h"

namespace graft::bench {

struct Settings {
  bool dry = false;     // small sizes, to see that every case runs and is right; no times
  int repeats = 30;     // of each contender
  double seconds = 90;  // cases that would begin later are left out, and said to be
  std::string group;    // of cases; empty: all
  std::string only;     // what a case's name must contain
  std::string json_file;
};

struct CaseName {
  std::string row;  // the goal that it measures: G1 is a matrix product of 4096, ...
  std::string group;
  std::string name;
  DType dtype;
  double flops = 0;  // what must be computed
  double bytes = 0;  // what must be read and written
};

// Somebody else's way to the same result, or the bound: a copy, which has none and says how much it moves.
struct Reference {
  Contender contender;
  Tensor result = {};
  int64_t result_bytes = 0;
};

struct Prepared {
  Contender graft;
  Tensor result = {};  // what it writes
  double allowed = 0;  // distance of a result, relative to its norm
  std::vector<Reference> references = {};
  std::function<Tensor()> on_cpu = {};  // the result from the same inputs by graft's kernels for the CPU
  // For work in place, which has no result to poison: runs a step and compares it with the CPU's.
  std::function<double()> difference = {};
  nlohmann::json notes = nlohmann::json::object();
};

class Session {
 public:
  explicit Session(Settings settings);

  const Settings& settings() const { return settings_; }
  bool dry() const { return settings_.dry; }

  // Prepares and measures a case, if it is wanted. An error in it is recorded and the run goes on.
  void run(const CaseName& name, const std::function<Prepared()>& prepare);
  // The same for a case that times itself; `measure` gives what is recorded besides the name.
  void run_whole(const CaseName& name, const std::function<nlohmann::json()>& measure);

  // Something to record besides the cases.
  void note(const std::string& name, const std::string& text) { head_[name] = text; }

  // How many cases failed.
  int failures() const { return failures_; }
  // What has been recorded so far; written to settings().json_file after each case.
  nlohmann::json report() const;

 private:
  bool wanted(const CaseName& name) const;
  nlohmann::json measured(const CaseName& name, const Prepared& prepared);
  void record(const CaseName& name, nlohmann::json row);

  Settings settings_;
  DeviceClock clock_;
  double start_;
  int failures_ = 0;
  nlohmann::json head_, rows_ = nlohmann::json::array(), clocks_ = nlohmann::json::array();
};

// How far two results may be apart, relative to the norm, when both round to `dtype` and add up in f32 in
// different orders. For f32 it is less than what tf32's 10 bits would give, so that such a reference is found
// out.
double allowed_difference(DType dtype);
// Normal numbers on the device, a function of the seed.
Tensor normal(const Shape& shape, DType dtype, uint64_t seed);
// NaN on the device, so that what is not written is seen.
Tensor poisoned(const Shape& shape, DType dtype);
// A tensor of the device in f32 on the CPU, for the kernels there.
Tensor on_cpu(const Tensor& t);
// |a - b| / |b|, of tensors on the device; NaN where either holds one.
double relative_difference(const Tensor& a, const Tensor& b);
// The bound of what only moves memory: a copy on the device of a tensor like t.
Reference copy_of(const Tensor& t);

// The cases, by group.
void matmul_cases(Session& session);
void conv_cases(Session& session);
void attention_cases(Session& session);
void row_cases(Session& session);
void step_cases(Session& session);
void train_cases(Session& session);

}  // namespace graft::bench
