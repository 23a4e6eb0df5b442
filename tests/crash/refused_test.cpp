// Checkpoints that are damaged, foreign.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "tests/app/program.h"
#include "tests/crash/kept.h"
#include "transfer/training_state.h"
#include "weights/checkpoint.h"

using namespace graft;
using namespace graft::test;
using transfer::Checkpoints;
using transfer::TrainingState;
namespace fs = std::filesystem;

namespace {

void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("checkpoints: no flipped byte and no truncation is taken for a state") {
  TempDir dir;
  save_steps(dir.path(), 1);
  std::string path = file_of(dir.path(), 1), good = content(path);
  Checkpoints checkpoints(dir.path(), 1);
  checkpoints.begin(small_identity());
  int64_t files = 0, same = 0;
  auto try_bytes = [&](const std::string& bytes) {
    overwrite(path, bytes);
    std::vector<std::string> notes;
    ++files;
    try {
      std::optional<TrainingState> state = checkpoints.newest(notes);
      CHECK((state && equal(*state, small_state(1))));
      ++same;
    } catch (const DataError& e) {
      if (std::string(e.what()).find(path) == std::string::npos) FAIL_CHECK(e.what());
    }
  };
  for (size_t i = 0; i < good.size(); ++i) {
    for (int flip : {0x01, 0x20, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      INFO("byte " << i << ", flipped by " << flip);
      try_bytes(bad);
    }
    INFO("cut to " << i);
    try_bytes(good.substr(0, i));
  }
  try_bytes(good + '\0');
  MESSAGE(files << " changed files of " << good.size() << " bytes, " << same
                << " of them read as the same state");
}

TEST_CASE("checkpoints: where the newest is torn, the one before it goes on, and says so") {
  TempDir dir;
  save_steps(dir.path(), 4);
  CHECK_FALSE(fs::exists(file_of(dir.path(), 2)));
  std::string torn = file_of(dir.path(), 4);
  overwrite(torn, content(torn).substr(0, 300));
  Checkpoints checkpoints(dir.path(), 1);
  checkpoints.begin(small_identity());
  std::vector<std::string> notes;
  std::optional<TrainingState> state = checkpoints.newest(notes);
  REQUIRE(state);
  CHECK(equal(*state, small_state(3)));
  REQUIRE(notes.size() == 1);
  CHECK_MESSAGE(notes[0].find("passed over") != std::string::npos, notes[0]);
  CHECK_MESSAGE(notes[0].find(torn) != std::string::npos, notes[0]);

  // What cannot be read takes no readable one's place.
  overwrite(file_of(dir.path(), 9), "torn");
  checkpoints.save(small_state(4));
  notes.clear();
  CHECK(equal(*checkpoints.newest(notes), small_state(4)));
  CHECK(notes.empty());
  CHECK(fs::exists(file_of(dir.path(), 3)));

  overwrite(file_of(dir.path(), 3), "");
  overwrite(torn, "");
  check_throws<DataError>([&] { checkpoints.newest(notes); },
                          {"no checkpoint in", "can be read", file_of(dir.path(), 3), torn});
}

TEST_CASE("checkpoints: a state of another run is refused, listing what differs") {
  TempDir dir;
  Checkpoints::Identity was = {
      {"classes", "5"},          {"engine", "graft 0.1"},        {"model", "resnet18"},
      {"precision", "f32"},      {"setting optimizer", "adamw"}, {"strategy", "full"},
      {"training samples", "aa"}};
  {
    Checkpoints first(dir.path(), 1);
    first.begin(was);
    first.save(small_state(1));
  }
  std::vector<std::string> notes;
  for (const auto& [key, value] : was) {
    Checkpoints::Identity now = was;
    now[key] = "other";
    Checkpoints next(dir.path(), 1);
    next.begin(now);
    check_throws<DataError>([&] { next.newest(notes); },
                            {"another run", key + " is " + value + " there and other here", "--resume"});
  }
  Checkpoints next(dir.path(), 1);
  Checkpoints::Identity now = was;
  now.erase("strategy");
  now["seed"] = "1";
  now["model"] = "vgg16";
  next.begin(now);
  check_throws<DataError>([&] { next.newest(notes); },
                          {"model is resnet18 there and vgg16 here",
                           "strategy is full there and nothing here", "seed is 1 here and nothing there"});
  CHECK(fs::exists(file_of(dir.path(), 1)));
}

TEST_CASE("checkpoints: another format's version, no version and missing tensors are named") {
  TempDir dir;
  Checkpoints checkpoints(dir.path(), 1);
  checkpoints.begin(small_identity());
  std::vector<std::string> notes;
  auto write = [&](const weights::Metadata& metadata) {
    weights::save_safetensors(file_of(dir.path(), 1), small_state(1).tensors, metadata);
  };
  write({{"graft.checkpoint", "2"}, {"graft.step", "1"}, {"graft.run", "{}"}});
  check_throws<DataError>([&] { checkpoints.newest(notes); }, {"format 2", "reads format 1"});
  write({});
  check_throws<DataError>([&] { checkpoints.newest(notes); }, {"graft.checkpoint", "missing"});
  write({{"graft.checkpoint", "1"}, {"graft.step", "-1"}, {"graft.run", "{}"}});
  check_throws<DataError>([&] { checkpoints.newest(notes); }, {"step -1"});
  write({{"graft.checkpoint", "1"}, {"graft.step", "1"}, {"graft.run", "[1]"}});
  check_throws<DataError>([&] { checkpoints.newest(notes); }, {"graft.run"});
  check_throws<DataError>([&] { small_state(3).tensor("draws"); }, {"step 3", "draws", "missing"});
}

TEST_CASE("checkpoints: a newer graft's state is refused, not passed over for an older one; torn, it is") {
  TempDir dir;
  save_steps(dir.path(), 2);
  std::string newer = file_of(dir.path(), 3);
  weights::save_safetensors(newer, small_state(3).tensors,
                            {{"graft.checkpoint", "2"}, {"graft.layout", "of tomorrow"}});
  Checkpoints checkpoints(dir.path(), 1);
  checkpoints.begin(small_identity());
  std::vector<std::string> notes;
  check_throws<DataError>([&] { checkpoints.newest(notes); },
                          {newer, "format 2", "reads format 1", "the graft that wrote it", "--resume"});
  CHECK(notes.empty());
  for (int step : {1, 2, 3}) CHECK(fs::exists(file_of(dir.path(), step)));

  overwrite(newer, content(newer).substr(0, content(newer).size() - 1));
  CHECK(equal(*checkpoints.newest(notes), small_state(2)));
  REQUIRE(notes.size() == 1);
  CHECK_MESSAGE(notes[0].find(newer) != std::string::npos, notes[0]);
}

TEST_CASE("checkpoints: which is newer is a matter of steps, not of the files' times") {
  TempDir dir;
  save_steps(dir.path(), 2);
  auto now = fs::last_write_time(file_of(dir.path(), 2));
  fs::last_write_time(file_of(dir.path(), 1), now + std::chrono::hours(24 * 365));
  fs::last_write_time(file_of(dir.path(), 2), now - std::chrono::hours(24 * 365 * 30));
  Checkpoints checkpoints(dir.path(), 1);
  checkpoints.begin(small_identity());
  std::vector<std::string> notes;
  CHECK(equal(*checkpoints.newest(notes), small_state(2)));
  checkpoints.save(small_state(3));
  CHECK_FALSE(fs::exists(file_of(dir.path(), 1)));
  CHECK(fs::exists(file_of(dir.path(), 2)));
}

TEST_CASE("checkpoints: one run at a time in a folder, in one process and in two") {
  TempDir dir;
  std::string folder = dir / "checkpoints";
  auto held = std::make_unique<Checkpoints>(folder, 1);
  held->begin(small_identity());
  held->save(small_state(1));
  Checkpoints second(folder, 1);
  check_throws<DiskError>([&] { second.begin(small_identity()); }, {folder, "another run"});
  pid_t child = ::fork();
  if (child == 0) {
    try {
      Checkpoints(folder, 1).begin(small_identity());
    } catch (const DiskError& e) {
      ::_exit(e.exit_code());
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 74);
  // Who reads meanwhile needs no lock, and sees a whole file.
  std::vector<std::string> notes;
  CHECK_NOTHROW(weights::Checkpoint::open(file_of(folder, 1)));
  held.reset();
  CHECK_NOTHROW(second.begin(small_identity()));
  CHECK(equal(*second.newest(notes), small_state(1)));
}

TEST_CASE("checkpoints: steps of nine digits come behind those of eight") {
  TempDir dir;
  Checkpoints checkpoints(dir.path(), 1);
  checkpoints.begin(small_identity());
  std::vector<std::string> notes;
  for (int64_t step : {99'999'998, 99'999'999, 100'000'000}) {
    TrainingState state = small_state(1);
    state.step = step;
    checkpoints.save(state);
    CHECK(checkpoints.newest(notes)->step == step);
  }
  CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 3);  // with the lock
}
