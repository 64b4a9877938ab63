# Configures the project beside a decoy Eigen: SOURCE, SITE (the wheels' folder), WORK, GENERATOR.
file(REMOVE_RECURSE "${WORK}")
file(WRITE "${WORK}/prefix/include/eigen3/Eigen/Core" "#error this is the decoy\n")
file(WRITE "${WORK}/prefix/share/eigen3/cmake/Eigen3Config.cmake"
  "message(FATAL_ERROR \"the decoy was configured\")\n")
set(ENV{CMAKE_PREFIX_PATH} "${WORK}/prefix")

function(configure deps result output)
  file(REMOVE_RECURSE "${WORK}/build")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S "${SOURCE}" -B "${WORK}/build" -G "${GENERATOR}"
            -DEDGEWISE_LTO=OFF -DEDGEWISE_DEPS_PREFIX=${deps}
            -DCMAKE_PREFIX_PATH=${WORK}/prefix
    RESULT_VARIABLE _result OUTPUT_VARIABLE _output ERROR_VARIABLE _output)
  set(${result} ${_result} PARENT_SCOPE)
  set(${output} "${_output}" PARENT_SCOPE)
endfunction()

configure("${WORK}/empty" result output)
if(result EQUAL 0 OR NOT output MATCHES "install[ \n]+cmeel-eigen")
  message(FATAL_ERROR "without the wheel, configuring must fail and say so:\n${output}")
endif()

configure("${SITE}" result output)
string(FIND "${output}" "Eigen/Core from ${SITE}/cmeel.prefix" chosen)
if(NOT result EQUAL 0 OR chosen EQUAL -1)
  message(FATAL_ERROR "with the wheel, its Eigen must be chosen:\n${output}")
endif()
