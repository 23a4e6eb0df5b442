#include "bench/cuda/cublaslt.h"

#ifndef GRAFT_HAS_CUBLASLT

namespace graft::bench {

CublasLt* CublasLt::find(std::string& problem) {
  problem = "built without cublasLt.h";
  return nullptr;
}

}  // namespace graft::bench

#else

#include <cublasLt.h>

#include "bench/cuda/shared_library.h"
#include "core/error.h"

namespace graft::bench {
namespace {

constexpr int kCandidates = 16;
constexpr int64_t kWorkspace = int64_t{32} << 20;  // what NVIDIA advises for Hopper

// The library's functions under their own names.
struct Lt {
  explicit Lt(const SharedLibrary& loaded) : library(loaded) {}
  const SharedLibrary& library;
#define GRAFT_CUBLASLT(name) decltype(::name)* name = library.function<decltype(::name)>(#name)
  GRAFT_CUBLASLT(cublasLtCreate);
  GRAFT_CUBLASLT(cublasLtGetVersion);
  GRAFT_CUBLASLT(cublasLtMatmul);
  GRAFT_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
  GRAFT_CUBLASLT(cublasLtMatmulDescCreate);
  GRAFT_CUBLASLT(cublasLtMatmulDescDestroy);
  GRAFT_CUBLASLT(cublasLtMatmulDescSetAttribute);
  GRAFT_CUBLASLT(cublasLtMatrixLayoutCreate);
  GRAFT_CUBLASLT(cublasLtMatrixLayoutDestroy);
  GRAFT_CUBLASLT(cublasLtMatmulPreferenceCreate);
  GRAFT_CUBLASLT(cublasLtMatmulPreferenceDestroy);
  GRAFT_CUBLASLT(cublasLtMatmulPreferenceSetAttribute);
#undef GRAFT_CUBLASLT
};

void check(cublasStatus_t status, const char* what) {
  GRAFT_CHECK(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: ", what, ": status ", static_cast<int>(status));
}

cudaDataType_t type_of(const Tensor& t) {
  return t.dtype() == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

// The description of one product. cuBLASLt counts by columns: a matrix by rows is its own transpose, so c^T =
// b^T a^T is asked for, which is c by rows.
class Plan {
 public:
  Plan(const Lt& lt, const Product& p) : lt_(lt), p_(p) {
    check(lt.cublasLtMatmulDescCreate(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (p.bias.defined()) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(p.bias.raw()));
    }
    left_ = layout(p.b);
    right_ = layout(p.a);
    out_ = layout(p.c);
  }
  ~Plan() {
    for (cublasLtMatrixLayout_t l : {left_, right_, out_}) lt_.cublasLtMatrixLayoutDestroy(l);
    lt_.cublasLtMatmulDescDestroy(operation_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  std::vector<cublasLtMatmulHeuristicResult_t> candidates(cublasLtHandle_t handle) const {
    cublasLtMatmulPreference_t preference;
    check(lt_.cublasLtMatmulPreferenceCreate(&preference), "making a preference");
    uint64_t most = kWorkspace;
    check(lt_.cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                   &most, sizeof most),
          "setting the workspace");
    std::vector<cublasLtMatmulHeuristicResult_t> results(kCandidates);
    int count = 0;
    cublasStatus_t status = lt_.cublasLtMatmulAlgoGetHeuristic(
        handle, operation_, left_, right_, out_, out_, preference, kCandidates, results.data(), &count);
    check(lt_.cublasLtMatmulPreferenceDestroy(preference), "freeing a preference");
    check(status, "asking for algorithms");
    results.resize(static_cast<size_t>(count));
    std::erase_if(results, [](const auto& r) { return r.state != CUBLAS_STATUS_SUCCESS; });
    return results;
  }

  cublasStatus_t run(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm,
                     const Tensor& workspace) const {
    float one = 1, zero = 0;
    return lt_.cublasLtMatmul(handle, operation_, &one, p_.b.raw(), left_, p_.a.raw(), right_, &zero,
                              p_.c.raw(), out_, p_.c.raw(), out_, &algorithm, workspace.raw(),
                              static_cast<size_t>(workspace.bytes()),
                              static_cast<cudaStream_t>(device_stream()));
  }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    check(lt_.cublasLtMatmulDescSetAttribute(operation_, attribute, &value, sizeof value),
          "describing a product");
  }
  cublasLtMatrixLayout_t layout(const Tensor& matrix) const {
    cublasLtMatrixLayout_t made;
    check(lt_.cublasLtMatrixLayoutCreate(&made, type_of(matrix), static_cast<uint64_t>(matrix.dim(1)),
                                         static_cast<uint64_t>(matrix.dim(0)), matrix.dim(1)),
          "describing a matrix");
    return made;
  }

  const Lt& lt_;
  Product p_;
  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t left_ = nullptr, right_ = nullptr, out_ = nullptr;
};

class Loaded : public CublasLt {
 public:
  explicit Loaded(const SharedLibrary& library) : lt_(library) {
    check(lt_.cublasLtCreate(&handle_), "starting");
    workspace_ = Tensor::empty({kWorkspace}, DType::u8, kDevice);
  }

  std::string version() const override { return str(lt_.cublasLtGetVersion()); }

  Contender best(const Product& p, nlohmann::json& notes) override {
    auto plan = std::make_shared<Plan>(lt_, p);
    std::vector<cublasLtMatmulHeuristicResult_t> candidates = plan->candidates(handle_);
    double least = 0;
    size_t chosen = candidates.size();
    for (size_t i = 0; i < candidates.size(); ++i) {
      double seconds = time(*plan, candidates[i].algo);
      if (seconds > 0 && (chosen == candidates.size() || seconds < least)) {
        least = seconds;
        chosen = i;
      }
    }
    GRAFT_CHECK(chosen < candidates.size(), "cuBLASLt: no algorithm for this product");
    notes["cublaslt_candidates"] = candidates.size();
    notes["cublaslt_chosen"] = chosen;  // 0 is what a caller who asks for one gets
    return {"cuBLASLt", [this, plan, algorithm = candidates[chosen].algo] {
              check(plan->run(handle_, algorithm, workspace_), "a product");
            }};
  }

 private:
  // The median of a few runs from a cleared cache; 0 where the algorithm refuses.
  double time(const Plan& plan, const cublasLtMatmulAlgo_t& algorithm) {
    if (plan.run(handle_, algorithm, workspace_) != CUBLAS_STATUS_SUCCESS) return 0;
    for (int i = 0; i < 5; ++i) {
      clock_.clear_cache();
      clock_.start();
      check(plan.run(handle_, algorithm, workspace_), "a product");
      clock_.stop();
    }
    return timing_of(clock_.seconds()).median;
  }

  Lt lt_;
  cublasLtHandle_t handle_ = nullptr;
  Tensor workspace_;
  DeviceClock clock_;
};

}  // namespace

CublasLt* CublasLt::find(std::string& problem) {
  static const Found<CublasLt> found =
      find_library<CublasLt, Loaded>({"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"});
  problem = found.problem;
  return found.library;
}

}  // namespace graft::bench

#endif
