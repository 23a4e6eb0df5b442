// libgraft_mpi.so: transfer/mpi_plugin.h over MPI.
#include "transfer/mpi_plugin.h"

#include <mpi.h>

#include <algorithm>
#include <vector>

namespace {

// MPI counts in int.
constexpr int64_t kMostAtOnce = int64_t{1} << 30;

std::vector<MPI_Request> under_way;
// Sums that are waited for at once must not have to come in one order with those that are under way.
MPI_Comm at_once = MPI_COMM_NULL;

void init(int* rank, int* size) {
  int provided = 0;  // only the thread that calls init() calls the others
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, size);
  MPI_Comm_dup(MPI_COMM_WORLD, &at_once);
}

template <class T>
void sum(T* values, int64_t count, MPI_Datatype type) {
  for (int64_t begin = 0; begin < count; begin += kMostAtOnce) {
    int part = static_cast<int>(std::min(kMostAtOnce, count - begin));
    MPI_Allreduce(MPI_IN_PLACE, values + begin, part, type, MPI_SUM, at_once);
  }
}

void sum_f32(float* values, int64_t count) {
  sum(values, count, MPI_FLOAT);
}
void sum_f64(double* values, int64_t count) {
  sum(values, count, MPI_DOUBLE);
}

template <class T>
void start_sum(T* values, int64_t count, MPI_Datatype type) {
  for (int64_t begin = 0; begin < count; begin += kMostAtOnce) {
    int part = static_cast<int>(std::min(kMostAtOnce, count - begin));
    under_way.emplace_back();
    MPI_Iallreduce(MPI_IN_PLACE, values + begin, part, type, MPI_SUM, MPI_COMM_WORLD, &under_way.back());
  }
  // Most implementations move data only while they are called: the sums started before go on here.
  int done = 0;
  MPI_Testall(static_cast<int>(under_way.size()), under_way.data(), &done, MPI_STATUSES_IGNORE);
}

void start_sum_f32(float* values, int64_t count) {
  start_sum(values, count, MPI_FLOAT);
}
void start_sum_f64(double* values, int64_t count) {
  start_sum(values, count, MPI_DOUBLE);
}

void wait() {
  MPI_Waitall(static_cast<int>(under_way.size()), under_way.data(), MPI_STATUSES_IGNORE);
  under_way.clear();
}

void broadcast(void* bytes, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kMostAtOnce) {
    int part = static_cast<int>(std::min(kMostAtOnce, count - begin));
    MPI_Bcast(static_cast<char*>(bytes) + begin, part, MPI_BYTE, 0, MPI_COMM_WORLD);
  }
}

void barrier() {
  MPI_Barrier(MPI_COMM_WORLD);
}
void finalize() {
  MPI_Comm_free(&at_once);
  MPI_Finalize();
}
void abort_job(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const graft_mpi_functions* graft_mpi(void) {
  static const graft_mpi_functions functions = {GRAFT_MPI_VERSION, init,          sum_f32,  sum_f64,
                                                start_sum_f32,     start_sum_f64, wait,     broadcast,
                                                barrier,           finalize,      abort_job};
  return &functions;
}
