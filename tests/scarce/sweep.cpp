#include "tests/scarce/sweep.h"

#include <algorithm>
#include <new>
#include <optional>

#include "core/error.h"
#include "core/memory_reserve.h"
#include "core/parallel.h"
#include "tests/support.h"

namespace graft::test {
namespace {

// What is held outside of the allocator's cache.
struct Held {
  int64_t blocks = 0, bytes = 0;
  friend std::string to_text(const Held& held) {
    return str(held.blocks, " blocks, ", held.bytes, " bytes of tensors");
  }
  static Held now() {
    release_cached_memory();
    return {blocks_held(), memory_use().current};
  }
  bool operator==(const Held&) const = default;
};

enum class End { done, out_of_memory, otherwise };

End attempt(const std::function<void()>& work, int64_t number, Refuse how) {
  // Said of what came instead; its memory is there before there is none.
  static char other[500];
  End end = End::done;
  refuse(number, how);
  try {
    work();
    relent();
  } catch (const MemoryError& e) {
    relent();
    end = End::out_of_memory;
    std::string said = e.what();
    CHECK(e.exit_code() == 71);
    CHECK_MESSAGE(said.find("memory") != std::string::npos, said);
  } catch (const std::bad_alloc&) {
    relent();
    end = End::out_of_memory;
  } catch (const std::exception& e) {
    relent();
    end = End::otherwise;
    std::snprintf(other, sizeof other, "%s", e.what());
  }
  if (end == End::otherwise) FAIL_CHECK("not told as a lack of memory: " << std::string(other));
  return end;
}

// Of so many requests the first ones, and as many of the rest.
int64_t step_after(int64_t number, int64_t total, int64_t dense) {
  if (dense < 0 || number < dense) return 1;
  return std::max<int64_t>(1, (total - dense) / std::max<int64_t>(1, dense));
}

}  // namespace

void sweep(const Scenario& scenario, int64_t dense) {
  int before = threads();
  set_threads(1);  // the same requests in the same order
  auto anew = [&] {
    if (scenario.anew) scenario.anew();
  };
  int64_t total = 0;
  for (int i = 0; i < 3; ++i) {  // what is made once in a process is made in the first
    anew();
    refuse(-1);
    scenario.work();
    total = relent();
    REQUIRE_MESSAGE(scenario.done() == "", scenario.name);
  }
  int64_t attempts = 0, given_up = 0;
  for (Refuse how : {Refuse::once, scenario.reserve ? Refuse::growth : Refuse::onwards}) {
    for (int64_t number = 0; number < total; number += step_after(number, total, dense)) {
      INFO(scenario.name << ": request " << number << " of " << total
                         << std::string(how == Refuse::once      ? " alone"
                                        : how == Refuse::onwards ? " and all after it"
                                                                 : " and all growth"));
      anew();
      Held held = Held::now();
      std::optional<MemoryReserve> reserve;
      if (scenario.reserve) reserve.emplace();
      End end = attempt(scenario.work, number, how);
      reserve.reset();
      ++attempts;
      CHECK(was_refused());
      if (end == End::done) {
        CHECK(scenario.done() == "");
        continue;
      }
      ++given_up;
      Held after = Held::now();
      CHECK_MESSAGE(after == held, to_text(after) << ", before " << to_text(held));
      if (scenario.given_up) CHECK(scenario.given_up() == "");
    }
  }
  anew();
  scenario.work();
  CHECK(scenario.done() == "");
  CHECK((given_up > attempts / 2 || scenario.reserve));
  MESSAGE(scenario.name << ": " << total << " requests, " << attempts << " attempts with one refused, "
                        << given_up << " given up, the others found another way");
  set_threads(before);
}

}  // namespace graft::test
