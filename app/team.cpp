#include "app/team.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "app/console.h"
#include "core/accelerator.h"
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
  joined()->notice = noted_signal;
  joined()->heed = [](int signal, const std::string& where) {
    throw Interrupted{.signal = signal, .what_was_done = where, .together = true};
  };
  if (env::threads().empty()) set_threads(std::max(1, threads() / std::max(1, launch.on_this_machine)));
}

Device own_device(const std::string& asked, Device device) {
  if (!joined() || !device.is_cuda()) return device;
  Accelerator& machine = accelerator_of(device);
  // The simulated device is in every process anew.
  if (asked == "cuda" && machine.is_hardware())
    device = transfer::own_gpu(transfer::launch(), machine.device_count());
  std::string line = str("graft tune: gradients are summed ", joined()->describe_sums(device), "\n");
  if (leads()) std::fwrite(line.data(), 1, line.size(), stderr);
  return device;
}

transfer::Team* team() {
  return joined().get();
}

bool leads() {
  return transfer::launch().rank == 0;
}

void leave_team() {
  if (joined()) joined()->leave();
  joined().reset();
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
