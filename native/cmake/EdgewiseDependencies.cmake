# Finds the two header-only build inputs in their registry wheels, and nowhere else.
#
# Neither wheel tells CMake where it is. A build by pip has pybind11 in the same site-packages
# folder, so the folder follows from there; a plain CMake build names it in EDGEWISE_DEPS_PREFIX.
# A system Eigen is never taken: its version would be an accident of the machine.

set(_site "${EDGEWISE_DEPS_PREFIX}")
if(NOT _site AND pybind11_DIR)
  get_filename_component(_site "${pybind11_DIR}/../../../.." ABSOLUTE)
endif()

function(_edgewise_find_headers target variable header package)
  find_path(${variable} ${header} PATHS ${ARGN} NO_DEFAULT_PATH)
  if(NOT ${variable})
    message(FATAL_ERROR
      "edgewise: no ${header} below '${_site}'. Install the wheel (pip install ${package}) and "
      "give its site-packages folder: -DEDGEWISE_DEPS_PREFIX=...")
  endif()
  get_filename_component(_real "${${variable}}" REALPATH)
  if(_real MATCHES "^/usr/(local/)?include")
    message(FATAL_ERROR
      "edgewise: ${header} would come from the system (${_real}), not from the ${package} wheel. "
      "Give the wheel's site-packages folder: -DEDGEWISE_DEPS_PREFIX=...")
  endif()
  message(STATUS "edgewise: ${header} from ${${variable}}")
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE "${${variable}}")
endfunction()

_edgewise_find_headers(edgewise_eigen EDGEWISE_EIGEN_DIR Eigen/Core cmeel-eigen
  "${_site}/cmeel.prefix/include/eigen3")
_edgewise_find_headers(edgewise_json EDGEWISE_JSON_DIR nlohmann/json.hpp nlohmann-json
  "${_site}/nlohmann_json/include")
