#include "tests/crash/traced.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>

#include "core/error.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

namespace graft::test {
namespace {

// A call's arguments: up to six, as the system takes them.
struct Arguments {
  explicit Arguments(const user_regs_struct& r) : value{r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9} {}
  unsigned long long value[6];
};

struct Known {
  long number;
  const char* name;
  int path, target;  // which argument is a path; -1: none
  bool on_descriptor, of_disk;
};
constexpr Known kKnown[] = {
    {SYS_open, "open", 0, -1, false, true},           {SYS_openat, "openat", 1, -1, false, true},
    {SYS_creat, "creat", 0, -1, false, true},         {SYS_write, "write", -1, -1, true, true},
    {SYS_pwrite64, "pwrite64", -1, -1, true, true},   {SYS_writev, "writev", -1, -1, true, true},
    {SYS_fsync, "fsync", -1, -1, true, true},         {SYS_fdatasync, "fdatasync", -1, -1, true, true},
    {SYS_ftruncate, "ftruncate", -1, -1, true, true}, {SYS_close, "close", -1, -1, true, true},
    {SYS_flock, "flock", -1, -1, true, true},         {SYS_rename, "rename", 0, 1, false, true},
    {SYS_unlink, "unlink", 0, -1, false, true},       {SYS_rmdir, "rmdir", 0, -1, false, true},
    {SYS_mkdir, "mkdir", 0, -1, false, true},         {SYS_stat, "stat", 0, -1, false, false},
    {SYS_lstat, "lstat", 0, -1, false, false},        {SYS_newfstatat, "newfstatat", 1, -1, false, false},
    {SYS_fstat, "fstat", -1, -1, true, false},        {SYS_getdents64, "getdents64", -1, -1, true, false},
};

const Known* known(long number) {
  for (const Known& k : kKnown) {
    if (k.number == number) return &k;
  }
  return nullptr;
}

std::string memory_of(pid_t child, unsigned long long address, size_t bytes) {
  std::string out(bytes, '\0');
  iovec here{out.data(), bytes};
  iovec there{reinterpret_cast<void*>(address), bytes};  // NOLINT: an address of the other process
  ssize_t got = ::process_vm_readv(child, &here, 1, &there, 1, 0);
  out.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return out;
}

std::string text_of(pid_t child, unsigned long long address) {
  constexpr size_t kPage = 4096;
  std::string out;
  // A path may end just before memory that is not there: never past a page at once.
  while (out.find('\0') == std::string::npos && out.size() < 2 * kPage) {
    std::string piece = memory_of(child, address + out.size(), kPage - (address + out.size()) % kPage);
    if (piece.empty()) break;
    out += piece;
  }
  return out.substr(0, out.find('\0'));
}

class Tracer {
 public:
  Tracer(pid_t child, const Report& report, const Decide& decide)
      : child_(child), report_(report), decide_(decide) {}

  Traced run() {
    int status = wait();
    ::ptrace(PTRACE_SETOPTIONS, child_, nullptr,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
    int signal = 0;
    while (WIFSTOPPED(status)) {
      ::ptrace(PTRACE_SYSCALL, child_, nullptr, signal);
      signal = 0;
      status = wait();
      if (!WIFSTOPPED(status)) break;
      if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
        inside_ ? leave() : enter();
        inside_ = !inside_;
      } else if (status >> 16 == 0) {
        signal = WSTOPSIG(status);
      }
    }
    out_.killed = WIFSIGNALED(status);
    out_.code = out_.killed ? -1 : WEXITSTATUS(status);
    out_.report = report_;
    return std::move(out_);
  }

