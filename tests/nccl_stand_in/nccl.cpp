// libnccl_stand_in.so: NCCL's C functions, as far as graft calls them, for processes of one machine whose
// devices are simulated, that is, in the CPU's memory. The tests name it with GRAFT_NCCL, so that all of the
// way to NCCL runs without a GPU. Sums are made in shared memory, of the members' values in their order.
//
// STAND_IN_FAILS=ncclAllReduce:7:1 lets the 7th call of that function in process 1 fail, as if the system
// had; "async" in place of a function's name lets a sum fail on its way. STAND_IN_LOG names a file to which
// each process adds what it called.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace {

constexpr int kSuccess = 0, kSystemError = 2, kInvalidArgument = 4;
constexpr int kMostMembers = 8;
constexpr size_t kPiece = 1 << 16;  // bytes of a member that are summed at a time

struct UniqueId {
  char name[128];
};

struct Shared {
  std::atomic<int> ready;
  pthread_barrier_t barrier;
  alignas(64) char values[kMostMembers][kPiece];
};

struct Communicator {
  Shared* shared = nullptr;
  int size = 0, rank = 0;
  bool failed = false;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void log(int rank, const char* function, size_t count) {
  std::string path = variable("STAND_IN_LOG");
  if (path.empty()) return;
  std::string line = std::to_string(rank) + " " + function + " " + std::to_string(count) + "\n";
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (::write(file, line.data(), line.size()) < 0) std::abort();
  ::close(file);
}

// Whether this call is the one that was to fail.
bool fails(const char* function, int rank) {
  static std::string wanted = variable("STAND_IN_FAILS");
  static int calls = 0;
  size_t first = wanted.find(':'), second = wanted.find(':', first + 1);
  if (wanted.empty() || wanted.substr(0, first) != function) return false;
  if (std::atoi(wanted.c_str() + second + 1) != rank) return false;
  return ++calls == std::atoi(wanted.c_str() + first + 1);
}

// All come with the same name; whoever made the memory prepares it.
Shared* meet(const UniqueId& id, int size) {
  int file = ::shm_open(id.name, O_RDWR | O_CREAT | O_EXCL, 0600);
  bool made = file >= 0;
  if (!made) file = ::shm_open(id.name, O_RDWR, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) return nullptr;
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) return nullptr;
  auto* shared = static_cast<Shared*>(memory);
  if (made) {
    pthread_barrierattr_t how;
    pthread_barrierattr_init(&how);
    pthread_barrierattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &how, static_cast<unsigned>(size));
    shared->ready = 1;
  }
  while (shared->ready == 0) ::usleep(100);
  pthread_barrier_wait(&shared->barrier);
  ::shm_unlink(id.name);
  return shared;
}

template <class T>
void sum(Communicator& c, const T* from, T* to, size_t count) {
  constexpr size_t kAtOnce = kPiece / sizeof(T);
  for (size_t begin = 0; begin < count; begin += kAtOnce) {
    size_t n = std::min(kAtOnce, count - begin);
    std::memcpy(c.shared->values[c.rank], from + begin, n * sizeof(T));
    pthread_barrier_wait(&c.shared->barrier);
    for (size_t i = 0; i < n; ++i) {
      T total = 0;
      for (int member = 0; member < c.size; ++member)
        total += reinterpret_cast<const T*>(c.shared->values[member])[i];
      to[begin + i] = total;
    }
    pthread_barrier_wait(&c.shared->barrier);
  }
}

}  // namespace

#define STAND_IN extern "C" __attribute__((visibility("default")))

STAND_IN int ncclGetVersion(int* version) {
  std::string other = variable("STAND_IN_VERSION");
  *version = other.empty() ? 22703 : std::atoi(other.c_str());
  return kSuccess;
}

STAND_IN int ncclGetUniqueId(UniqueId* id) {
  std::snprintf(id->name, sizeof id->name, "/graft-stand-in-%d", static_cast<int>(::getpid()));
  return fails("ncclGetUniqueId", 0) ? kSystemError : kSuccess;
}

STAND_IN int ncclCommInitRank(Communicator** made, int size, UniqueId id, int rank) {
  log(rank, "ncclCommInitRank", static_cast<size_t>(size));
  if (size > kMostMembers) return kInvalidArgument;
  if (fails("ncclCommInitRank", rank)) return kSystemError;
  Shared* shared = meet(id, size);
  if (!shared) return kSystemError;
  *made = new Communicator{shared, size, rank};
  return kSuccess;
}

STAND_IN int ncclAllReduce(const void* from, void* to, size_t count, int type, int operation, Communicator* c,
                           void* stream) {
  log(c->rank, "ncclAllReduce", count);
  if (fails("ncclAllReduce", c->rank)) return kSystemError;
  if (fails("async", c->rank)) {
    c->failed = true;
    return kSuccess;
  }
  if (operation != 0 || !stream) return kInvalidArgument;
  if (type == 7) {
    sum(*c, static_cast<const float*>(from), static_cast<float*>(to), count);
  } else if (type == 8) {
    sum(*c, static_cast<const double*>(from), static_cast<double*>(to), count);
  } else {
    return kInvalidArgument;
  }
  return kSuccess;
}

STAND_IN int ncclCommGetAsyncError(Communicator* c, int* error) {
  *error = c->failed ? kSystemError : kSuccess;
  return kSuccess;
}

STAND_IN int ncclCommDestroy(Communicator* c) {
  log(c->rank, "ncclCommDestroy", 0);
  ::munmap(c->shared, sizeof(Shared));
  delete c;
  return kSuccess;
}

STAND_IN int ncclCommAbort(Communicator* c) {
  log(c->rank, "ncclCommAbort", 0);
  delete c;
  return kSuccess;
}

STAND_IN const char* ncclGetErrorString(int result) {
  return result == kSystemError ? "unhandled system error" : "invalid argument";
}

STAND_IN const char* ncclGetLastError(Communicator*) {
  return "the stand-in was told to fail";
}
