# Fails on an #include that climbs: each folder may include itself and the folders below it.
#   cmake -DSOURCE=<root> -P tests/layers.cmake

cmake_minimum_required(VERSION 3.25)

set(may_core core)
set(may_kernels core kernels)
set(may_autograd core kernels autograd)
set(may_nn core kernels autograd nn)
set(may_weights core kernels autograd nn weights)
set(may_data core data)
set(may_transfer core kernels autograd nn weights data transfer)

set(climbs "")
foreach(folder core kernels autograd nn weights data transfer)
  file(GLOB_RECURSE files ${SOURCE}/${folder}/*.h ${SOURCE}/${folder}/*.cpp ${SOURCE}/${folder}/*.cu ${SOURCE}/${folder}/*.cuh)
  foreach(file ${files})
    file(STRINGS ${file} includes REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
    foreach(line ${includes})
      string(REGEX REPLACE ".*\"([a-z_]+)/.*" "\\1" target "${line}")
      if(target MATCHES "^(core|kernels|autograd|nn|weights|data|transfer|app|bench|tests|examples)$"
         AND NOT target IN_LIST may_${folder})
        file(RELATIVE_PATH name ${SOURCE} ${file})
        string(APPEND climbs "  ${name}: ${line}\n")
      endif()
    endforeach()
  endforeach()
endforeach()

if(climbs)
  message(FATAL_ERROR "includes that climb the layers:\n${climbs}")
endif()
message(STATUS "no include climbs the layers")
