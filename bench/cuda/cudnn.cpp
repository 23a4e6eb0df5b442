#include "bench/cuda/cudnn.h"

#ifndef GRAFT_HAS_CUDNN

namespace graft::bench {

Cudnn* Cudnn::find(std::string& problem) {
  problem = "built without cudnn.h";
  return nullptr;
}

}  // namespace graft::bench

#else

#include <cudnn.h>

#include "bench/cuda/shared_library.h"
#include "core/error.h"

namespace graft::bench {
namespace {

constexpr int kMostAlgorithms = 16;
constexpr int64_t kWorkspace = int64_t{1} << 30;

// The library's functions under their own names.
struct Api {
  explicit Api(const SharedLibrary& loaded) : library(loaded) {}
  const SharedLibrary& library;
#define GRAFT_CUDNN(name) decltype(::name)* name = library.function<decltype(::name)>(#name)
  GRAFT_CUDNN(cudnnCreate);
  GRAFT_CUDNN(cudnnGetVersion);
  GRAFT_CUDNN(cudnnGetErrorString);
  GRAFT_CUDNN(cudnnSetStream);
  GRAFT_CUDNN(cudnnCreateTensorDescriptor);
  GRAFT_CUDNN(cudnnDestroyTensorDescriptor);
  GRAFT_CUDNN(cudnnSetTensor4dDescriptor);
  GRAFT_CUDNN(cudnnCreateFilterDescriptor);
  GRAFT_CUDNN(cudnnDestroyFilterDescriptor);
  GRAFT_CUDNN(cudnnSetFilter4dDescriptor);
  GRAFT_CUDNN(cudnnCreateConvolutionDescriptor);
  GRAFT_CUDNN(cudnnDestroyConvolutionDescriptor);
  GRAFT_CUDNN(cudnnSetConvolution2dDescriptor);
  GRAFT_CUDNN(cudnnSetConvolutionGroupCount);
  GRAFT_CUDNN(cudnnSetConvolutionMathType);
  GRAFT_CUDNN(cudnnFindConvolutionForwardAlgorithmEx);
  GRAFT_CUDNN(cudnnFindConvolutionBackwardDataAlgorithmEx);
  GRAFT_CUDNN(cudnnFindConvolutionBackwardFilterAlgorithmEx);
  GRAFT_CUDNN(cudnnConvolutionForward);
  GRAFT_CUDNN(cudnnConvolutionBackwardData);
  GRAFT_CUDNN(cudnnConvolutionBackwardFilter);
#undef GRAFT_CUDNN

