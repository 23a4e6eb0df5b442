// A library that takes part where the machine has it: loaded while the program runs, never linked.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"

namespace graft::bench {

class SharedLibrary {
 public:
  // The first of `names` that loads, by the loader's own search or from the CUDA toolkit of the build.
  explicit SharedLibrary(const std::vector<std::string>& names);
  bool loaded() const { return handle_ != nullptr; }
  // Why it is not.
  const std::string& problem() const { return problem_; }

  // F is the function's type: decltype(cublasLtCreate). Throws Error where the library lacks it.
  template <class F>
  F* function(const char* name) const {
    return reinterpret_cast<F*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;
  void* handle_ = nullptr;
  std::string problem_;
};

// What there is behind a reference's interface: a library that has started, or why there is none.
template <class Interface>
struct Found {
  Interface* library = nullptr;
  std::string problem;
};
// Loads and starts it; Implementation is made from the SharedLibrary. Neither is ever destroyed, as the
// device's runtime is not.
template <class Interface, class Implementation>
Found<Interface> find_library(const std::vector<std::string>& names) {
  auto* library = new SharedLibrary(names);
  if (!library->loaded()) return {nullptr, library->problem()};
  try {
    return {new Implementation(*library), ""};
  } catch (const Error& e) {
    return {nullptr, e.what()};
  }
}

}  // namespace graft::bench
