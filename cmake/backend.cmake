# What kernels/dispatch.h calls on a CUDA device: the CUDA backend, kernels/cuda/*.cu, for GPUs of compute capability 8.0
# and up by nvcc (GRAFT_CUDA) or for the simulator by the host compiler (GRAFT_SIM); or, in a build without it, errors
# that say so.

# For each kernels/<stem>.h whose kernels/cuda/<stem>.cu this build does not have: a source that defines the header's
# cuda:: functions as errors that name the op. kernels/dispatch.h has the other half.
set(reason "this build has no CUDA backend")
if(GRAFT_CUDA OR GRAFT_SIM)
  set(reason "has no CUDA kernel yet; run it on the CPU")
endif()
set(includes "")
file(GLOB contracts CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/kernels/*.h)
foreach(contract ${contracts})
  get_filename_component(stem ${contract} NAME_WE)
  file(STRINGS ${PROJECT_SOURCE_DIR}/${contract} declared REGEX "^GRAFT_KERNEL\\(" LIMIT_COUNT 1)
  if(declared AND NOT ((GRAFT_CUDA OR GRAFT_SIM) AND EXISTS ${PROJECT_SOURCE_DIR}/kernels/cuda/${stem}.cu))
    string(APPEND includes "#include \"${contract}\"\n")
  endif()
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/cuda_absent.cpp.in ${PROJECT_BINARY_DIR}/cuda_absent.cpp @ONLY)
target_sources(graft PRIVATE ${PROJECT_BINARY_DIR}/cuda_absent.cpp)

if(NOT (GRAFT_CUDA OR GRAFT_SIM))
  target_sources(graft PRIVATE ${PROJECT_SOURCE_DIR}/kernels/without_cuda.cpp)
  return()
endif()
if(GRAFT_SIM)
  include(${CMAKE_CURRENT_LIST_DIR}/sim.cmake)
  return()
endif()

# Before the language is enabled: without it nvcc would try an architecture that CUDA 13 no longer has.
set(CMAKE_CUDA_ARCHITECTURES 80)
enable_language(CUDA)
# CMake 3.25 does not know that nvcc 13 speaks C++20.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA_STANDARD 20)
find_package(CUDAToolkit REQUIRED)

# How nvcc compiles a target's kernels: sm_80 for every GPU from Ampere on, as PTX too for those that come; sm_90a for wgmma
# and TMA. Registers that spill, or an array in local memory, must not pass unseen.
function(graft_cuda_compile target)
  set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES OFF
                        CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/scripts/ptxas_report)
  set(flags "-gencode=arch=compute_80,code=[sm_80,compute_80]" -gencode=arch=compute_90a,code=sm_90a
      --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra
      -Xptxas=-v,--warn-on-spills,--warn-on-local-memory-usage)
  if(GRAFT_WERROR)
    list(APPEND flags -Werror=all-warnings -Xptxas=--warning-as-error)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${flags}>")
endfunction()

file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
add_library(graft_cuda OBJECT ${cuda_sources})
target_link_libraries(graft_cuda PRIVATE graft_options)
graft_cuda_compile(graft_cuda)
target_sources(graft PRIVATE $<TARGET_OBJECTS:graft_cuda>)
set_target_properties(graft PROPERTIES CUDA_ARCHITECTURES OFF)  # Makefiles ask, though it compiles none itself
target_link_libraries(graft PUBLIC CUDA::cudart_static)
