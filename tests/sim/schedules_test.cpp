// Every kernel gives the same bits under every schedule of the simulator and with any number of host threads:
// no result depends on which thread, or which block, comes first.
#include "kernels/cuda/sim/sanitizers.h"
#include "kernels/cuda/sim/simulator.h"
#include "tests/sim/mutants.h"
#include "tests/sim/workloads.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("schedules: the same bits under each, with 1, 2 and 4 host threads") {
  using Order = sim::Schedule::Order;
  const sim::Schedule before = sim::schedule();
  for (const Workload& workload : workloads()) {
    INFO(workload.name);
    AtCapability capability(workload.capability);
    std::vector<Tensor> first;
    for (sim::Schedule schedule : {sim::Schedule{Order::forward}, sim::Schedule{Order::reversed},
                                   sim::Schedule{Order::random, 1}, sim::Schedule{Order::random, 2}}) {
      INFO("schedule " << to_text(schedule));
      sim::set_schedule(schedule);
      auto run = [&] {
        std::vector<Tensor> now = workload.run();
        if (first.empty()) first = now;
        REQUIRE(now.size() == first.size());
        for (size_t i = 0; i < now.size(); ++i) CHECK_MESSAGE(bit_equal(now[i], first[i]), "tensor " << i);
        return now;
      };
      if (sim::kThreadSanitizer) {  // which looks for races, twenty times slower: all threads at once will do
        run();
      } else {
        check_same_for_any_threads(run);
      }
    }
  }
  sim::set_schedule(before);
}
