// Convolutions on one core. ResNet-50's 53 against im2col + Eigen and oneDNN; one training step's worth of
// MobileNetV2's 52 (forward, gradient of the input, gradient of the weight) against oneDNN. Each result is
// checked against the others before the clock starts; outputs are poisoned with NaN first.
//
//   conv_bench [--batch N] [--repeats N] [--json FILE] [--network resnet50 | mobilenet_v2]

#include <dlfcn.h>

#include <charconv>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/conv_references.h"
#include "bench/measure.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/conv2d.h"

using namespace graft;
using namespace graft::bench;

namespace {

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.span<float>()) v = static_cast<float>(rng.normal());
  return t;
}

// max |a - b| / max |b|; a NaN left in a result makes it a NaN, which is never small enough.
double difference(const Tensor& a, const Tensor& b) {
  double most = 0, largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    double p = a.data<float>()[i], q = b.data<float>()[i];
    if (std::isnan(p) || std::isnan(q)) return NAN;
    most = std::max(most, std::abs(p - q));
    largest = std::max(largest, std::abs(q));
  }
  return largest == 0 ? most : most / largest;
}

void require_close(const std::string& what, const Tensor& a, const Tensor& b) {
  // Both sides sum up to 100,000 products in float, in different orders.
  double d = difference(a, b);
  if (!(d <= 2e-5)) fail(what, ": results differ by ", d, " of the largest value");
}

struct Row {
  std::string layer;
  int count;
  double flops;
  std::vector<Timing> timings;
};

struct Table {
  std::string title;
  std::vector<std::string> contenders;
  std::vector<Row> rows;

  double total(size_t contender) const {
    double sum = 0;
    for (const Row& r : rows) sum += r.count * r.timings[contender].median;
    return sum;
  }
  void print() const {
    std::printf("\n%s\n%-28s %3s %8s", title.c_str(), "layer", "n", "GFLOP");
    for (const auto& c : contenders) std::printf(" | %12s ms  GFLOP/s", c.c_str());
    std::printf(" | ratio\n");
    double flops = 0;
    for (const Row& r : rows) {
      std::printf("%-28s %3d %8.3f", r.layer.c_str(), r.count, r.flops * 1e-9);
      for (const Timing& t : r.timings)
        std::printf(" | %15.3f %8.1f", t.median * 1e3, r.flops / t.median * 1e-9);
      for (size_t i = 1; i < r.timings.size(); ++i)
        std::printf(" %5.2f", r.timings[i].median / r.timings[0].median);
      std::printf("\n");
      flops += r.count * r.flops;
    }
    std::printf("%-28s %3s %8.3f", "all, each as often as it occurs", "", flops * 1e-9);
    for (size_t i = 0; i < contenders.size(); ++i) {
      std::printf(" | %15.3f %8.1f", total(i) * 1e3, flops / total(i) * 1e-9);
    }
    for (size_t i = 1; i < contenders.size(); ++i) std::printf(" %5.2f", total(i) / total(0));
    std::printf("\n(ratio: the reference's time divided by graft's)\n");
  }
  nlohmann::json json() const {
    nlohmann::json out = {
        {"title", title}, {"layers", nlohmann::json::array()}, {"seconds", {}}, {"speedup", {}}};
    for (const Row& r : rows) {
      nlohmann::json layer = {{"layer", r.layer}, {"count", r.count}, {"flops", r.flops}};
      for (size_t i = 0; i < contenders.size(); ++i) {
        layer[contenders[i]] = {{"seconds", r.timings[i].median}, {"spread", r.timings[i].spread}};
      }
      out["layers"].push_back(layer);
    }
    for (size_t i = 0; i < contenders.size(); ++i) {
      out["seconds"][contenders[i]] = total(i);
      if (i > 0) out["speedup"][contenders[i]] = total(i) / total(0);
    }
    return out;
  }
};

struct Problem {
  ConvCase c;
  Tensor x, weight, dy;
  kernels::ConvWindow window;

  Problem(const ConvCase& case_, int64_t batch)
      : c(case_),
        x(random_tensor({batch, c.size, c.size, c.channels}, 1)),
        weight(random_tensor({c.outputs, c.kernel, c.kernel, c.channels / c.groups}, 2)),
        dy(random_tensor({batch, c.out_size(), c.out_size(), c.outputs}, 3)),
        window{c.stride, c.padding, c.groups} {}
};

