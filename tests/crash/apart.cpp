#include "tests/crash/apart.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>

#include "core/parallel.h"
#include "core/str.h"

namespace graft::test {
namespace {

constexpr int kNotAllowed = 77;

// `become` is done by the copy first; none where that is false.
std::optional<std::string> apart(const std::function<bool()>& become, const Work& work) {
  int before = threads();
  set_threads(1);  // of more, the copy would have but one
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    if (!become()) ::_exit(kNotAllowed);
    std::string answer;
    try {
      answer = work();
    } catch (const std::exception& e) {
      answer = str("thrown: ", e.what());
    }
    bool told = ::write(ends[1], answer.data(), answer.size()) == static_cast<ssize_t>(answer.size());
    ::_exit(told ? 0 : 1);  // nothing of the copied process is ended or written
  }
  ::close(ends[1]);
  std::string answer;
  char piece[4096];
  for (ssize_t got; (got = ::read(ends[0], piece, sizeof piece)) > 0;)
    answer.append(piece, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  set_threads(before);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) return std::nullopt;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) answer += " and it died";
  return answer;
}

bool write_text(const char* path, const std::string& text) {
  int file = ::open(path, O_WRONLY);
  bool done = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  return done;
}

// Whoever is not root is it in a name space of users of its own.
bool leave_mounts() {
  uid_t user = ::geteuid();
  gid_t group = ::getegid();
  if (user != 0) {
    bool is_root = ::unshare(CLONE_NEWUSER) == 0 && write_text("/proc/self/setgroups", "deny") &&
                   write_text("/proc/self/uid_map", str("0 ", user, " 1")) &&
                   write_text("/proc/self/gid_map", str("0 ", group, " 1"));
    if (!is_root) return false;
  }
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

std::string as_nobody(const Work& work) {
  auto become = [] {
    if (::geteuid() != 0) return true;
    return ::setgid(65534) == 0 && ::setuid(65534) == 0;
  };
  return apart(become, work).value_or("root could not become somebody else");
}

std::optional<std::string> among_own_mounts(const Work& work) {
  std::optional<std::string> answer = apart(leave_mounts, work);
  if (!answer) MESSAGE("skipped: this system lets nobody mount anything");
  return answer;
}

bool mount_memory(const std::string& folder, int kibibytes) {
  std::string size = str("size=", kibibytes, "k");
  return ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
}

bool make_read_only(const std::string& folder) {
  return ::mount("none", folder.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

}  // namespace graft::test
