#include "transfer/report/run_folder.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::transfer::report;
namespace fs = std::filesystem;

namespace {

// Runs the rest of a test in another working folder.
struct Inside {
  fs::path before = fs::current_path();
  explicit Inside(const std::string& folder) { fs::current_path(folder); }
  ~Inside() { fs::current_path(before); }
};

}  // namespace

TEST_CASE("run folder: without a name, the first that no run has used") {
  test::TempDir dir;
  Inside inside(dir.path());
  RunFolder first = choose_run_folder("");
  CHECK(first.path == "graft-out");
  CHECK(first.created);
  write_file(first.file("model.graft"), "x");
  RunFolder second = choose_run_folder("");
  CHECK(second.path == "graft-out-2");
  abandon(second);
  CHECK(!fs::exists("graft-out-2"));
  abandon(first);
  CHECK(fs::exists("graft-out/model.graft"));
  write_file("graft-out-2", "a file in the way");
  CHECK(choose_run_folder("").path == "graft-out-3");
}

TEST_CASE("run folder: a named one tells what it will replace, and leaves other files alone") {
  test::TempDir dir;
  RunFolder folder = choose_run_folder(dir / "run/");
  CHECK(folder.path == dir / "run");
  CHECK(folder.created);
  CHECK(folder.replaces.empty());
  write_file(folder.file("report.html"), "x");
  write_file(folder.file("notes.txt"), "x");
  folder = choose_run_folder(dir / "run");
  CHECK(!folder.created);
  CHECK(folder.replaces == std::vector<std::string>{"report.html"});
  CHECK(fs::exists(folder.file("notes.txt")));
}

TEST_CASE("run folder: what cannot hold a run is a disk error before any work") {
  test::TempDir dir;
  write_file(dir / "file", "x");
  test::check_throws<DiskError>([&] { choose_run_folder(dir / "file"); }, {"file", "is a file"});
  test::check_throws<DiskError>([&] { choose_run_folder(dir / "no/where"); }, {"no/where", "--out"});
}
