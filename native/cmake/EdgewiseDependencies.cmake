# Finds the two header-only build inputs in their registry wheels, and nowhere else.
#
# Neither wheel tells CMake where it is. A build by pip looks through the folders that its Python
# imports from (the build environment's own first); a plain CMake build is told in
# EDGEWISE_DEPS_PREFIX. A system Eigen is never taken: its version would be an accident.

set(_sites "${EDGEWISE_DEPS_PREFIX}")
if(NOT _sites AND EDGEWISE_BUILD_PYTHON)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import sys; print(';'.join(filter(None, sys.path)))"
    OUTPUT_VARIABLE _sites OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()

# Not cached: a build environment of pip's is gone when the build folder is used again.
function(_edgewise_find_headers target variable header package below)
  find_path(${variable} ${header} PATHS ${_sites} PATH_SUFFIXES ${below} NO_DEFAULT_PATH NO_CACHE)
  if(NOT ${variable})
    message(FATAL_ERROR
      "edgewise: no ${header} below '${_sites}'. Install the wheel (pip install ${package}) and "
      "give its site-packages folder: -DEDGEWISE_DEPS_PREFIX=...")
  endif()
  get_filename_component(${variable} "${${variable}}" ABSOLUTE)  # without a slash at the end
  get_filename_component(_real "${${variable}}" REALPATH)
  if(_real MATCHES "^/usr/(local/)?include")
    message(FATAL_ERROR
      "edgewise: ${header} would come from the system (${_real}), not from the ${package} wheel. "
      "Give the wheel's site-packages folder: -DEDGEWISE_DEPS_PREFIX=...")
  endif()
  message(STATUS "edgewise: ${header} from ${${variable}}")
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE "${${variable}}")
  set(${variable} "${${variable}}" PARENT_SCOPE)
endfunction()

_edgewise_find_headers(edgewise_eigen EDGEWISE_EIGEN_DIR Eigen/Core cmeel-eigen
  cmeel.prefix/include/eigen3)
_edgewise_find_headers(edgewise_json EDGEWISE_JSON_DIR nlohmann/json.hpp nlohmann-json
  nlohmann_json/include)
