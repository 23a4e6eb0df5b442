// Memory that is kept back for the time when there is none left. What ends a piece of work needs some itself:
// a message, a list, the destructors of the JSON library, which end the process where they get none.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace graft {

// For a program's main, one at a time. While it is alive, the first request that operator new cannot meet is
// met out of the reserve, and the work is to end soon: from then on each tensor that is asked for is a
// MemoryError. What is too large for the reserve, or comes when that is spent, is std::bad_alloc as always.
class MemoryReserve {
 public:
  explicit MemoryReserve(size_t bytes = size_t{1} << 20);
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  // Whether one was spent, and is still alive. Asked by every tensor.
  static bool spent();
  // Then throws std::bad_alloc: for loops that ask for many small things and for no tensor.
  static void require_unspent() {
    if (spent()) throw std::bad_alloc();
  }

 private:
  std::new_handler before_;
};

}  // namespace graft
