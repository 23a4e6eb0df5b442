#include "bench/cuda/shared_library.h"

#include <dlfcn.h>

namespace graft::bench {

SharedLibrary::SharedLibrary(const std::vector<std::string>& names) {
  std::vector<std::string> folders = {""};
#ifdef GRAFT_TOOLKIT_LIBRARIES
  folders.push_back(GRAFT_TOOLKIT_LIBRARIES "/");
#endif
  for (const std::string& folder : folders) {
    for (const std::string& name : names) {
      handle_ = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_GLOBAL);
      if (handle_) return;
      if (problem_.empty()) problem_ = dlerror();
    }
  }
}

void* SharedLibrary::symbol(const char* name) const {
  void* found = dlsym(handle_, name);
  if (!found) fail(name, ": the library lacks it");
  return found;
}

}  // namespace graft::bench
