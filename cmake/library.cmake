# graft::graft, one static library. Files are found by folder: a new file needs no line here.

set(sources)
foreach(folder core autograd nn weights data transfer)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  list(APPEND sources ${found})
endforeach()
list(APPEND sources ${PROJECT_SOURCE_DIR}/kernels/dispatch.cpp)
# What takes time when it runs is optimised most: kernels, pictures, tokenizers. Elsewhere the time is the compiler's, and
# the sanitizers make that the longer part.
set(kernel_optimisation -O3)
set(light_optimisation -O2)
if(GRAFT_SANITIZE)
  set(kernel_optimisation -O2)
  set(light_optimisation -O1)
endif()
set(light ${sources})
list(FILTER light EXCLUDE REGEX "/data/")
set_property(SOURCE ${light} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release,RelWithDebInfo>:${light_optimisation}>)

add_library(graft STATIC ${sources})
add_library(graft::graft ALIAS graft)
target_link_libraries(graft PRIVATE $<BUILD_INTERFACE:graft_options> $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
                      utf8proc::utf8proc ${CMAKE_DL_LIBS} PUBLIC Threads::Threads ZLIB::ZLIB)
target_include_directories(graft PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/graft>)
target_include_directories(graft SYSTEM PRIVATE ${GRAFT_STB_INCLUDE})
target_compile_features(graft PUBLIC cxx_std_20)

# The checkpoint that ships inside the library; weights/embedded.cpp says how.
set(meadow ${PROJECT_SOURCE_DIR}/weights/meadow.safetensors)
set_source_files_properties(${PROJECT_SOURCE_DIR}/weights/embedded.cpp PROPERTIES
  COMPILE_DEFINITIONS GRAFT_MEADOW_FILE="${meadow}" OBJECT_DEPENDS ${meadow})

# The CPU kernels, once per instruction level; kernels/cpu/level_begin.h says how and why.
file(GLOB kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)
set(levels 2)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(levels 2 3 4)
endif()
foreach(level ${levels})
  add_library(graft_cpu_v${level} OBJECT ${kernel_sources})
  target_link_libraries(graft_cpu_v${level} PRIVATE graft_options)
  target_compile_definitions(graft_cpu_v${level} PRIVATE GRAFT_CPU_LEVEL=${level})
  # -fno-math-errno and -fno-trapping-math let loops become vector code and change no result.
  target_compile_options(graft_cpu_v${level} PRIVATE -fno-math-errno -fno-trapping-math
                         $<$<CONFIG:Release,RelWithDebInfo>:${kernel_optimisation}> -Wno-psabi)
  target_sources(graft PRIVATE $<TARGET_OBJECTS:graft_cpu_v${level}>)
endforeach()

# Installed: the library, its headers, and what find_package(graft) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
install(TARGETS graft EXPORT graftTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(folder core kernels autograd nn weights data transfer)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/graft
          FILES_MATCHING PATTERN "*.h" PATTERN "cpu" EXCLUDE PATTERN "cuda" EXCLUDE)
endforeach()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/graft)
install(EXPORT graftTargets NAMESPACE graft:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/graftConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/graftConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/graftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/graftConfig.cmake ${PROJECT_BINARY_DIR}/graftConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/utf8proc.cmake
        DESTINATION ${package_dir})

# stb_image counts on signed arithmetic that wraps; what makes and mixes pictures must round as written on every processor.
set_source_files_properties(${PROJECT_SOURCE_DIR}/data/stb.cpp PROPERTIES COMPILE_OPTIONS -fwrapv)
foreach(file data/affine data/erase data/rand_augment data/resize data/tone data/transform transfer/mixing)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/${file}.cpp PROPERTIES COMPILE_OPTIONS -ffp-contract=off)
endforeach()
