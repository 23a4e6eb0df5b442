// Starting values of parameters. Each parameter has its own random stream, named by (seed, the parameter's
// full name), so its values depend neither on the order in which a network is built nor on the thread count.
#pragma once

#include <string_view>

#include "nn/module.h"

namespace graft::nn {

// Inputs that one output element sums over, and the outputs times window positions that one input channel
// feeds, as PyTorch counts them (the groups are not divided out). weight: [O, I] or [O, KH, KW, I].
int64_t fan_in(const Parameter& weight);
int64_t fan_out(const Parameter& weight);

// While one is alive, this thread's Init leaves parameters as they are: in a network that a file is about to
// fill, starting values would cost time, and memory beside the file's.
class NoInit {
 public:
  NoInit() : before_(active()) { active() = true; }
  ~NoInit() { active() = before_; }
  NoInit(const NoInit&) = delete;
  NoInit& operator=(const NoInit&) = delete;
  static bool& active();

 private:
  bool before_;
};

struct Init {
  uint64_t seed;

  void constant(Parameter& p, double value) const {
    if (!NoInit::active()) p.var.value().fill(value);
  }
  void normal(Parameter& p, std::string_view name, double standard_deviation) const;
  // In [-bound, bound).
  void uniform(Parameter& p, std::string_view name, double bound) const;
  // He et al., "Delving deep into rectifiers", 2015: keeps the variance through a ReLU, forward (fan in) or
  // backward (fan out). normal: standard deviation sqrt(2 / fan); uniform: bound sqrt(6 / fan).
  void kaiming_normal_fan_in(Parameter& p, std::string_view name) const;
  void kaiming_normal_fan_out(Parameter& p, std::string_view name) const;
  void kaiming_uniform(Parameter& p, std::string_view name) const;
};

}  // namespace graft::nn
