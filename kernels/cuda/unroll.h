// Before a long loop whose array indices need not be constants: unrolled in full, it would have the addresses
// or the loads of all its turns in registers.
#pragma once

#ifdef GRAFT_SIM
#define GRAFT_UNROLL_TWICE
#else
#define GRAFT_UNROLL_TWICE _Pragma("unroll 2")
#endif
