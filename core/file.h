// Writing a file so that it is whole or not there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace graft {

// Replaces `path` by these bytes: they go to a file beside it, reach the disk, and take its name, so that a
// reader (or a crash, or a full disk) meets the old file or the new one, never half of one. Something that is
// not a regular file, such as /dev/stdout, is written to directly. Throws DiskError with the path and the
// system's reason; what was there stays.
void write_file(const std::string& path, std::string_view bytes);

// Throws DiskError unless a file could be created at `path` now: the folder exists and may be written to.
// Asked before long work whose result goes there.
void require_writable(const std::string& path);

// Makes the folder, and those above it that are missing; after a loss of power they are still there. Throws
// DiskError.
void make_folders(const std::string& folder);

// The names in a folder, in no order; none where there is no such folder. Throws DiskError where it cannot be
// read: it may hold all that there is.
std::vector<std::string> names_in(const std::string& folder);

// Gives a file another name, in place of what has it now; it keeps that after a loss of power. Throws
// DiskError.
void move_file(const std::string& from, const std::string& to);

}  // namespace graft
