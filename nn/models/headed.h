// What every network offers that can be retrained: a trunk of stages that makes features of a sample, and a
// head on top of them that can be replaced. Strategies, feature caches, the training loop and the program
// know networks only through this, whatever the samples are.
#pragma once

#include <string>
#include <vector>

#include "nn/layers.h"

namespace graft::nn {

// A step of the trunk: the unit in which networks are frozen from below and cached.
struct Stage {
  std::string name;
  std::vector<std::string>
      prefixes;  // its tensors are called "<prefix>.<rest>", or just so, for one of these
};

class Headed : public Module {
 public:
  // A batch of samples as the network takes it (pictures f32 [N, H, W, 3], texts i64 as text_classifier.h
  // packs them) -> logits [N, classes()].
  virtual Var forward(const Var& batch) = 0;
  // The same batch -> pooled features [N, F], what a new head is trained on.
  virtual Var features(const Var& batch) = 0;
  // Pooled features [N, F] -> logits [N, classes()]. The same as the end of forward, but for a SqueezeNet
  // with a published head; see squeezenet.h.
  virtual Var head(const Var& pooled) = 0;

  // The trunk from input to output, at least one stage.
  virtual std::vector<Stage> stages() const = 0;
  // The name of the head's layer: its tensors are "<name>.weight" and "<name>.bias".
  virtual std::string head_name() const = 0;
  // The parts that are trained as the head: their tensors are called "<part>.<rest>".
  virtual std::vector<std::string> head_parts() const { return {head_name()}; }
  // Is the head one linear layer with a bias? Then it can be solved on standardised features.
  virtual bool linear_head() const { return true; }
  virtual int64_t classes() const = 0;
  // A new head for `classes` labels under the same name, trainable, with starting values by `seed`.
  virtual void replace_head(int64_t classes, uint64_t seed) = 0;
  // The dropout before the head; nullptr where the network has none.
  virtual Dropout* dropout() { return nullptr; }
  // May a step on an accelerator be recorded and played (core/step_graph.h)? Not where forward looks at the
  // batch on the CPU.
  virtual bool recordable() const { return true; }

  // The type of the network's tensors.
  DType dtype() const { return dtype_; }
  // Where the network computes, and in what type: what pictures must be given in. At first the CPU and
  // dtype().
  Device device() const { return device_; }
  DType precision() const { return precision_; }
  // Brings the tensors to `device`; from now on the network computes there, in `precision`: dtype(), or bf16
  // where the tensors are f32 and the device is an accelerator (layers.h says what then stays f32). A head
  // that is replaced later is on the CPU until this is called again. Throws UsageError, DeviceError.
  virtual void compute_on(Device device, DType precision);
  // A batch from the CPU, or what stands at a later stage, as this network takes it: whole numbers as they
  // are.
  Tensor taken_on_cpu(const Tensor& batch) const {
    return is_float(batch.dtype()) ? batch.to(precision_) : batch;
  }
  Var taken(const Tensor& batch) const { return Var(taken_on_cpu(batch).to(device_)); }

 protected:
  explicit Headed(DType dtype) : dtype_(dtype), precision_(dtype) {}

 private:
  DType dtype_, precision_;
  Device device_;
};

}  // namespace graft::nn
