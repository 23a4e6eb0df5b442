# The installed package serves a program outside: installs graft, builds examples/embed against it, and runs that on
# pictures and weights of graft's own.
#   cmake -DSOURCE=... -DBUILD=... -DPROGRAM=... -P embed.cmake
set(work ${BUILD}/embed_test)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work}/run)

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${work}/run RESULT_VARIABLE failed OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(failed)
    message(FATAL_ERROR "${ARGN}\nended with ${failed}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/installed)
run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE}/examples/embed -B ${work}/build -DCMAKE_PREFIX_PATH=${work}/installed)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${PROGRAM} meadow draw --out ${work}/flowers --per-class 20)
run(${work}/build/embed ${work}/flowers meadow_resnet ${SOURCE}/weights/meadow.safetensors ${work}/flowers/tulip/3.png)
message(STATUS "${out}")
if(NOT out MATCHES "tensors frozen, 0 of their bytes changed" OR NOT out MATCHES "3.png: tulip")
  message(FATAL_ERROR "embed said something else:\n${out}")
endif()
