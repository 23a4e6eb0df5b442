// One row of a table of bad input: the file is answered with one clear DataError, quickly and in little
// memory.
#pragma once

#include <chrono>
#include <cstdio>
#include <fstream>

#include "tests/support.h"
#include "weights/checkpoint.h"

namespace graft::test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kAddressSanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool kAddressSanitized = false;
#endif

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Opens the file and reads every tensor that can be read.
inline weights::Checkpoint read_all(const std::string& path) {
  auto checkpoint = weights::Checkpoint::open(path);
  for (const auto& entry : checkpoint.entries()) {
    if (entry.problem.empty()) checkpoint.read(entry.name);
  }
  return checkpoint;
}

// A message that would come from deep inside, without a word about the file.
inline bool is_generic(const std::string& text) {
  for (const char* word :
       {"bad_alloc", "basic_string", "std::", "vector", "json.exception", "bad_cast", "map::at"}) {
    if (text.find(word) != std::string::npos) return true;
  }
  return text.empty();
}

// Resident memory of this process, in bytes: now ("VmRSS:") or at its highest since reset_peak ("VmHWM:").
inline int64_t resident(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == field && status >> kib) return kib * 1024;
  }
  return 0;
}
inline void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

class Refusals {
 public:
  // DataError whose text starts with the file's name and holds every part; within 2 s and 64 MiB over the
  // file's size.
  void check(const std::string& id, const std::string& bytes, const std::vector<std::string>& parts) {
    INFO("row " << id);
    std::string path = folder_ / "bad.file";
    write_bytes(path, bytes);
    reset_peak();
    int64_t before = resident("VmRSS:");
    auto start = std::chrono::steady_clock::now();
    std::string text;
    try {
      read_all(path);
      FAIL_CHECK("row " << id << " was accepted; expected: " << (parts.empty() ? "" : parts[0]));
      return;
    } catch (const DataError& e) {
      text = e.what();
      CHECK(e.exit_code() == 65);
    } catch (const std::exception& e) {
      FAIL_CHECK("row " << id << " ended with another error: " << e.what());
      return;
    }
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    INFO("\"" << text << "\"");
    CHECK(text.starts_with(path));
    CHECK_FALSE(is_generic(text));
    for (const std::string& part : parts)
      CHECK_MESSAGE(text.find(part) != std::string::npos, "lacks \"" << part << "\"");
    if (!kAddressSanitized) {  // which takes time and memory of its own
      CHECK(seconds < 2);
      CHECK(resident("VmHWM:") - before < static_cast<int64_t>(bytes.size()) + (64 << 20));
    }
    ++rows;
  }

  // Opens and reads; gives the checkpoint for more checks.
  weights::Checkpoint accept(const std::string& id, const std::string& bytes) {
    INFO("row " << id);
    std::string path = folder_ / "good.file";
    write_bytes(path, bytes);
    ++rows;
    return read_all(path);
  }

  int rows = 0;

 private:
  TempDir folder_;
};

}  // namespace graft::test
