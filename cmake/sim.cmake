# The simulator: the .cu files as C++ of the host compiler, run on the CPU by kernels/cuda/sim/.

target_compile_definitions(graft_options INTERFACE GRAFT_SIM)

# Compiles .cu files as C++, for the targets of the calling folder.
function(graft_sim_compile)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
endfunction()

file(GLOB sim_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/sim/*.cpp)
file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
graft_sim_compile(${cuda_sources})
target_sources(graft PRIVATE ${sim_sources} ${cuda_sources})

if(GRAFT_SANITIZE MATCHES "thread")
  # ThreadSanitizer watches the kernels, not the scheduler, whose one thread reads what all others write. An
  # atomic is the kernel's own access.
  set(scheduler ${sim_sources})
  list(FILTER scheduler EXCLUDE REGEX "/atomics\\.cpp$")
  set_source_files_properties(${scheduler} PROPERTIES COMPILE_OPTIONS "-fno-sanitize=thread")
  target_compile_definitions(graft_options INTERFACE GRAFT_SIM_TSAN)
endif()