 private:
  int wait() const {
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  void kill() const { ::kill(child_, SIGKILL); }

  void enter() {
    user_regs_struct registers{};
    ::ptrace(PTRACE_GETREGS, child_, nullptr, &registers);
    is_known_ = known(static_cast<long>(registers.orig_rax)) != nullptr;
    if (!is_known_) return;
    Call call = seen(registers);
    act_ = decide_ ? decide_(call, static_cast<int64_t>(out_.calls.size())) : Act{};
    using Kind = Act::Kind;
    if (act_.kind == Kind::kill_before) kill();
    if (act_.signal != 0) ::syscall(SYS_tgkill, child_, child_, act_.signal);
    bool skip = act_.kind == Kind::pretend || (act_.kind == Kind::fail && call.number != SYS_close);
    if (skip) registers.orig_rax = static_cast<unsigned long long>(-1);
    if (act_.kind == Kind::shorten || act_.kind == Kind::kill_within) registers.rdx = (registers.rdx + 1) / 2;
    if (skip || is_write(call)) ::ptrace(PTRACE_SETREGS, child_, nullptr, &registers);
    out_.calls.push_back(std::move(call));
  }

  void leave() {
    if (!is_known_) return;
    user_regs_struct registers{};
    ::ptrace(PTRACE_GETREGS, child_, nullptr, &registers);
    using Kind = Act::Kind;
    if (act_.kind == Kind::kill_after || act_.kind == Kind::kill_within) kill();
    if (act_.kind == Kind::fail || act_.kind == Kind::pretend) {
      registers.rax = static_cast<unsigned long long>(-static_cast<int64_t>(act_.error));
      ::ptrace(PTRACE_SETREGS, child_, nullptr, &registers);
    }
    Call& call = out_.calls.back();
    call.result = static_cast<int64_t>(registers.rax);
    bool opens = call.number == SYS_open || call.number == SYS_openat || call.number == SYS_creat;
    if (opens && call.result >= 0) opened_[static_cast<int>(call.result)] = call.path;
    if (call.number == SYS_close) opened_.erase(static_cast<int>(registers.rdi));
  }

  Call seen(const user_regs_struct& registers) const {
    Arguments a(registers);
    Call call;
    call.number = static_cast<long>(registers.orig_rax);
    call.completed = report_.completed;
    const Known* k = known(call.number);
    if (k->path >= 0) call.path = text_of(child_, a.value[k->path]);
    if (k->target >= 0) call.target = text_of(child_, a.value[k->target]);
    if (k->on_descriptor) {
      auto found = opened_.find(static_cast<int>(a.value[0]));
      if (found != opened_.end()) call.path = found->second;
    }
    if (call.number == SYS_openat) call.flags = static_cast<int64_t>(a.value[2]);
    if (call.number == SYS_open) call.flags = static_cast<int64_t>(a.value[1]);
    if (call.number == SYS_write || call.number == SYS_pwrite64)
      call.data = memory_of(child_, a.value[1], a.value[2]);
    if (call.number == SYS_pwrite64) call.offset = static_cast<int64_t>(a.value[3]);
    return call;
  }

  pid_t child_;
  const Report& report_;
  const Decide& decide_;
  bool inside_ = false;    // of a call
  bool is_known_ = false;  // that one
  Act act_;
  std::map<int, std::string> opened_;
  Traced out_;
};

// In the child: waits until the parent is ready to see what comes.
void be_traced() {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
}

// Memory that the child writes and the parent reads.
class SharedReport {
 public:
  SharedReport()
      : memory_(::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    REQUIRE(memory_ != MAP_FAILED);
    new (memory_) Report;
  }
  ~SharedReport() { ::munmap(memory_, sizeof(Report)); }
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;
  Report& operator*() const { return *static_cast<Report*>(memory_); }

 private:
  void* memory_;
};

Traced traced_child(const std::function<int(Report&)>& work, const Decide& decide) {
  SharedReport report;
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    be_traced();
    ::_exit(work(*report));  // nothing of the copied process is ended or written
  }
  return Tracer(child, *report, decide).run();
}

}  // namespace

std::string to_text(const Call& call) {
  const Known* k = known(call.number);
  std::string name = k ? k->name : str("call ", call.number);
  return call.path.empty() ? name : name + " of " + call.path;
}

bool is_write(const Call& call) {
  return call.number == SYS_write || call.number == SYS_pwrite64;
}

bool is_of_disk(const Call& call) {
  const Known* k = known(call.number);
  return k && k->of_disk;
}

bool can_trace() {
  static const bool can = [] {
    pid_t child = ::fork();
    if (child == 0) ::_exit(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1);
    int status = 1;
    if (child > 0) ::waitpid(child, &status, 0);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }();
  if (!can) MESSAGE("skipped: this system does not let a process trace its child");
  return can;
}

Traced traced(const std::function<void(Report&)>& work, const Decide& decide) {
  auto guarded = [&](Report& report) {
    try {
      work(report);
      return 0;
    } catch (const DiskError& e) {
      std::strncpy(report.error, e.what(), sizeof report.error - 1);
      return e.exit_code();
    } catch (const std::exception& e) {
      std::strncpy(report.error, e.what(), sizeof report.error - 1);
      return 1;
    }
  };
  return traced_child(guarded, decide);
}

Traced traced_program(const std::vector<std::string>& arguments, const std::string& folder,
                      const Decide& decide) {
  return traced_child(
      [&](Report&) {
        std::vector<char*> pointers;
        for (const std::string& a : arguments) pointers.push_back(const_cast<char*>(a.c_str()));
        pointers.push_back(nullptr);
        // LeakSanitizer looks by tracing, and a process can have one tracer.
        const char* given = std::getenv("ASAN_OPTIONS");
        ::setenv("ASAN_OPTIONS", str(given ? given : "", ":detect_leaks=0").c_str(), 1);
        bool ready = ::chdir(folder.c_str()) == 0 &&
                     ::dup2(::open("out.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666), STDOUT_FILENO) >= 0 &&
                     ::dup2(::open("err.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666), STDERR_FILENO) >= 0;
        if (ready) ::execv(pointers[0], pointers.data());
        return 127;
      },
      decide);
}

}  // namespace graft::test

#else

namespace graft::test {

std::string to_text(const Call&) {
  return "";
}
bool is_write(const Call&) {
  return false;
}
bool is_of_disk(const Call&) {
  return false;
}
bool can_trace() {
  MESSAGE("skipped: calls are traced on Linux on x86-64 alone");
  return false;
}
Traced traced(const std::function<void(Report&)>&, const Decide&) {
  fail("traced: not on this system");
}
Traced traced_program(const std::vector<std::string>&, const std::string&, const Decide&) {
  fail("traced_program: not on this system");
}

}  // namespace graft::test

#endif
