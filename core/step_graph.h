// A training step that is recorded once and then played: on a GPU its hundreds of launches become one, a CUDA
// graph. In the simulator the recording is a list of the same launches.
//
//   StepGraph graph(device);
//   for (...) {
//     feed(x, batch.images), feed(labels, batch.labels);      // tensors of the device, made once
//     double rate = schedule(step);
//     loss = graph.run([&]() -> std::vector<Tensor> {
//       optimizer.zero_grad();
//       Var loss = cross_entropy(network.forward(Var(x)), labels);
//       backward(loss);
//       every_step("optimizer", [&rate, apply = optimizer.prepared()] { apply(rate); });
//       return {loss.value()};
//     })[0];
//   }
//
// The first run computes as usual (and makes the optimizer's state), the second records, and each run from
// the second on plays the recording: a step is never computed twice. Every run is one step, and its results
// are those of a step that is not recorded, to the bit.
//
// A recording holds addresses and numbers. So the step's shapes and its course must not change, it reads its
// input from tensors that stay, it must not keep a gradient from the step before (zero_grad comes first), and
// nothing in it waits for the device or copies from the CPU: that throws DeviceError, naming the place. What
// changes from step to step is in a part, see every_step.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/step_pool.h"
#include "core/step_recorder.h"
#include "core/tensor.h"

namespace graft {

// A part of a step whose kernels get other numbers each time (a learning rate, the seed of a dropout), or
// that counts something on the CPU. Runs now; and where this thread records a step, again before each time
// that the recording is played, so what it refers to must live as long as the graph, and it must do the same
// work: the same kernels, with sizes and addresses that are the same. `name` is for errors, a literal. A part
// within a part is a piece of it.
void every_step(const char* name, std::function<void()> part);
// The part that runs on this thread, recorded or again; null outside.
const char* running_part();

// Whether this thread records a step now.
bool is_recording_step();

// Copies a CPU tensor's elements into one of the same shape and type on any device, which keeps its address.
void feed(const Tensor& target, const Tensor& values);

class StepGraph {
 public:
  using Step = std::function<std::vector<Tensor>()>;

  // On the CPU, and with GRAFT_SYNC=1, which is for errors that name one kernel, nothing is recorded: run()
  // calls the step.
  explicit StepGraph(Device device) : device_(device) {}
  ~StepGraph() { forget(); }
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  // What the step returns. Once it is recorded these are the same tensors every time, with new elements; they
  // may be kept, but the next run writes to them. A step that throws while it is recorded has done nothing on
  // the device; what it did on the CPU stands.
  const std::vector<Tensor>& run(const Step& step);
  bool recorded() const { return work_ != nullptr; }

 private:
  friend void every_step(const char*, std::function<void()>);
  struct Part {
    const char* name = nullptr;
    std::function<void()> run;
    int64_t first = 0, kernels = 0;  // its place among the recorded kernels
    size_t memory = 0;               // its number in the pool
  };
  void forget();  // the recording and what belongs to it
  void record(const Step& step);
  void record_part(const char* name, std::function<void()> part);
  void renew(const Part& part);

  Device device_;
  bool warm_ = false;
  std::shared_ptr<StepPool> pool_;
  std::vector<Part> parts_;
  std::vector<Tensor> results_;
  std::unique_ptr<RecordedWork> work_;
};

}  // namespace graft
