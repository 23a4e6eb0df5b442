#include "nn/optim/schedule.h"

#include "tests/golden.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

TEST_CASE("schedule: one-cycle as PyTorch's OneCycleLR") {
  Golden golden("ops.json");
  for (int k = 0; k < 3; ++k) {
    Tensor how = golden.tensor(str("one_cycle.", k, ".how")),
           rates = golden.tensor(str("one_cycle.", k, ".rates"));
    const double* h = how.data<double>();
    Schedule schedule = one_cycle_schedule(h[1], h[2], h[3]);
    for (int64_t step = 0; step < rates.numel(); ++step) {
      CHECK(schedule(step, rates.numel()) == doctest::Approx(rates.data<double>()[step]).epsilon(1e-11));
    }
  }
}

TEST_CASE("schedule: warm-up and cosine") {
  Schedule plain = cosine_schedule();
  CHECK(plain(0, 100) == 1);
  CHECK(plain(50, 100) == doctest::Approx(0.5));
  CHECK(plain(99, 100) < 0.001);
  CHECK(plain(99, 100) > 0);
  Schedule warm = cosine_schedule(0.1, 0.25);
  for (int64_t step = 0; step < 10; ++step) {
    CHECK(warm(step, 100) == doctest::Approx(static_cast<double>(step + 1) / 11));
  }
  CHECK(warm(10, 100) == 1);
  CHECK(warm(55, 100) == doctest::Approx(0.625));
  CHECK(warm(99, 100) == doctest::Approx(0.25).epsilon(0.001));
}

TEST_CASE("schedule: constant and steps") {
  CHECK(constant_schedule()(7, 9) == 1);
  Schedule steps = step_schedule({0.5, 0.75}, 0.1);
  CHECK(steps(0, 8) == 1);
  CHECK(steps(3, 8) == 1);
  CHECK(steps(4, 8) == doctest::Approx(0.1));
  CHECK(steps(6, 8) == doctest::Approx(0.01));
}

TEST_CASE("schedule: any number of steps gives a factor between 0 and 1") {
  for (const Schedule& schedule :
       {constant_schedule(), cosine_schedule(), cosine_schedule(1), cosine_schedule(0.3),
        one_cycle_schedule(), one_cycle_schedule(0), one_cycle_schedule(1), one_cycle_schedule(0.5),
        step_schedule({0, 0.5, 1})}) {
    for (int64_t total = 1; total < 40; ++total) {
      for (int64_t step = 0; step < total; ++step) {
        double factor = schedule(step, total);
        CHECK_MESSAGE((factor > 0 && factor <= 1), "step " << step << " of " << total << ": " << factor);
      }
    }
  }
}

TEST_CASE("schedule: errors") {
  check_throws<UsageError>([] { cosine_schedule(1.5); }, {"warm-up", "1.5"});
  check_throws<UsageError>([] { one_cycle_schedule(-1); }, {"rise", "-1"});
  check_throws<UsageError>([] { one_cycle_schedule(0.3, 0); }, {"divisors"});
  check_throws<UsageError>([] { step_schedule({2}); }, {"step 2"});
}
