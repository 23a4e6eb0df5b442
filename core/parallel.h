// Own small thread pool. The work is cut into the same pieces whatever the thread count, so a result that is
// computed piece by piece is bit-identical with 1 and with 64 threads.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace graft {

namespace detail {
// A borrowed callable: two pointers, no allocation.
struct RangeRef {
  void* object;
  void (*call)(void*, int64_t, int64_t);
};
void run_pieces(int64_t n, int64_t grain, RangeRef f);
}  // namespace detail

// Calls f(begin, end) for consecutive pieces of [0, n), each `grain` long but for the last, on all threads.
// Returns when all are done. The first exception of a piece is rethrown here. Inside a piece, parallel_for
// runs serially.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& f) {
  using Callable = std::remove_reference_t<F>;
  detail::run_pieces(
      n, grain,
      {const_cast<void*>(static_cast<const void*>(std::addressof(f))),
       [](void* object, int64_t begin, int64_t end) { (*static_cast<Callable*>(object))(begin, end); }});
}

// Threads that parallel_for uses, the caller included. Set it outside of parallel work.
int threads();
void set_threads(int count);

}  // namespace graft
