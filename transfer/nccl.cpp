#include "transfer/nccl.h"

#include <dlfcn.h>

#include <thread>
#include <utility>

#include "core/accelerator.h"
#include "core/env.h"
#include "core/error.h"

namespace graft::transfer {

// What graft uses of NCCL's C interface, after the NCCL user guide, "NCCL API" (Types; Communicator Creation
// and Management Functions; Collective Communication Functions), and the public header nccl.h, in which these
// numbers have been the same throughout NCCL 2.
struct NcclLibrary {
  struct Communicator;
  struct UniqueId {
    char bytes[128];  // NCCL_UNIQUE_ID_BYTES
  };
  using Result = int;  // an enum
  static constexpr Result kSuccess = 0, kInProgress = 7;
  static constexpr int kFloat32 = 7, kFloat64 = 8, kSum = 0;

  Result (*get_version)(int* version);
  Result (*get_unique_id)(UniqueId* id);
  Result (*comm_init_rank)(Communicator** made, int size, UniqueId id, int rank);
  Result (*comm_destroy)(Communicator* c);
  Result (*comm_abort)(Communicator* c);
  Result (*comm_get_async_error)(Communicator* c, Result* error);
  Result (*all_reduce)(const void* from, void* to, size_t count, int type, int operation, Communicator* c,
                       void* stream);
  const char* (*get_error_string)(Result result);
  const char* (*get_last_error)(Communicator* c);  // since 2.13; null before

  int version = 0;
};

namespace {

constexpr const char* kUsual = "libnccl.so.2";

std::string loader_error() {
  const char* text = ::dlerror();
  return text ? text : "unknown error";
}

// False where the library lacks one that is needed.
bool take_functions(void* handle, NcclLibrary& out) {
  auto take = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
    return function != nullptr;
  };
  bool all = take(out.get_version, "ncclGetVersion") && take(out.get_unique_id, "ncclGetUniqueId") &&
             take(out.comm_init_rank, "ncclCommInitRank") && take(out.comm_destroy, "ncclCommDestroy") &&
             take(out.comm_abort, "ncclCommAbort") &&
             take(out.comm_get_async_error, "ncclCommGetAsyncError") &&
             take(out.all_reduce, "ncclAllReduce") && take(out.get_error_string, "ncclGetErrorString");
  take(out.get_last_error, "ncclGetLastError");
  return all;
}

class NcclSums final : public DeviceSums {
 public:
  NcclSums(const NcclLibrary& nccl, Team& team, Device device)
      : nccl_(nccl), device_(device), side_(make_side_stream(device)) {
    NcclLibrary::UniqueId id{};
    if (team.leads()) check(nccl_.get_unique_id(&id), "ncclGetUniqueId");
    team.broadcast(std::as_writable_bytes(std::span(id.bytes)));
    accelerator_of(device_).use(device_.index);  // the GPU that NCCL takes is the one in use
    check(nccl_.comm_init_rank(&communicator_, team.size(), id, team.rank()), "ncclCommInitRank");
  }
  ~NcclSums() override {
    if (communicator_) nccl_.comm_destroy(communicator_);
  }

  std::string name() const override { return "NCCL " + nccl_version_text(nccl_.version); }
  std::unique_ptr<Mark> mark() override { return side_->mark(); }

  void start(const Mark& after, std::function<void()> prepare, const Tensor& values) override {
    bool fits = values.device() == device_ && values.is_contiguous() &&
                (values.dtype() == DType::f32 || values.dtype() == DType::f64);
    GRAFT_CHECK(fits, "NCCL: a sum of ", values, "; a contiguous tensor in f32 or f64 on ", device_,
                " is expected");
    side_->run(after, [this, values, prepare = std::move(prepare)] {
      if (prepare) prepare();
      int type = values.dtype() == DType::f64 ? NcclLibrary::kFloat64 : NcclLibrary::kFloat32;
      check(nccl_.all_reduce(values.raw(), values.raw(), static_cast<size_t>(values.numel()), type,
                             NcclLibrary::kSum, communicator_, side_->handle()),
            "ncclAllReduce");
    });
  }

  // What fails on another machine, or on the way, NCCL learns only later; a wait that asked the GPU alone
  // would last for ever.
  void wait() override {
    while (!side_->is_done()) {
      require_no_error();
      std::this_thread::yield();
    }
    require_no_error();
  }

 private:
  void require_no_error() {
    NcclLibrary::Result error = NcclLibrary::kSuccess;
    check(nccl_.comm_get_async_error(communicator_, &error), "ncclCommGetAsyncError");
    if (error != NcclLibrary::kInProgress) check(error, "a sum under way");
  }

  // A communicator that failed can only be aborted.
  void check(NcclLibrary::Result result, const char* what) {
    if (result == NcclLibrary::kSuccess) return;
    std::string text = nccl_.get_error_string(result);
    const char* more = nccl_.get_last_error ? nccl_.get_last_error(communicator_) : nullptr;
    if (more && *more) text += str(" (", printable(more), ")");
    if (auto* failed = std::exchange(communicator_, nullptr)) nccl_.comm_abort(failed);
    fail<DeviceError>(name(), ": ", what, " on ", device_, ": ", text,
                      "; NCCL_DEBUG=WARN makes NCCL say more, and GRAFT_NCCL=none sums without it");
  }

  const NcclLibrary& nccl_;
  Device device_;
  std::unique_ptr<SideStream> side_;
  NcclLibrary::Communicator* communicator_ = nullptr;
};

}  // namespace

std::string nccl_version_text(int code) {
  int thousand = code < 10000 ? 1000 : 10000;  // a digit more since 2.9
  return str(code / thousand, ".", code % thousand / 100, ".", code % 100);
}

FoundNccl find_nccl() {
  std::string named = env::nccl();
  if (named == "none") return {nullptr, "GRAFT_NCCL is none"};
  void* handle = ::dlopen(named.empty() ? kUsual : named.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    std::string why = loader_error();
    GRAFT_CHECK_AS(UsageError, named.empty(), "GRAFT_NCCL: ", printable(named), " cannot be loaded: ", why,
                   "; name a libnccl.so.2, or none to sum through the host's memory");
    return {nullptr, str("no ", kUsual, " was found (", why, ")")};
  }
  // Never unloaded: its threads may outlive who asked for it.
  static NcclLibrary library;
  bool whole = take_functions(handle, library);
  int major = 0;
  if (whole && library.get_version(&library.version) == NcclLibrary::kSuccess)
    major = library.version / (library.version < 10000 ? 1000 : 10000);
  if (major == 2) return {&library, ""};
  std::string file = named.empty() ? kUsual : named;
  GRAFT_CHECK_AS(UsageError, named.empty(), "GRAFT_NCCL: ", printable(file),
                 " is no NCCL 2 (2.4 or later is needed); name a libnccl.so.2, or none");
  return {nullptr, str(file, " is no NCCL 2.4 or later")};
}

std::unique_ptr<DeviceSums> join_nccl(const NcclLibrary& library, Team& team, Device device) {
  return std::make_unique<NcclSums>(library, team, device);
}

}  // namespace graft::transfer
