#include "app/team.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "app/console.h"
#include "core/env.h"
#include "core/error.h"
#include "core/parallel.h"
#include "transfer/mpi_team.h"

namespace graft::app {
namespace {

std::unique_ptr<transfer::MpiTeam>& joined() {
  static std::unique_ptr<transfer::MpiTeam> team;
  return team;
}

}  // namespace

void join_team(const std::string& command) {
  transfer::Launch launch = transfer::launch();
  if (launch.size <= 1 || command == "doctor") return;
  GRAFT_CHECK_AS(UsageError, command == "tune", "mpirun started ", launch.size,
                 " processes, but only tune divides its work among several: start it without mpirun");
  joined() = transfer::MpiTeam::join();
  if (env::threads().empty()) set_threads(std::max(1, threads() / std::max(1, launch.on_this_machine)));
}

transfer::Team* team() {
  return joined().get();
}

bool leads() {
  return transfer::launch().rank == 0;
}

void leave_team() {
  if (joined()) joined()->leave();
}

void let_the_leader_speak() {
  if (leads()) return;
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (noted_signal() != 0) std::_Exit(128 + noted_signal());  // mpirun's: the job is over
  }
}

std::string speaker() {
  transfer::Launch launch = transfer::launch();
  return leads() ? "" : str("process ", launch.rank, " of ", launch.size, ": ");
}

void end_team(int code) {
  if (joined()) joined()->abort(code);
}

}  // namespace graft::app
