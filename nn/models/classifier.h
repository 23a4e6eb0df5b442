// What every picture classifier offers: a trunk of stages that makes features, and a head on top of them that
// can be replaced. Strategies, feature caches and the program know networks only through this.
#pragma once

#include <string>
#include <vector>

#include "nn/layers.h"

namespace graft::nn {

// A step of the trunk: the unit in which networks are frozen from below and cached.
struct Stage {
  std::string name;
  std::vector<std::string> prefixes;  // its tensors are called "<prefix>.<rest>", for one of these
};

class Classifier : public Module {
 public:
  // images [N, H, W, 3], normalised as the weights expect -> logits [N, classes()].
  Var forward(const Var& images) { return forward_from(0, images); }

  // The trunk from input to output, at least one stage.
  virtual std::vector<Stage> stages() const = 0;
  // images -> what stage `stage` takes; stages().size() gives the trunk's last map.
  Var forward_to(size_t stage, const Var& images);
  // What stage `stage` takes -> logits: forward(x) is forward_from(s, forward_to(s, x)) for every s, bit by
  // bit where the same gradients are wanted. So a frozen prefix need run only once.
  Var forward_from(size_t stage, const Var& activations);
  // What stage `stage` takes -> pooled features [N, F], what a new head is trained on.
  Var features_from(size_t stage, const Var& activations);
  // images [N, H, W, 3] -> pooled features [N, F].
  Var features(const Var& images) { return features_from(0, images); }

  // Pooled features [N, F] -> logits [N, classes()]. The same as the end of forward, but for a SqueezeNet
  // with a published head; see squeezenet.h.
  virtual Var head(const Var& pooled) = 0;
  // The name of the head's layer: its tensors are "<name>.weight" and "<name>.bias".
  virtual std::string head_name() const = 0;
  virtual int64_t classes() const = 0;
  // A new head for `classes` labels under the same name, trainable, with starting values by `seed`.
  virtual void replace_head(int64_t classes, uint64_t seed) = 0;
  // The dropout before the head; nullptr where the network has none.
  virtual Dropout* dropout() { return nullptr; }

  // The type of the network's tensors.
  DType dtype() const { return dtype_; }
  // Where the network computes, and in what type: what images must be given in. At first the CPU and dtype().
  Device device() const { return device_; }
  DType precision() const { return precision_; }
  // Brings the tensors to `device`; from now on the network computes there, in `precision`: dtype(), or bf16
  // where the tensors are f32 and the device is an accelerator (layers.h says what then stays f32). A head
  // that is replaced later is on the CPU until this is called again. Throws UsageError, DeviceError.
  void compute_on(Device device, DType precision);
  // Images, or what stands at a later stage, from the CPU as this network takes them.
  Var taken(const Tensor& images) const { return Var(images.to(precision_).to(device_)); }

 protected:
  explicit Classifier(DType dtype) : dtype_(dtype), precision_(dtype) {}
  virtual Var run_stage(size_t stage, const Var& x) = 0;
  // The trunk's last map [N, H, W, F] -> [N, F].
  virtual Var pool(const Var& map) { return global_avg_pool(map); }
  // The trunk's last map -> logits.
  virtual Var finish(const Var& map) { return head(pool(map)); }

 private:
  Var run(size_t from, size_t to, Var x);
  DType dtype_, precision_;
  Device device_;
};

}  // namespace graft::nn
