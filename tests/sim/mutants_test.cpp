// Mutants of every kernel as it stands: at each place of the sources where a barrier, fence, wait, commit,
// arrival or shuffle could be wrong, in each kernel's sizes, blocks and stores to shared memory, one mistake
// at a time (kernels/cuda/sim/sabotage.h). A Watch must speak of it, or the results must be others, under
// every schedule; and of the kernels themselves nothing is said. At the end: which lines of the sources
// nobody tried.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <regex>

#include "core/accelerator.h"
#include "tests/sim/mutants.h"
#include "tests/sim/workloads.h"

using namespace graft;
using namespace graft::test;

namespace {

using sim::Mistake;
using sim::Place;

const std::vector<sim::Schedule> kSchedules = {
    {sim::Schedule::Order::forward}, {sim::Schedule::Order::reversed}, {sim::Schedule::Order::random, 7}};

struct Outcome {
  std::string said;  // by the Watch, or by an error
  std::vector<Tensor> results;
  std::set<std::string> kernels;
};

Outcome outcome_of(const Workload& workload, const sim::Schedule& schedule) {
  AtCapability capability(workload.capability);
  sim::set_schedule(schedule);
  Outcome outcome;
  sim::Watch watch(sim::Watch::After::stop);
  try {
    outcome.results = workload.run();
  } catch (const Error& e) {
    outcome.said = e.what();
  }
  try {
    synchronize(Device{Device::Type::cuda, 0});  // what a mutant left to be raised
  } catch (const Error& e) {
    outcome.said += e.what();
  }
  for (const std::string& report : watch.reports()) outcome.said += report + "\n";
  for (const auto& [name, record] : watch.kernels()) outcome.kernels.insert(name);
  sim::set_schedule({});
  return outcome;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), bit_equal);
}

// A workload, with what it does when nothing is wrong.
struct Trial {
  const Workload* workload;
  std::vector<Tensor> results;
  double seconds;
};

bool is_caught(const Trial& trial, const Place& place, bool every_schedule) {
  for (const sim::Schedule& schedule : kSchedules) {
    sim::Sabotage sabotage(place);
    const Outcome outcome = outcome_of(*trial.workload, schedule);
    CHECK(sabotage.strikes() > 0);
    if (outcome.said.empty() && same(outcome.results, trial.results)) return false;
    if (!every_schedule) break;
  }
  return true;
}

bool is_line(Mistake mistake) {
  return mistake <= Mistake::wrong_lane;
}

// The path as in an #include.
std::string in_project(const std::string& file) {
  const size_t at = file.rfind("/kernels/");
  return at == file.npos ? file : file.substr(at + 1);
}

// What stands in `file` at `line`, without comments.
struct Source {
  explicit Source(const std::string& file) {
    std::ifstream in(source_dir() + "/" + file);
    for (std::string line; std::getline(in, line);) lines.push_back(line.substr(0, line.find("//")));
  }
  std::vector<std::string> lines;
};

// Lines that no run on the CPU can show to be needed, and why.
const std::vector<std::pair<std::string, const char*>> kBeyondTheSimulator = {
    {"__threadfence_system();",
     "orders a fault before its mark for the host, which reads both after the kernel"},
    {"ptx::wgmma_fence();", "between products into the same sums ptxas wants it; the ISA does not"},
};
bool is_beyond_the_simulator(const std::string& line) {
  return std::any_of(kBeyondTheSimulator.begin(), kBeyondTheSimulator.end(),
                     [&](const auto& entry) { return line.find(entry.first) != line.npos; });
}

// Sizes of which a kernel may be told too much: it does not look at them, or looks no further.
struct Harmless {
  const char* kernel;
  int size;
  const char* reason;
};
constexpr Harmless kHarmless[] = {
    {"add_column_pieces", 0, "the number of rows: it adds what is there of each piece"},
    {"combine_norm_parameters", 0, "the same"},
    {"combine_parameter_grads", 0, "the same"},
    {"attention_grad: dy . y", 1, "the number of keys: it has to do with queries alone"},
    {"global_avg_pool", 1, "the number of rows: each piece is a picture, the last one too"},
    {"scale_channels_grad_scale", 1, "the same"},
    {"linear", 6, "the depth of a product by warpgroups: TMA brings zeros from beyond"},
    {"matmul_nn", 6, "the same"},
    {"matmul_nt", 6, "the same"},
    {"matmul_tn", 6, "the same"},
};
bool is_harmless(const Place& place) {
  return place.mistake == Mistake::bound &&
         std::any_of(std::begin(kHarmless), std::end(kHarmless),
                     [&](const Harmless& h) { return place.where == h.kernel && place.number == h.size; });
}

// All workloads, and by which of them a place is come to; of the lost stores of a kernel those of its first
// and its last thread, of its repeated blocks the second.
struct Plan {
  std::vector<Trial> trials;
  std::map<Place, std::vector<size_t>> places;
  std::set<std::string> kernels;

