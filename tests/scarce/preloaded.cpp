// Loaded into a program before everything else (LD_PRELOAD), together with heap.cpp: its memory runs out as
// GRAFT_SCARCE="NUMBER once" or "NUMBER growth" says, counted from where main begins. The requests' number
// goes to the file GRAFT_SCARCE_COUNT.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/scarce/heap.h"

#ifdef __GLIBC__

using Main = int (*)(int, char**, char**);
static Main given_main;

static int scarce_main(int argc, char** argv, char** environment) {
  long long number = -1;
  char how[16] = "once";
  if (const char* text = std::getenv("GRAFT_SCARCE")) std::sscanf(text, "%lld %15s", &number, how);
  bool once = std::strcmp(how, "once") == 0;
  graft::test::refuse(number, once ? graft::test::Refuse::once : graft::test::Refuse::growth);
  int code = given_main(argc, argv, environment);
  long long count = graft::test::relent();
  if (const char* path = std::getenv("GRAFT_SCARCE_COUNT")) {
    if (std::FILE* file = std::fopen(path, "w")) {
      std::fprintf(file, "%lld", count);
      std::fclose(file);
    }
  }
  return code;
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): what the C library's start calls main through
extern "C" int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                                 void (*loader_fini)(), void* stack_end) {
  given_main = main;
  auto real = reinterpret_cast<decltype(&__libc_start_main)>(::dlsym(RTLD_NEXT, "__libc_start_main"));
  return real(scarce_main, argc, argv, init, fini, loader_fini, stack_end);
}

#endif
