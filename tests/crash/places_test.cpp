// Checkpoints in places where they cannot be written or read, and in places that are hard to name.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "tests/app/program.h"
#include "tests/crash/apart.h"
#include "tests/crash/kept.h"
#include "transfer/training_state.h"
#include "weights/checkpoint.h"

using namespace graft;
using namespace graft::test;
using transfer::Checkpoints;
using transfer::TrainingState;
namespace fs = std::filesystem;

TEST_CASE("checkpoints: rights that are missing are told, and what is there stays") {
  TempDir dir;
  // Belongs to whom the copy becomes.
  auto folder_of_nobody = [&](const std::string& name) {
    std::string folder = dir / name;
    save_steps(folder, 2);
    if (::geteuid() == 0) {
      for (const fs::path& path :
           {fs::path(folder), fs::path(file_of(folder, 1)), fs::path(file_of(folder, 2))})
        REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
    }
    return folder;
  };
  fs::permissions(dir.path(), fs::perms::all);
  // What is thrown by what is done with a folder of these rights, and the state that is there then.
  auto refused = [&](const char* name, fs::perms rights, const std::function<void(Checkpoints&)>& what) {
    std::string folder = folder_of_nobody(name);
    return as_nobody([&]() -> std::string {
      std::vector<std::string> notes;
      std::string said = "nothing is refused";
      Checkpoints checkpoints(folder, 1);
      checkpoints.begin(small_identity());
      fs::permissions(folder, rights);
      try {
        what(checkpoints);
      } catch (const DiskError& e) {
        said = e.what();
      }
      fs::permissions(folder, fs::perms::owner_all);
      std::optional<TrainingState> newest = checkpoints.newest(notes);
      return newest && equal(*newest, small_state(2)) && notes.empty() ? said : "the state is lost, " + said;
    });
  };
  using fs::perms;
  std::string said = refused("unwritable", perms::owner_read | perms::owner_exec,
                             [](Checkpoints& c) { c.save(small_state(3)); });
  CHECK(said == str("cannot write ", file_of(dir / "unwritable", 3), ": Permission denied"));
  // It is not taken for an empty one.
  said = refused("unreadable", perms::owner_exec, [](Checkpoints& c) {
    std::vector<std::string> notes;
    c.newest(notes);
  });
  CHECK(said == str(dir / "unreadable", ": cannot be read (Permission denied)"));
  said =
      refused("closed", perms::none, [&](Checkpoints&) { Checkpoints(dir / "closed/deeper", 1).begin({}); });
  CHECK_MESSAGE(said.find(dir / "closed/deeper") != std::string::npos, said);
  CHECK_MESSAGE(said.find("denied") != std::string::npos, said);

  if (::geteuid() != 0) return;
  // In a folder with the sticky bit nobody replaces somebody else's file.
  save_steps(dir / "shared", 2);
  fs::permissions(dir / "shared", perms::all | perms::sticky_bit);
  said = as_nobody([&]() -> std::string {
    Checkpoints checkpoints(dir / "shared", 1);
    checkpoints.begin(small_identity());
    try {
      checkpoints.save(small_state(2));
    } catch (const DiskError& e) {
      return e.what();
    }
    return "nothing is refused";
  });
  CHECK_MESSAGE(said.find(file_of(dir / "shared", 2)) != std::string::npos, said);
  CHECK_MESSAGE(said.find("Operation not permitted") != std::string::npos, said);
  CHECK(problem_with(dir / "shared", 2) == "");
}

TEST_CASE("checkpoints: a full and a read-only file system, and a target on another one") {
  TempDir dir;
  for (const char* name : {"small", "other"}) fs::create_directory(dir / name);
  std::optional<std::string> problem = among_own_mounts([&]() -> std::string {
    if (!mount_memory(dir / "small", 64) || !mount_memory(dir / "other", 1024)) return "no mount";
    auto refusal = [](const std::function<void()>& what) -> std::string {
      try {
        what();
      } catch (const DiskError& e) {
        return e.what();
      }
      return "nothing is refused";
    };
    auto has = [](const std::string& text, const std::string& part) {
      return text.find(part) != std::string::npos;
    };
    std::vector<std::string> notes;
    std::string run = dir / "small/run", said;
    {
      Checkpoints checkpoints(run, 1);
      checkpoints.begin(small_identity());
      checkpoints.save(small_state(1));
      TrainingState large = small_state(2);
      large.tensors.push_back({"large", Tensor::zeros({1 << 16}, DType::f32)});
      said = refusal([&] { checkpoints.save(large); });
      for (const char* part : {"step-00000002.checkpoint", "writing ", " more bytes", "No space left",
                               " are free there", "untouched"}) {
        if (!has(said, part)) return str("full: ", part, " is missing in: ", said);
      }
      if (!equal(*checkpoints.newest(notes), small_state(1))) return "full: the state is lost";
      checkpoints.save(small_state(3));  // the space of what failed is free again
    }
    if (!make_read_only(dir / "small")) return "no read-only mount";
    said = refusal([&] { Checkpoints(run, 1).begin(small_identity()); });
    if (!has(said, run) || !has(said, "Read-only")) return "read-only: " + said;
    if (weights::Checkpoint::open(file_of(run, 3)).entries().empty()) return "read-only: the state is lost";

    // A link to a file on another file system: what is written first is beside the target, and can be
    // renamed.
    Checkpoints linked(dir / "links", 1);
    linked.begin(small_identity());
    linked.save(small_state(1));
    fs::rename(file_of(dir / "links", 1), dir / "here");
    fs::copy(dir / "here", dir / "other/state");
    fs::create_symlink(dir / "other/state", file_of(dir / "links", 1));
    said = refusal([&] { linked.save(small_state(1)); });
    if (said != "nothing is refused") return "across: " + said;
    if (!fs::is_symlink(file_of(dir / "links", 1))) return "across: the link is gone";
    return equal(*linked.newest(notes), small_state(1)) ? "" : "across: the state is lost";
  });
  CHECK(problem.value_or("") == "");
}

