# The simulator: the .cu files as C++ of the host compiler, run on the CPU by kernels/cuda/sim/.

# How a .cu file is compiled. Without a sanitizer the compiler announces each memory access to
# kernels/cuda/sim/hooks.cpp, and leaves a float4 whole: one access of 16 bytes, as on the GPU. -O2 makes no
# copies of loops for one lane and another.
set(GRAFT_SIM_FLAGS -Wno-unknown-pragmas)  # "#pragma unroll" is for nvcc
# For the kernels and what looks into the simulator, and no other file: those are compiled as in every build.
set(GRAFT_SIM_DEFINITIONS GRAFT_SIM)
if(GRAFT_SANITIZE MATCHES "thread")
  list(APPEND GRAFT_SIM_DEFINITIONS GRAFT_SIM_TSAN)
elseif(NOT GRAFT_SANITIZE)
  list(APPEND GRAFT_SIM_DEFINITIONS GRAFT_SIM_WATCH)
  list(APPEND GRAFT_SIM_FLAGS -fsanitize=thread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND GRAFT_SIM_FLAGS --param=tsan-instrument-func-entry-exit=0 -fno-tree-sra -O2)
  endif()
endif()

# Compiles .cu files as C++, for the targets of the calling folder.
function(graft_sim_compile)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${GRAFT_SIM_FLAGS}"
                              COMPILE_DEFINITIONS "${GRAFT_SIM_DEFINITIONS}")
endfunction()

file(GLOB sim_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/sim/*.cpp)
file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
list(FILTER cuda_sources EXCLUDE REGEX "/cuda/runtime\\.cu$")  # the simulator has its own
graft_sim_compile(${cuda_sources})
set_source_files_properties(${sim_sources} PROPERTIES COMPILE_DEFINITIONS "${GRAFT_SIM_DEFINITIONS}")
target_sources(graft PRIVATE ${sim_sources} ${cuda_sources})

if(GRAFT_SANITIZE MATCHES "thread")
  # ThreadSanitizer watches the kernels, not the scheduler, whose one thread reads what all others write. An
  # atomic is the kernel's own access.
  set(scheduler ${sim_sources})
  list(FILTER scheduler EXCLUDE REGEX "/atomics\\.cpp$")
  set_source_files_properties(${scheduler} PROPERTIES COMPILE_OPTIONS "-fno-sanitize=thread")
endif()
