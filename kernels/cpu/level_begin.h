// Everything between level_begin.h and level_end.h is compiled once per instruction level, into a namespace
// of its own: CMake builds each file of kernels/cpu/ with GRAFT_CPU_LEVEL 2, 3 and 4. The instruction set is
// switched on here, after the other headers, and not for the whole file: an inline function of a header that
// were compiled for AVX-512 could be the copy that the linker keeps, and crash on a machine without it. So:
// all includes come before this one.
//
// No include guard: the pair may appear once per source file.

#ifndef GRAFT_CPU_LEVEL
#define GRAFT_CPU_LEVEL 2
#endif

#if defined(__x86_64__)
#if GRAFT_CPU_LEVEL == 4
#define GRAFT_TARGET                                                                                         \
  "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,avx,fma,f16c,bmi,bmi2,lzcnt,movbe,popcnt,sse4.2,sse4.1," \
  "ssse3,sse3,"                                                                                              \
  "cx16"
#elif GRAFT_CPU_LEVEL == 3
#define GRAFT_TARGET "avx2,avx,fma,f16c,bmi,bmi2,lzcnt,movbe,popcnt,sse4.2,sse4.1,ssse3,sse3,cx16"
#else
#define GRAFT_TARGET "popcnt,sse4.2,sse4.1,ssse3,sse3,cx16"
#endif
#define GRAFT_PRAGMA(text) _Pragma(#text)
#define GRAFT_PRAGMA_TEXT(text) GRAFT_PRAGMA(text)
#if defined(__clang__)
GRAFT_PRAGMA_TEXT(clang attribute push(__attribute__((target(GRAFT_TARGET))), apply_to = function))
#else
#pragma GCC push_options
GRAFT_PRAGMA_TEXT(GCC target(GRAFT_TARGET))
#endif
#endif

#if GRAFT_CPU_LEVEL == 4
#define GRAFT_LEVEL_NAMESPACE v4
#elif GRAFT_CPU_LEVEL == 3
#define GRAFT_LEVEL_NAMESPACE v3
#else
#define GRAFT_LEVEL_NAMESPACE v2
#endif

namespace graft::kernels::cpu::GRAFT_LEVEL_NAMESPACE {

// Bytes of a vector register at this level; `Vec<float>` is a register full of floats with + - * / and, where
// the level has it, fused multiply-add by contraction.
inline constexpr int kVectorBytes = GRAFT_CPU_LEVEL == 4 ? 64 : GRAFT_CPU_LEVEL == 3 ? 32 : 16;
template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  typedef T unaligned __attribute__((vector_size(kVectorBytes), aligned(sizeof(T)), may_alias));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
[[gnu::always_inline]] inline Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VecOf<T>::unaligned*>(p);
}
template <class T>
[[gnu::always_inline]] inline void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VecOf<T>::unaligned*>(p) = v;
}
