// Errors are exceptions that name the operation, the values and the rule. Each class carries the exit code
// that the program `graft` ends with, so that a script can tell bad data from a full disk.
#pragma once

#include <stdexcept>
#include <string>

#include "core/str.h"

namespace graft {

// A broken rule inside the library: a shape that does not fit, a state that must not occur. Exit code 70.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  virtual int exit_code() const noexcept { return 70; }
};

// The caller asked for something that does not exist or makes no sense: an unknown option, model or rule.
// Exit code 64.
class UsageError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 64; }
};

// A file, folder or value from outside is missing, malformed or does not fit. Exit code 65.
class DataError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 65; }
};

// The accelerator is absent or failed. Exit code 70.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// Memory ran out; the message names what was asked for. Exit code 71.
class MemoryError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 71; }
};

// Writing failed: disk full, read-only, an I/O error. Whatever was there before is untouched. Exit code 74.
class DiskError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 74; }
};

// fail<DataError>("flowers.pth: ", n, " bytes, needs 8") builds the text and throws.
template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw E(str(parts...));
}

}  // namespace graft

// GRAFT_CHECK(k == b.dim(-2), "matmul: inner sizes ", k, " and ", b.dim(-2), " differ");
#define GRAFT_CHECK(condition, ...)                               \
  do {                                                            \
    if (!(condition)) ::graft::fail<::graft::Error>(__VA_ARGS__); \
  } while (0)

// The same for what came from outside: GRAFT_CHECK_AS(DataError, ...) decides the exit code.
#define GRAFT_CHECK_AS(ErrorType, condition, ...)                     \
  do {                                                                \
    if (!(condition)) ::graft::fail<::graft::ErrorType>(__VA_ARGS__); \
  } while (0)
