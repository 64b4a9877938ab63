# libedgewise, shared and static: the core behind the C interface, and what is installed of it.
# Components of its own (edgewise-runtime, edgewise-development), so that the wheel stays as it is.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
find_package(Threads REQUIRED)

file(GLOB EDGEWISE_C_SOURCES CONFIGURE_DEPENDS native/c/*.cpp)
add_library(edgewise_c OBJECT ${EDGEWISE_C_SOURCES})
target_compile_definitions(edgewise_c PRIVATE EDGEWISE_BUILDING)
target_include_directories(edgewise_c PRIVATE native/c)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(edgewise_c PRIVATE -Os)  # hands on to the core, and does nothing itself
endif()
target_link_libraries(edgewise_c PRIVATE edgewise_core edgewise_options)

# A static library is linked by other compilers than ours, which cannot read what ours writes for
# optimising across translation units.
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(edgewise_core PRIVATE -ffat-lto-objects)
  target_compile_options(edgewise_c PRIVATE -ffat-lto-objects)
endif()

add_library(edgewise SHARED $<TARGET_OBJECTS:edgewise_c>)
add_library(edgewise_static STATIC $<TARGET_OBJECTS:edgewise_c> $<TARGET_OBJECTS:edgewise_core>)
set_target_properties(edgewise_static PROPERTIES OUTPUT_NAME edgewise)
target_compile_definitions(edgewise_static INTERFACE EDGEWISE_STATIC)
target_link_libraries(edgewise_static PRIVATE Threads::Threads)
target_link_libraries(edgewise PRIVATE edgewise_core edgewise_options Threads::Threads)

# The ABI may change with MAJOR.MINOR until 1.0, with MAJOR from then on.
set(_abi ${PROJECT_VERSION_MAJOR})
set(_compatible SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(_abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  set(_compatible SameMinorVersion)
endif()
set_target_properties(edgewise PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${_abi})

# Hidden visibility leaves the standard library's templates visible; the version script does not.
if(UNIX AND NOT APPLE)
  set(_exports "${PROJECT_SOURCE_DIR}/native/c/exports.map")
  target_link_options(edgewise PRIVATE "LINKER:--version-script=${_exports}" "LINKER:--no-undefined")
  if(NOT EDGEWISE_SANITIZE AND NOT EDGEWISE_SANITIZE_THREADS)
    target_link_options(edgewise PRIVATE "LINKER:--gc-sections")
  else()
    # The sanitizers' own functions come from the program.
    target_link_options(edgewise PRIVATE "LINKER:--unresolved-symbols=ignore-all")
  endif()
  set_target_properties(edgewise PROPERTIES LINK_DEPENDS "${_exports}")
endif()

foreach(_target edgewise edgewise_static)
  target_include_directories(${_target} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/native/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

install(TARGETS edgewise EXPORT edgewise-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    COMPONENT edgewise-runtime NAMELINK_COMPONENT edgewise-development
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT edgewise-runtime
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT edgewise-development)
install(TARGETS edgewise_static EXPORT edgewise-static-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT edgewise-development)
install(FILES native/include/edgewise/edgewise.h native/include/edgewise/edgewise.hpp
    ${PROJECT_BINARY_DIR}/include/edgewise/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/edgewise COMPONENT edgewise-development)

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/edgewise)
foreach(_export edgewise-targets edgewise-static-targets)
  install(EXPORT ${_export} NAMESPACE edgewise:: DESTINATION ${_package}
    COMPONENT edgewise-development)
endforeach()
configure_package_config_file(native/cmake/edgewise-config.cmake.in edgewise-config.cmake
  INSTALL_DESTINATION ${_package})
write_basic_package_version_file(edgewise-config-version.cmake COMPATIBILITY ${_compatible})
install(FILES ${PROJECT_BINARY_DIR}/edgewise-config.cmake
    ${PROJECT_BINARY_DIR}/edgewise-config-version.cmake
  DESTINATION ${_package} COMPONENT edgewise-development)

# Paths are relative to the .pc file, so that what was installed may be moved.
file(RELATIVE_PATH _up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" EDGEWISE_PC_PREFIX "${_up}")
configure_file(native/cmake/edgewise.pc.in edgewise.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/edgewise.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT edgewise-development)

# What the library predicts and classifies by.
file(GLOB _bundles CONFIGURE_DEPENDS sdk/edgewise/bundles/*.safetensors)
install(FILES ${_bundles} DESTINATION ${CMAKE_INSTALL_DATADIR}/edgewise/bundles
  COMPONENT edgewise-bundles EXCLUDE_FROM_ALL)
