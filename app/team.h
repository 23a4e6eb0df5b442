// The processes that mpirun started, as the program meets them.
#pragma once

#include <string>

#include "core/device.h"
#include "transfer/team.h"

namespace graft::app {

// Where mpirun started several: joins them, and shares the machine's processors out, unless GRAFT_THREADS
// says how many threads each has. Throws UsageError for a command that knows no team, and where this build
// has no MPI.
void join_team(const std::string& command);
// The GPU of this process, where `--device cuda` was asked for and several processes share the machine's;
// else as asked for. Says how gradients are summed.
Device own_device(const std::string& asked, Device device);
// What join_team joined; null where this process is alone.
transfer::Team* team();
bool leads();
void leave_team();

// What went wrong went wrong in every process, or in this one alone: lets the leader be the one that tells
// it, and ends this process in the meantime if it does.
void let_the_leader_speak();
// "process 2 of 4: ", or nothing.
std::string speaker();
// Ends the whole job with this exit code, where there is a team: the others would wait forever.
void end_team(int code);

}  // namespace graft::app
