# SPDX-License-Identifier: MIT
# Defaults that only make sense when modelgrow itself is the project being built.
get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT CMAKE_BUILD_TYPE AND NOT multi_config)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  foreach(language CXX CUDA)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${CCACHE})
    endif()
  endforeach()
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

# Our own programs: warnings, this processor's instructions, and where the repository lies. Never part of an interface target.
add_library(modelgrow_own_code INTERFACE)
target_link_libraries(modelgrow_own_code INTERFACE modelgrow::modelgrow)
target_compile_options(modelgrow_own_code INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
# g++ 12 calls its own AVX-512 intrinsics uninitialised (GCC bug 105593) and "literal" + string an overlap (GCC bug 105651).
target_compile_options(modelgrow_own_code INTERFACE
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict>)
target_compile_definitions(modelgrow_own_code INTERFACE MODELGROW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(MODELGROW_WERROR)
  set(keep_warnings $<BOOL:$<TARGET_PROPERTY:MODELGROW_KEEP_WARNINGS>>)
  target_compile_options(modelgrow_own_code INTERFACE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:${keep_warnings}>>:-Werror>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror=missing-field-initializers>)  # see modelgrow-cuda.cmake
endif()
if(MODELGROW_MARCH)
  target_compile_options(modelgrow_own_code INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=${MODELGROW_MARCH}>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=${MODELGROW_MARCH}>)
endif()

include(cmake/compile-together.cmake)
