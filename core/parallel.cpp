#include "core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/env.h"
#include "core/error.h"

namespace graft {
namespace {

thread_local bool inside_piece = false;

int processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

int check_count(int64_t count) {
  GRAFT_CHECK_AS(UsageError, count >= 1 && count <= 256, "threads: ", count, " is not between 1 and 256");
  return static_cast<int>(count);
}

int initial_count() {
  std::string text = env::threads();
  if (text.empty()) return processors();
  int64_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  GRAFT_CHECK_AS(UsageError, error == std::errc() && end == text.data() + text.size(), "GRAFT_THREADS: \"",
                 printable(text), "\" is not a number");
  return check_count(count);
}

// Waits for `done` without sleeping, for about as long as a sleeping thread takes to be woken: the jobs of
// one training step follow each other within that time.
template <class Done>
void spin_until(const Done& done, bool worth_it) {
  constexpr int kTurns = 2000;  // of about 10 to 40 ns each
  for (int turn = 0; worth_it && turn < kTurns && !done(); ++turn) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
  }
}

struct Job {
  Job(int64_t n_, int64_t grain_, detail::RangeRef f_)
      : n(n_), grain(grain_), pieces((n_ + grain_ - 1) / grain_), f(f_) {}

  const int64_t n, grain, pieces;
  const detail::RangeRef f;
  std::atomic<int64_t> next{0};
  std::atomic<int> working{0};
  std::mutex error_mutex;
  std::exception_ptr error;

  void work() {
    inside_piece = true;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      try {
        f.call(f.object, i * grain, std::min(n, (i + 1) * grain));
      } catch (...) {
        std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        next = pieces;
      }
    }
    inside_piece = false;
  }
};

class Pool {
 public:
  explicit Pool(int count) : count_(count) { start(); }
  ~Pool() { stop(); }

  int count() const { return count_; }

  void resize(int count) {
    std::lock_guard one_job(job_mutex_);
    stop();
    count_ = count;
    start();
  }

  void run(Job& job) {
    std::lock_guard one_job(job_mutex_);
    {
      std::lock_guard lock(mutex_);
      job_ = &job;
      ++generation_;
    }
    wake_.notify_all();
    job.work();
    spin_until([&] { return job.working == 0; }, cores_for_all_);
    // No worker may still hold the job when it leaves scope.
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    done_.wait(lock, [&] { return job.working == 0; });
  }

 private:
  // Where the system has no room for as many threads, those that there are do the work: it is the same work.
  void start() {
    stopping_ = false;
    cores_for_all_ = count_ <= processors();
    try {
      for (int i = 1; i < count_; ++i) workers_.emplace_back([this] { worker(); });
    } catch (const std::exception&) {
      count_ = static_cast<int>(workers_.size()) + 1;
    }
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : workers_) thread.join();
    workers_.clear();
  }

  void worker() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex_, std::defer_lock);
    for (;;) {
      spin_until([&] { return generation_ != seen || stopping_; }, cores_for_all_);
      lock.lock();
      wake_.wait(lock, [&] { return stopping_ || (job_ && generation_ != seen); });
      if (stopping_) return;
      seen = generation_;
      Job* job = job_;
      ++job->working;
      lock.unlock();
      job->work();
      lock.lock();
      if (--job->working == 0) done_.notify_all();
      lock.unlock();
    }
  }

  int count_;
  std::vector<std::thread> workers_;
  std::mutex job_mutex_;  // one job at a time
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  std::atomic<uint64_t> generation_ = 0;  // changed under the mutex; spinning threads read it without
  std::atomic<bool> stopping_ = false;
  bool cores_for_all_ = true;
};

Pool& pool() {
  static Pool pool(initial_count());
  return pool;
}

}  // namespace

namespace detail {

void run_pieces(int64_t n, int64_t grain, RangeRef f) {
  if (n <= 0) return;
  grain = std::max<int64_t>(1, grain);
  int64_t pieces = (n + grain - 1) / grain;
  if (pieces == 1 || inside_piece || threads() == 1) {
    for (int64_t i = 0; i < pieces; ++i) f.call(f.object, i * grain, std::min(n, (i + 1) * grain));
    return;
  }
  Job job(n, grain, f);
  pool().run(job);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace detail

int threads() {
  return pool().count();
}
void set_threads(int count) {
  pool().resize(check_count(count));
}

}  // namespace graft
