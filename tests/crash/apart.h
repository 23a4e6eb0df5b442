// Work done by a copy of this process that is somebody else, or sees other file systems.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace graft::test {

// What is wrong, or empty. The copy has one thread; checks of doctest in it would be lost.
using Work = std::function<std::string()>;

// `work`'s answer, or what it threw, where it is done by a user to whom rights are something: root becomes
// user 65534.
std::string as_nobody(const Work& work);

// The same with mounts of its own, where it may mount what it likes; none where the system does not allow
// that.
std::optional<std::string> among_own_mounts(const Work& work);

// For such work: an empty file system in memory, of so many KiB, in the place of `folder`. False where that
// fails.
bool mount_memory(const std::string& folder, int kibibytes);
// The same: nothing below `folder`, which was mounted, can be written any more.
bool make_read_only(const std::string& folder);

}  // namespace graft::test
