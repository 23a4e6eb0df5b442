/* What libgraft_mpi.so offers, in plain C: the one place that knows MPI, so that graft itself needs none and
 * loads it only where mpirun started it. transfer/mpi_team.h is the C++ side. What goes wrong in MPI ends the
 * job with MPI's own message. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRAFT_MPI_VERSION 2

typedef struct graft_mpi_functions {
  int version; /* GRAFT_MPI_VERSION; comes first in every version */
  void (*init)(int* rank, int* size);
  /* Replaces each value by its sum over all processes, whatever else is under way. */
  void (*sum_f32)(float* values, int64_t count);
  void (*sum_f64)(double* values, int64_t count);
  /* Starts to replace each value by its sum over all processes; `values` must not be touched before wait().
   * Every process starts the same sums in the same order, and gets the same bits. */
  void (*start_sum_f32)(float* values, int64_t count);
  void (*start_sum_f64)(double* values, int64_t count);
  void (*wait)(void);                            /* for all sums that were started */
  void (*broadcast)(void* bytes, int64_t count); /* those of process 0 */
  void (*barrier)(void);
  void (*finalize)(void);
  void (*abort)(int code); /* ends every process of the job */
} graft_mpi_functions;

/* The library's one symbol. */
const graft_mpi_functions* graft_mpi(void);

#ifdef __cplusplus
}
#endif
