// Loaded into a program before everything else (LD_PRELOAD): a wall clock that jumps by years, back and
// forth, each time that it is asked. Time that has passed (the steady clock) is as it is.
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

static time_t jump() {
  constexpr time_t kYear = 365 * 24 * 3600;
  static std::atomic<int> asked{0};
  int turn = asked++ % 5;
  return (turn % 2 == 0 ? 1 : -1) * (3 + 2 * turn) * kYear;
}

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's names are reserved ones
extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += jump();
  return result;
}

extern "C" int gettimeofday(timeval* now, void*) noexcept {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

extern "C" time_t time(time_t* now) noexcept {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