Table forward_table(const std::string& network, const std::vector<ConvCase>& cases, int64_t batch,
                    int repeats) {
  Table table{network + " forward, batch " + str(batch) + ", one core", {"graft", "im2col + Eigen"}, {}};
#ifdef GRAFT_HAS_DNNL
  table.contenders.insert(table.contenders.end(), {"oneDNN nhwc", "oneDNN any"});
#endif
  for (const ConvCase& c : cases) {
    Problem p(c, batch);
    Tensor y = Tensor::full(p.dy.shape(), NAN), expected = Tensor::full(p.dy.shape(), NAN);
    EigenConv eigen(c, batch, p.x, p.weight);
    kernels::conv2d(p.x, p.weight, p.window, {}, y);
    eigen.run(expected);
    require_close(c.name() + " Eigen", y, expected);
    std::vector<Contender> contenders = {{"graft", [&] { kernels::conv2d(p.x, p.weight, p.window, {}, y); }},
                                         {"im2col + Eigen", [&] { eigen.run(expected); }}};
#ifdef GRAFT_HAS_DNNL
    DnnlConv nhwc(c, batch, true, DnnlConv::Pass::forward, p.x, p.weight, expected);
    DnnlConv any(c, batch, false, DnnlConv::Pass::forward, p.x, p.weight, expected);
    nhwc.run();
    any.run();
    require_close(c.name() + " oneDNN nhwc", nhwc.result(y), y);
    require_close(c.name() + " oneDNN any", any.result(y), y);
    contenders.push_back({"oneDNN nhwc", [&] { nhwc.run(); }});
    contenders.push_back({"oneDNN any", [&] { any.run(); }});
#endif
    table.rows.push_back({c.name(), c.count, c.flops(batch), measure(contenders, repeats)});
  }
  return table;
}

enum class Gradient { input, weight };

Table gradient_table(const std::string& network, const std::vector<ConvCase>& cases, int64_t batch,
                     int repeats, Gradient gradient) {
  bool input = gradient == Gradient::input;
  Table table{network + (input ? " gradient of the input" : " gradient of the weight") + ", batch " +
                  str(batch) + ", one core",
              {"graft"},
              {}};
#ifdef GRAFT_HAS_DNNL
  table.contenders.insert(table.contenders.end(), {"oneDNN nhwc", "oneDNN any"});
#endif
  for (const ConvCase& c : cases) {
    if (input && c.channels == 3) continue;  // pictures need no gradient
    Problem p(c, batch);
    Tensor out = Tensor::full(input ? p.x.shape() : p.weight.shape(), NAN);
    auto run = [&] {
      if (input)
        kernels::conv2d_grad_input(p.dy, p.weight, p.window, out);
      else
        kernels::conv2d_grad_weight(p.x, p.dy, p.window, out);
    };
    run();
    std::vector<Contender> contenders = {{"graft", run}};
#ifdef GRAFT_HAS_DNNL
    auto pass = input ? DnnlConv::Pass::grad_input : DnnlConv::Pass::grad_weight;
    DnnlConv nhwc(c, batch, true, pass, p.x, p.weight, p.dy), any(c, batch, false, pass, p.x, p.weight, p.dy);
    nhwc.run();
    any.run();
    require_close(c.name() + " oneDNN nhwc", nhwc.result(out), out);
    require_close(c.name() + " oneDNN any", any.result(out), out);
    contenders.push_back({"oneDNN nhwc", [&] { nhwc.run(); }});
    contenders.push_back({"oneDNN any", [&] { any.run(); }});
#endif
    table.rows.push_back({c.name(), c.count, c.flops(batch), measure(contenders, repeats)});
  }
  return table;
}

// oneDNN brings its own threads; the measurement is of one core.
void one_thread() {
  set_threads(1);
  using SetThreads = void (*)(int);
  if (auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) set(1);
}

int number(const char* text) {
  int value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  GRAFT_CHECK_AS(UsageError, value >= 1, "conv_bench: \"", text, "\" is not a positive number");
  return value;
}

int run(int argc, char** argv) {
  int batch = 1, repeats = 30;
  std::string json_file, network;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string option = argv[i];
    if (option == "--batch")
      batch = number(argv[i + 1]);
    else if (option == "--repeats")
      repeats = number(argv[i + 1]);
    else if (option == "--json")
      json_file = argv[i + 1];
    else if (option == "--network")
      network = argv[i + 1];
    else
      fail<UsageError>("conv_bench: unknown option ", option);
  }
  one_thread();
  std::printf("graft's kernels at level %s\n", std::string(to_text(kernels::cpu_level())).c_str());
  std::vector<Table> tables;
  for (const auto& [name, cases] :
       {std::pair("resnet50", resnet50_cases()), {"mobilenet_v2", mobilenet_v2_cases()}}) {
    if (!network.empty() && network != name) continue;
    // im2col is no way to do a depthwise convolution, so Eigen stands only beside ResNet-50.
    if (std::string(name) == "resnet50") tables.push_back(forward_table(name, cases, batch, repeats));
    tables.push_back(gradient_table(name, cases, batch, repeats, Gradient::input));
    tables.push_back(gradient_table(name, cases, batch, repeats, Gradient::weight));
  }
  nlohmann::json json = {{"cpu_level", std::string(to_text(kernels::cpu_level()))},
                         {"batch", batch},
                         {"repeats", repeats},
                         {"tables", nlohmann::json::array()}};
  for (const Table& t : tables) {
    t.print();
    json["tables"].push_back(t.json());
  }
  if (!json_file.empty()) std::ofstream(json_file) << json.dump(2) << "\n";
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
