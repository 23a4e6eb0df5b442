// Matrix products on one core, float, side by side with Eigen, OpenBLAS and oneDNN: goals P1 (n = 1024) and
// the layers of a head and of a transformer. Results are checked against Eigen's before the clock starts;
// outputs are poisoned with NaN.
//
//   gemm_bench [--repeats N] [--json FILE]

#include <Eigen/Core>
#include <charconv>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/measure.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/matmul.h"

#ifdef GRAFT_HAS_OPENBLAS
#include <cblas.h>
#endif
#ifdef GRAFT_HAS_DNNL
#include <dlfcn.h>

#include "dnnl.h"
#endif

using namespace graft;
using namespace graft::bench;

namespace {

Tensor random_matrix(int64_t rows, int64_t cols, uint64_t seed) {
  Tensor t = Tensor::empty({rows, cols});
  Rng rng(seed);
  for (float& v : t.span<float>()) v = static_cast<float>(rng.normal());
  return t;
}

struct GemmCase {
  int64_t m, n, k;
  double flops() const { return 2.0 * static_cast<double>(m * n * k); }
};

// c = a b in row-major order, by each contender.
std::vector<Contender> contenders(const GemmCase& size, const Tensor& a, const Tensor& b, const Tensor& c) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  std::vector<Contender> all = {{"graft", [=] { kernels::matmul_nn(a, b, c); }}};
  all.push_back({"Eigen", [=] {
                   Eigen::Map<Matrix>(c.data<float>(), size.m, size.n).noalias() =
                       Eigen::Map<const Matrix>(a.data<float>(), size.m, size.k) *
                       Eigen::Map<const Matrix>(b.data<float>(), size.k, size.n);
                 }});
#ifdef GRAFT_HAS_OPENBLAS
  all.push_back({"OpenBLAS", [=] {
                   cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(size.m),
                               static_cast<int>(size.n), static_cast<int>(size.k), 1, a.data<float>(),
                               static_cast<int>(size.k), b.data<float>(), static_cast<int>(size.n), 0,
                               c.data<float>(), static_cast<int>(size.n));
                 }});
#endif
#ifdef GRAFT_HAS_DNNL
  all.push_back({"oneDNN", [=] {
                   dnnl_sgemm('N', 'N', size.m, size.n, size.k, 1, a.data<float>(), size.k, b.data<float>(),
                              size.n, 0, c.data<float>(), size.n);
                 }});
#endif
  return all;
}

void require_equal_results(const std::vector<Contender>& all, const Tensor& c) {
  c.fill(NAN);
  all[1].run();
  Tensor expected = c.clone();
  for (const Contender& contender : all) {
    c.fill(NAN);
    contender.run();
    double most = 0, largest = 0;
    for (int64_t i = 0; i < c.numel(); ++i) {
      double d = std::abs(c.data<float>()[i] - expected.data<float>()[i]);
      most = d <= most ? most : d;  // keeps a NaN
      largest = std::max(largest, std::abs(static_cast<double>(expected.data<float>()[i])));
    }
    // Sums of up to 4,096 products in float, in different orders.
    if (!(most <= 1e-5 * largest)) fail(contender.name, ": differs from Eigen by ", most, " of ", largest);
  }
}

void one_thread() {
  set_threads(1);
#ifdef GRAFT_HAS_OPENBLAS
  openblas_set_num_threads(1);
#endif
#ifdef GRAFT_HAS_DNNL
  using SetThreads = void (*)(int);
  if (auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) set(1);
#endif
}

int run(int argc, char** argv) {
  int repeats = 30;
  std::string json_file;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string option = argv[i];
    if (option == "--repeats")
      std::from_chars(argv[i + 1], argv[i + 1] + std::strlen(argv[i + 1]), repeats);
    else if (option == "--json")
      json_file = argv[i + 1];
    else
      fail<UsageError>("gemm_bench: unknown option ", option);
  }
  one_thread();
  std::printf("graft's kernels at level %s; GFLOP/s on one core, median of %d\n",
              std::string(to_text(kernels::cpu_level())).c_str(), repeats);
  nlohmann::json rows = nlohmann::json::array();
  for (const GemmCase& size :
       {GemmCase{1024, 1024, 1024}, {512, 1000, 2048}, {512, 768, 768}, {128, 3072, 768}, {49, 2048, 512}}) {
    Tensor a = random_matrix(size.m, size.k, 1), b = random_matrix(size.k, size.n, 2);
    Tensor c = Tensor::empty({size.m, size.n});
    std::vector<Contender> all = contenders(size, a, b, c);
    require_equal_results(all, c);
    std::vector<Timing> timings = measure(all, repeats);
    std::printf("%5d x %5d x %5d", static_cast<int>(size.m), static_cast<int>(size.n),
                static_cast<int>(size.k));
    nlohmann::json row = {{"m", size.m}, {"n", size.n}, {"k", size.k}};
    for (size_t i = 0; i < all.size(); ++i) {
      std::printf("  %s %.1f", all[i].name.c_str(), size.flops() / timings[i].median * 1e-9);
      if (i > 0) std::printf(" (%.2fx)", timings[i].median / timings[0].median);
      row[all[i].name] = {{"seconds", timings[i].median}, {"spread", timings[i].spread}};
    }
    std::printf("\n");
    rows.push_back(row);
  }
  std::printf("(x: the reference's time divided by graft's)\n");
  if (!json_file.empty()) {
    std::ofstream(json_file) << nlohmann::json{{"cpu_level", std::string(to_text(kernels::cpu_level()))},
                                               {"repeats", repeats},
                                               {"products", rows}}
                                    .dump(2)
                             << "\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const graft::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return e.exit_code();
  }
}
