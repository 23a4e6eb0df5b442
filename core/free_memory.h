// How much memory there is.
#pragma once

#include <cstdint>
#include <string>

namespace graft {

// Bytes that this process may still take on the CPU: what the system says is available, or less where a
// control group (a container) or a resource limit allows less. The cached blocks of graft's own allocator
// count as taken.
int64_t free_cpu_memory();

// "4G", "512M", "1.5GiB", "1000000": bytes; K, M, G and T are powers of 1024. Throws UsageError, naming
// `flag`.
int64_t parse_bytes(const std::string& flag, const std::string& text);

}  // namespace graft
