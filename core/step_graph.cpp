#include "core/step_graph.h"

#include "core/accelerator.h"
#include "core/env.h"
#include "core/error.h"

namespace graft {
namespace {

thread_local StepGraph* recording = nullptr;  // the graph whose step this thread records
thread_local const char* part_name = nullptr;

// Sets a variable and puts its value back.
template <class T>
class During {
 public:
  During(T& variable, T value) : variable_(variable), before_(variable) { variable = value; }
  ~During() { variable_ = before_; }
  During(const During&) = delete;
  During& operator=(const During&) = delete;

 private:
  T& variable_;
  T before_;
};

// Recording needs an accelerator, so a build with one.
StepRecorder& recorder() {
  StepRecorder* found = step_recorder();
  GRAFT_CHECK(found, "step graph: this build has no CUDA backend");
  return *found;
}

}  // namespace

const char* running_part() {
  return part_name;
}

bool is_recording_step() {
  return recording != nullptr;
}

void every_step(const char* name, std::function<void()> part) {
  if (recording && !part_name) {
    recording->record_part(name, std::move(part));
  } else {
    part();
  }
}

void feed(const Tensor& target, const Tensor& values) {
  values.require_cpu("feed");
  GRAFT_CHECK(target.shape() == values.shape() && target.dtype() == values.dtype() && target.is_contiguous(),
              "feed: ", values, " into ", target, "; shape and type must be the same, the target contiguous");
  if (!target.device().is_cuda()) return target.copy_from(values);
  Tensor source = values.contiguous();
  Device device = target.device();
  if (source.bytes() > 0)
    accelerator_of(device).upload(device.index, target.raw(), source.raw(), source.bytes());
}

const std::vector<Tensor>& StepGraph::run(const Step& step) {
  if (!device_.is_cuda() || !warm_ || env::sync()) {
    results_.clear();  // not two steps' results at a time
    results_ = step();
    warm_ = true;
    return results_;
  }
  if (!work_) {
    record(step);
  } else {
    for (const Part& part : parts_) renew(part);
  }
  work_->play();
  return results_;
}

void StepGraph::forget() {
  work_.reset();
  parts_.clear();
  results_.clear();
  if (pool_) pool_->retire();
  pool_.reset();
}

void StepGraph::record(const Step& step) {
  GRAFT_CHECK(!recording, "step graph: a step is recorded within another one");
  forget();
  pool_ = StepPool::make(device_);
  try {
    StepPool::Use use(*pool_);
    During<StepGraph*> here(recording, this);
    recorder().begin(device_.index);
    results_ = step();
    work_ = recorder().end();
  } catch (...) {
    recorder().drop();
    forget();
    throw;
  }
}

void StepGraph::record_part(const char* name, std::function<void()> run) {
  During<const char*> here(part_name, name);
  Part part;
  part.name = name;
  part.run = std::move(run);
  part.first = recorder().kernels();
  pool_->begin_part(name);
  part.run();
  part.memory = pool_->end_part();
  part.kernels = recorder().kernels() - part.first;
  parts_.push_back(std::move(part));
}

void StepGraph::renew(const Part& part) {
  During<const char*> here(part_name, part.name);
  StepPool::Use use(*pool_, part.memory);
  work_->begin_renewing(part.first, part.kernels);
  try {
    part.run();
  } catch (...) {
    work_->end_renewing();
    throw;
  }
  int64_t renewed = work_->end_renewing();
  GRAFT_CHECK_AS(DeviceError, renewed == part.kernels, "step graph: ", part.name, " started ", renewed,
                 " kernels; when the step was recorded it started ", part.kernels,
                 ". Such a part must do the same work in every step");
}

}  // namespace graft
