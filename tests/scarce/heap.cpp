#include "tests/scarce/heap.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define GRAFT_SEES_MALLOC 0
#else
#define GRAFT_SEES_MALLOC 1
#endif

namespace {

using graft::test::Refuse;

std::atomic<bool> counting{false}, refused{false};
std::atomic<Refuse> how{Refuse::once};
std::atomic<int64_t> count{0}, refused_number{-1}, blocks{0}, given_back{0};

// Whether this request is refused.
bool is_refused(size_t bytes) {
  if (!counting.load(std::memory_order_relaxed)) return false;
  bool now = count.fetch_add(1) == refused_number;
  if (refused && how == Refuse::onwards) now = true;
  if (refused && how == Refuse::growth) now = given_back < static_cast<int64_t>(bytes);
  if (now) refused = true;
  return now;
}

void* taken(void* block) {
  if (!block) return block;
  blocks.fetch_add(1, std::memory_order_relaxed);
  if (refused) given_back.fetch_sub(static_cast<int64_t>(::malloc_usable_size(block)));
  return block;
}

void given(void* block) {
  if (!block) return;
  blocks.fetch_sub(1, std::memory_order_relaxed);
  if (refused) given_back.fetch_add(static_cast<int64_t>(::malloc_usable_size(block)));
}

}  // namespace

namespace graft::test {

void refuse(int64_t number, Refuse in_which_way) {
  count = given_back = 0;
  refused_number = number;
  how = in_which_way;
  refused = false;
  counting = true;
}

int64_t relent() {
  counting = false;
  return count;
}

bool was_refused() {
  return refused;
}

int64_t blocks_held() {
  return blocks;
}

bool sees_malloc() {
  return GRAFT_SEES_MALLOC;
}

}  // namespace graft::test

#if GRAFT_SEES_MALLOC

// operator new asks malloc, and throws where that has none.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): glibc's own names of what is replaced here
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* block);
// NOLINTEND(bugprone-reserved-identifier)

static void* none() {
  errno = ENOMEM;
  return nullptr;
}

void* malloc(size_t bytes) {
  return is_refused(bytes) ? none() : taken(__libc_malloc(bytes));
}
void* calloc(size_t many, size_t bytes) {
  return is_refused(many * bytes) ? none() : taken(__libc_calloc(many, bytes));
}
void* realloc(void* block, size_t bytes) {
  if (is_refused(bytes)) return none();
  size_t before = block ? ::malloc_usable_size(block) : 0;
  void* moved = __libc_realloc(block, bytes);
  if (!moved && bytes > 0) return moved;  // the block is what it was
  if (block) {
    blocks.fetch_sub(1, std::memory_order_relaxed);
    if (refused) given_back.fetch_add(static_cast<int64_t>(before));
  }
  return taken(moved);
}
void* memalign(size_t alignment, size_t bytes) {
  return is_refused(bytes) ? none() : taken(__libc_memalign(alignment, bytes));
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  return memalign(alignment, bytes);
}
int posix_memalign(void** block, size_t alignment, size_t bytes) {
  *block = memalign(alignment, bytes);
  return *block ? 0 : ENOMEM;
}
void free(void* block) {
  given(block);
  int error = errno;  // which free() leaves alone
  __libc_free(block);
  errno = error;
}
}

#else

// All forms that are used, as the sanitizers have forms of their own.
void* operator new(size_t bytes) {
  while (true) {
    void* block = is_refused(bytes) ? nullptr : taken(std::malloc(bytes ? bytes : 1));
    if (block) return block;
    std::new_handler handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
  }
}
void* operator new[](size_t bytes) {
  return operator new(bytes);
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return operator new(bytes, nothrow);
}
void operator delete(void* block) noexcept {
  given(block);
  std::free(block);
}
void operator delete[](void* block) noexcept {
  operator delete(block);
}
void operator delete(void* block, size_t) noexcept {
  operator delete(block);
}
void operator delete[](void* block, size_t) noexcept {
  operator delete(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  operator delete(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  operator delete(block);
}

#endif