  void check(cudnnStatus_t status, const char* what) const {
    GRAFT_CHECK(status == CUDNN_STATUS_SUCCESS, "cuDNN: ", what, ": ", cudnnGetErrorString(status));
  }
};

int size_at(const Tensor& t, int axis) {
  return static_cast<int>(t.dim(axis));
}

// The description of one convolution. cuDNN's NHWC is graft's layout, of filters too.
class Plan {
 public:
  Plan(const Api& api, const Convolution& c) : api_(api), c_(c) {
    cudnnDataType_t type = c.x.dtype() == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    api.check(api.cudnnCreateTensorDescriptor(&x_), "describing a tensor");
    api.check(api.cudnnCreateTensorDescriptor(&y_), "describing a tensor");
    api.check(api.cudnnCreateFilterDescriptor(&weight_), "describing a filter");
    api.check(api.cudnnCreateConvolutionDescriptor(&convolution_), "describing a convolution");
    for (auto& [descriptor, t] : {std::pair(x_, c.x), {y_, c.y}}) {
      api.check(api.cudnnSetTensor4dDescriptor(descriptor, CUDNN_TENSOR_NHWC, type, size_at(t, 0),
                                               size_at(t, 3), size_at(t, 1), size_at(t, 2)),
                "describing a tensor");
    }
    const Tensor& w = c.weight;
    api.check(api.cudnnSetFilter4dDescriptor(weight_, type, CUDNN_TENSOR_NHWC, size_at(w, 0), size_at(w, 3),
                                             size_at(w, 1), size_at(w, 2)),
              "describing a filter");
    int padding = static_cast<int>(c.window.padding), stride = static_cast<int>(c.window.stride);
    api.check(api.cudnnSetConvolution2dDescriptor(convolution_, padding, padding, stride, stride, 1, 1,
                                                  CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
              "describing a convolution");
    api.check(api.cudnnSetConvolutionGroupCount(convolution_, static_cast<int>(c.window.groups)),
              "describing a convolution");
    set_math(is_half() ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH);
  }
  ~Plan() {
    api_.cudnnDestroyTensorDescriptor(x_);
    api_.cudnnDestroyTensorDescriptor(y_);
    api_.cudnnDestroyFilterDescriptor(weight_);
    api_.cudnnDestroyConvolutionDescriptor(convolution_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // Has cuDNN time its algorithms and keeps the fastest.
  void choose(cudnnHandle_t handle, const Tensor& workspace, nlohmann::json& notes) {
    auto space = static_cast<size_t>(workspace.bytes());
    int count = 0;
    if (c_.pass == ConvPass::forward) {
      std::vector<cudnnConvolutionFwdAlgoPerf_t> found(kMostAlgorithms);
      api_.check(api_.cudnnFindConvolutionForwardAlgorithmEx(handle, x_, c_.x.raw(), weight_, c_.weight.raw(),
                                                             convolution_, y_, c_.y.raw(), kMostAlgorithms,
                                                             &count, found.data(), workspace.raw(), space),
                 "timing algorithms");
      forward_ = take(found, count, notes);
    } else if (c_.pass == ConvPass::grad_input) {
      std::vector<cudnnConvolutionBwdDataAlgoPerf_t> found(kMostAlgorithms);
      api_.check(api_.cudnnFindConvolutionBackwardDataAlgorithmEx(
                     handle, weight_, c_.weight.raw(), y_, c_.y.raw(), convolution_, x_, c_.x.raw(),
                     kMostAlgorithms, &count, found.data(), workspace.raw(), space),
                 "timing algorithms");
      grad_input_ = take(found, count, notes);
    } else {
      std::vector<cudnnConvolutionBwdFilterAlgoPerf_t> found(kMostAlgorithms);
      api_.check(api_.cudnnFindConvolutionBackwardFilterAlgorithmEx(
                     handle, x_, c_.x.raw(), y_, c_.y.raw(), convolution_, weight_, c_.weight.raw(),
                     kMostAlgorithms, &count, found.data(), workspace.raw(), space),
                 "timing algorithms");
      grad_weight_ = take(found, count, notes);
    }
  }

  void run(cudnnHandle_t handle, const Tensor& workspace) const {
    float one = 1, zero = 0;
    auto space = static_cast<size_t>(workspace.bytes());
    cudnnStatus_t status;
    if (c_.pass == ConvPass::forward) {
      status =
          api_.cudnnConvolutionForward(handle, &one, x_, c_.x.raw(), weight_, c_.weight.raw(), convolution_,
                                       forward_, workspace.raw(), space, &zero, y_, c_.y.raw());
    } else if (c_.pass == ConvPass::grad_input) {
      status = api_.cudnnConvolutionBackwardData(handle, &one, weight_, c_.weight.raw(), y_, c_.y.raw(),
                                                 convolution_, grad_input_, workspace.raw(), space, &zero, x_,
                                                 c_.x.raw());
    } else {
      status = api_.cudnnConvolutionBackwardFilter(handle, &one, x_, c_.x.raw(), y_, c_.y.raw(), convolution_,
                                                   grad_weight_, workspace.raw(), space, &zero, weight_,
                                                   c_.weight.raw());
    }
    api_.check(status, "a convolution");
  }

 private:
  bool is_half() const { return c_.x.dtype() == DType::bf16; }
  void set_math(cudnnMathType_t math) {
    api_.check(api_.cudnnSetConvolutionMathType(convolution_, math), "choosing the arithmetic");
  }

  // Of what cuDNN found, fastest first: the first that works, fits into the workspace and, for f32,
  // multiplies in f32.
  template <class Found>
  decltype(Found::algo) take(const std::vector<Found>& found, int count, nlohmann::json& notes) {
    for (int i = 0; i < count; ++i) {
      const Found& f = found[static_cast<size_t>(i)];
      if (f.status != CUDNN_STATUS_SUCCESS || f.memory > static_cast<size_t>(kWorkspace)) continue;
      bool plain = f.mathType == CUDNN_FMA_MATH || f.mathType == CUDNN_DEFAULT_MATH;
      if (is_half()) {
        set_math(f.mathType);
      } else if (!plain) {
        continue;
      }
      notes["cudnn_algorithm"] = static_cast<int>(f.algo);
      notes["cudnn_candidates"] = count;
      return f.algo;
    }
    fail("cuDNN: no algorithm for this convolution");
  }

  const Api& api_;
  Convolution c_;
  cudnnTensorDescriptor_t x_ = nullptr, y_ = nullptr;
  cudnnFilterDescriptor_t weight_ = nullptr;
  cudnnConvolutionDescriptor_t convolution_ = nullptr;
  cudnnConvolutionFwdAlgo_t forward_{};
  cudnnConvolutionBwdDataAlgo_t grad_input_{};
  cudnnConvolutionBwdFilterAlgo_t grad_weight_{};
};

class Loaded : public Cudnn {
 public:
  explicit Loaded(const SharedLibrary& library) : api_(library) {
    api_.check(api_.cudnnCreate(&handle_), "starting");
    api_.check(api_.cudnnSetStream(handle_, static_cast<cudaStream_t>(device_stream())),
               "setting the stream");
    workspace_ = Tensor::empty({kWorkspace}, DType::u8, kDevice);
  }

  std::string version() const override { return str(api_.cudnnGetVersion()); }

  Contender best(const Convolution& c, nlohmann::json& notes) override {
    auto plan = std::make_shared<Plan>(api_, c);
    plan->choose(handle_, workspace_, notes);
    return {"cuDNN", [this, plan] { plan->run(handle_, workspace_); }};
  }

 private:
  Api api_;
  cudnnHandle_t handle_ = nullptr;
  Tensor workspace_;
};

}  // namespace

Cudnn* Cudnn::find(std::string& problem) {
  static const Found<Cudnn> found =
      find_library<Cudnn, Loaded>({"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so"});
  problem = found.problem;
  return found.library;
}

}  // namespace graft::bench

#endif
