// 50 steps of training as PyTorch took them, and the same in graft: tests/golden/training.py says what is in
// the file. A test that needs more than the recipe changes the task with `adjust`.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nn/models/cifar_resnet.h"
#include "transfer/examples.h"
#include "transfer/find_rate.h"
#include "transfer/train.h"

namespace graft::test {

// One run of training.json.
struct Curve {
  transfer::Recipe recipe;
  transfer::Strategy strategy;
  std::vector<double> losses, test_losses;  // of each step, after each epoch
  std::string order_sha256;
  Tensor head;  // linear.weight at the end
};

class Curves {
 public:
  Curves();
  std::vector<std::string> names() const;
  Curve curve(const std::string& name) const;

  // The network with the weights of the start, in `dtype`.
  std::unique_ptr<nn::CifarResNet> network(DType dtype) const;
  // Trains it on `device` as the curve's recipe and strategy say.
  struct Result {
    transfer::Trained trained;
    Tensor head;
  };
  Result train(const Curve& curve, DType dtype, Device device = kCpu,
               const std::function<void(transfer::Task&)>& adjust = {}) const;
  // The learning-rate finder's run, and PyTorch's losses of it.
  struct Finder {
    transfer::FoundRate found;
    std::vector<double> losses;
    bool put_back = false;  // the network is as it was
  };
  Finder find_rate(DType dtype) const;

 private:
  // What is trained: refers to `network`, `pictures` and `labelled`.
  transfer::Task task_of(nn::CifarResNet& network, const transfer::Recipe& recipe, Device device,
                         const Tensor& pictures, const transfer::Labelled& labelled) const;
  transfer::Labelled labelled(int64_t classes) const;
  nlohmann::json file_;
};

}  // namespace graft::test
