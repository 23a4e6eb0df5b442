// Ends what level_begin.h began.
}  // namespace graft::kernels::cpu::GRAFT_LEVEL_NAMESPACE

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