TEST_CASE(
    "checkpoints: a state behind a link is read, and replaced where it is; one that leads nowhere is passed "
    "over") {
  TempDir dir;
  std::string folder = dir / "run";
  save_steps(folder, 2);
  fs::create_directory(dir / "elsewhere");
  fs::rename(file_of(folder, 2), dir / "elsewhere/state");
  fs::create_symlink(dir / "elsewhere/state", file_of(folder, 2));
  fs::create_symlink(dir / "nowhere", file_of(folder, 5));
  Checkpoints checkpoints(folder, 1);
  checkpoints.begin(small_identity());
  std::vector<std::string> notes;
  CHECK(equal(*checkpoints.newest(notes), small_state(2)));
  REQUIRE(notes.size() == 1);
  CHECK_MESSAGE(notes[0].find(file_of(folder, 5)) != std::string::npos, notes[0]);
  checkpoints.save(small_state(2));
  CHECK(fs::is_symlink(file_of(folder, 2)));
  CHECK(weights::Checkpoint::open(dir / "elsewhere/state").metadata().at("graft.step") == "2");
}

TEST_CASE("checkpoints: a relative folder stays the same one when the process goes elsewhere") {
  TempDir dir;
  fs::create_directory(dir / "elsewhere");
  fs::path here = fs::current_path();
  fs::current_path(dir.path());
  {
    Checkpoints checkpoints("run/checkpoints", 1);
    checkpoints.begin(small_identity());
    checkpoints.save(small_state(1));
    fs::current_path(dir / "elsewhere");
    checkpoints.save(small_state(2));
    std::vector<std::string> notes;
    CHECK(equal(*checkpoints.newest(notes), small_state(2)));
  }
  fs::current_path(here);
  CHECK(problem_with(dir / "run/checkpoints", 2) == "");
  CHECK(fs::is_empty(dir / "elsewhere"));
}

TEST_CASE("checkpoints: folders that go away, cannot be written to or have impossible names are told") {
  TempDir dir;
  write_file(dir / "file", "");
  check_throws<DiskError>([&] { Checkpoints(dir / "file/checkpoints", 1).begin(small_identity()); },
                          {dir / "file", "folder"});
  check_throws<DiskError>([&] { Checkpoints(dir / std::string(300, 'n'), 1).begin(small_identity()); },
                          {"/nnn", "too long"});
  {
    Checkpoints checkpoints(dir / "run/checkpoints", 1);
    checkpoints.begin(small_identity());
    checkpoints.save(small_state(1));
    fs::remove_all(dir / "run");
    check_throws<DiskError>([&] { checkpoints.save(small_state(2)); },
                            {file_of(dir / "run/checkpoints", 2), "No such file"});
  }
}

TEST_CASE("checkpoints: spaces, UTF-8, a relative path, a link to a folder, and a strict umask") {
  TempDir dir;
  fs::path here = fs::current_path();
  mode_t mask = ::umask(077);
  fs::create_directory(dir / "elsewhere");
  fs::create_directory_symlink(dir / "elsewhere", dir / "link");
  fs::current_path(dir.path());
  for (const char* folder :
       {"a b/\xc3\xa4\xe6\xb0\xb4 \xf0\x9f\x8c\xb1", "./relative/again/", "link", "link/deeper"}) {
    INFO(std::string(folder));
    Report report;
    save_three(folder, report);
    CHECK(problem_with(folder, 3) == "");
    struct stat info {};
    REQUIRE(::stat(file_of(folder, 3).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
  CHECK(fs::is_symlink("link"));
  CHECK(fs::exists(file_of("elsewhere", 3)));
  fs::current_path(here);
  ::umask(mask);
}
