# utf8proc::utf8proc, the static library where there is one: Debian's package has no CMake file of its own. Used by the
# build and, installed, by find_package(graft).
if(NOT TARGET utf8proc::utf8proc)
  find_path(GRAFT_UTF8PROC_INCLUDE utf8proc.h REQUIRED)
  find_library(GRAFT_UTF8PROC_LIBRARY NAMES libutf8proc.a utf8proc REQUIRED)
  add_library(utf8proc::utf8proc UNKNOWN IMPORTED)
  set_target_properties(utf8proc::utf8proc PROPERTIES
    IMPORTED_LOCATION "${GRAFT_UTF8PROC_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${GRAFT_UTF8PROC_INCLUDE}"
    INTERFACE_COMPILE_DEFINITIONS UTF8PROC_STATIC)
endif()
