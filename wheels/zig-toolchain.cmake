# Cross-compiles for Linux with zig, for the processor of EDGEWISE_PROCESSOR. The programs in zig/
# read EDGEWISE_ZIG and EDGEWISE_ZIG_TARGET from the environment: see wheel_build.py.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $ENV{EDGEWISE_PROCESSOR})

set(CMAKE_CXX_COMPILER "${CMAKE_CURRENT_LIST_DIR}/zig/cxx")
foreach(_tool AR CXX_COMPILER_AR)
  set(CMAKE_${_tool} "${CMAKE_CURRENT_LIST_DIR}/zig/ar" CACHE FILEPATH "")
endforeach()
foreach(_tool RANLIB CXX_COMPILER_RANLIB)
  set(CMAKE_${_tool} "${CMAKE_CURRENT_LIST_DIR}/zig/ranlib" CACHE FILEPATH "")
endforeach()

# zig's C++ library comes with its debugging symbols; no strip of this machine can take them out.
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-Wl,-s -Wl,--gc-sections")
set(CMAKE_STRIP true CACHE FILEPATH "")

# Headers and libraries of this machine are none of the target's; its Python is given by hand.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(PYBIND11_USE_CROSSCOMPILING ON)
