# How every target is compiled: the interface library edgewise_options.

include(CheckCXXCompilerFlag)

add_library(edgewise_options INTERFACE)
if(MSVC)
  target_compile_options(edgewise_options INTERFACE /W4 $<$<BOOL:${EDGEWISE_WERROR}>:/WX>)
else()
  target_compile_options(edgewise_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow $<$<BOOL:${EDGEWISE_WERROR}>:-Werror>
    -ffunction-sections -fdata-sections)  # so that the linker leaves out what nobody calls
endif()

# One portable baseline for all translation units: Eigen's inline functions must not be compiled
# for two CPUs in one library (one-definition rule). aarch64 compilers start at armv8-a already.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  check_cxx_compiler_flag(-march=x86-64-v2 EDGEWISE_HAS_X86_64_V2)
  if(EDGEWISE_HAS_X86_64_V2)
    target_compile_options(edgewise_options INTERFACE -march=x86-64-v2)
  endif()
endif()

if(EDGEWISE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "edgewise: fuzzing needs clang: -DCMAKE_CXX_COMPILER=clang++")
  endif()
  set(EDGEWISE_SANITIZE ON)
  target_compile_options(edgewise_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(EDGEWISE_SANITIZE_THREADS)
  target_compile_options(edgewise_options INTERFACE -fsanitize=thread -O1 -g)
  target_link_options(edgewise_options INTERFACE -fsanitize=thread)
  set(EDGEWISE_LTO OFF)
elseif(EDGEWISE_SANITIZE)
  set(_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")  # which leaves it out of `undefined`
    list(APPEND _sanitize -fsanitize=float-cast-overflow)
  endif()
  # Sanitized code confuses GCC's own analysis: it warns of the standard library's <regex>.
  target_compile_options(edgewise_options INTERFACE
    ${_sanitize} -O1 $<IF:$<CXX_COMPILER_ID:Clang>,-gline-tables-only,-g> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(edgewise_options INTERFACE ${_sanitize})
endif()

if(EDGEWISE_LTO AND NOT EDGEWISE_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  include(CheckIPOSupported)
  check_ipo_supported(RESULT EDGEWISE_HAS_LTO OUTPUT _why LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${EDGEWISE_HAS_LTO})
endif()
