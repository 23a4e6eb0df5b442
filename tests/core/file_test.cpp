#include "core/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "tests/support.h"

using namespace graft;
namespace fs = std::filesystem;

namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

size_t entries(const std::string& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("write_file: creates, replaces, and leaves nothing else behind") {
  test::TempDir dir;
  std::string path = dir / "a name with spaces";
  write_file(path, "first");
  CHECK(content(path) == "first");
  write_file(path, std::string("sec\0nd", 6));
  CHECK(content(path) == std::string("sec\0nd", 6));
  CHECK(entries(dir.path()) == 1);
  fs::create_symlink(path, dir / "link");
  write_file(dir / "link", "third");
  CHECK(content(path) == "third");
  CHECK(fs::is_symlink(dir / "link"));
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0600) == 0600);
}

TEST_CASE("write_file: a missing folder, a folder and a full device are disk errors that name the path") {
  test::TempDir dir;
  test::check_throws<DiskError>([&] { write_file(dir / "no/where.json", "x"); },
                                {"no/where.json", "No such file"});
  fs::create_directory(dir / "folder");
  test::check_throws<DiskError>([&] { write_file(dir / "folder", "x"); }, {"folder"});
  if (fs::exists("/dev/full")) {
    test::check_throws<DiskError>([] { write_file("/dev/full", "x"); }, {"/dev/full", "No space left"});
  }
  CHECK(entries(dir.path()) == 1);
}

TEST_CASE("require_writable: says before the work what would fail after it") {
  test::TempDir dir;
  require_writable(dir / "new.json");
  CHECK(entries(dir.path()) == 0);
  test::check_throws<DiskError>([&] { require_writable(dir / "no/where.json"); },
                                {"no/where.json", "create it"});
  test::check_throws<DiskError>([&] { require_writable(dir.path()); }, {"is a folder"});
  require_writable("/dev/null");
}