  Plan() {
    for (const Workload& workload : workloads()) {
      INFO(workload.name);
      Trial trial{&workload, {}, 0};
      std::set<Place> found;
      for (const sim::Schedule& schedule : kSchedules) {
        INFO("schedule " << to_text(schedule));
        const auto start = std::chrono::steady_clock::now();
        sim::Survey survey;
        Outcome outcome = outcome_of(workload, schedule);
        trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        CHECK(outcome.said == "");
        if (trial.results.empty()) trial.results = outcome.results;
        CHECK(same(outcome.results, trial.results));
        kernels.insert(outcome.kernels.begin(), outcome.kernels.end());
        found = survey.places();
      }
      for (const Place& place : found) {
        if (is_tried(place, found)) places[place].push_back(trials.size());
      }
      trials.push_back(std::move(trial));
    }
    for (auto& [place, numbers] : places) {  // the quickest first
      std::sort(numbers.begin(), numbers.end(),
                [&](size_t a, size_t b) { return trials[a].seconds < trials[b].seconds; });
    }
  }

  static bool is_tried(const Place& place, const std::set<Place>& found) {
    auto is_kin = [&](const Place& other) {
      return other.mistake == place.mistake && other.where == place.where;
    };
    const auto at = found.find(place);
    const bool first = at == found.begin() || !is_kin(*std::prev(at));
    const bool last = std::next(at) == found.end() || !is_kin(*std::next(at));
    switch (place.mistake) {
      case Mistake::lost_store: return first || last;
      case Mistake::repeated_block: return first;
      case Mistake::bound: return !is_harmless(place);
      default: break;
    }
    const std::string file = in_project(place.where);
    return file.starts_with("kernels/cuda/") &&
           !is_beyond_the_simulator(Source(file).lines.at(static_cast<size_t>(place.number - 1)));
  }
};

const Plan& plan() {
  static const Plan one;
  return one;
}

}  // namespace

TEST_SUITE("mutants" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("mutants: nothing is said of the kernels themselves, under any schedule") {
    CHECK(plan().trials.size() > 100);
  }

  TEST_CASE("mutants: each is caught") {
    struct Count {
      int mutants = 0, caught = 0;
    };
    std::map<Mistake, Count> counts;
    for (const auto& [place, numbers] : plan().places) {
      const bool caught = std::any_of(numbers.begin(), numbers.end(), [&, p = place](size_t number) {
        return is_caught(plan().trials[number], p, is_line(p.mistake));
      });
      CHECK_MESSAGE(caught, to_text(place.mistake), ": ", in_project(place.where), ":", place.number,
                    ": nobody notices");
      ++counts[place.mistake].mutants;
      counts[place.mistake].caught += caught;
    }
    Count all;
    std::printf("%-26s %8s %7s\n", "mistake", "mutants", "caught");
    for (const auto& [mistake, count] : counts) {
      std::printf("%-26s %8d %7d\n", to_text(mistake).c_str(), count.mutants, count.caught);
      all.mutants += count.mutants;
      all.caught += count.caught;
    }
    std::printf("%-26s %8d %7d\n", "all", all.mutants, all.caught);
    CHECK(all.mutants >= 60);
  }

  TEST_CASE("mutants: no line of the kernels that orders or exchanges is left out") {
    const std::regex orders(
        "__syncthreads|__syncwarp|named_barrier\\(|__threadfence|fence_proxy_async\\(|wgmma_fence\\(|"
        "_wait(<|\\()|cp_async_commit\\(|wgmma_commit\\(|mbarrier_arrive|__shfl|__ballot|_sync\\(|ldmatrix");
    std::set<std::pair<std::string, int>> tried;
    for (const auto& [place, numbers] : plan().places) {
      if (is_line(place.mistake)) tried.emplace(in_project(place.where), place.number);
    }
    int lines = 0;
    for (const auto& entry : std::filesystem::directory_iterator(source_dir() + "/kernels/cuda")) {
      const std::string extension = entry.path().extension();
      if (extension != ".cu" && extension != ".h") continue;  // .cuh: the instructions themselves
      const std::string file = "kernels/cuda/" + entry.path().filename().string();
      const Source source(file);
      for (size_t i = 0; i < source.lines.size(); ++i) {
        if (!std::regex_search(source.lines[i], orders) || is_beyond_the_simulator(source.lines[i])) continue;
        ++lines;
        CHECK_MESSAGE(tried.contains({file, static_cast<int>(i) + 1}), file, ":", i + 1,
                      ": no workload comes here: ", source.lines[i]);
      }
    }
    CHECK(lines >= 40);
  }

  TEST_CASE("mutants: every kernel that is launched by name has a workload") {
    const std::regex launch("launch\\(\"([^\"]+)\"");
    for (const auto& entry : std::filesystem::directory_iterator(source_dir() + "/kernels/cuda")) {
      if (entry.path().extension() != ".cu" && entry.path().extension() != ".h") continue;
      const std::string file = "kernels/cuda/" + entry.path().filename().string();
      for (const std::string& line : Source(file).lines) {
        std::smatch name;
        if (std::regex_search(line, name, launch))
          CHECK_MESSAGE(plan().kernels.contains(name[1]), file, ": ", line);
      }
    }
  }
}
