# SPDX-License-Identifier: MIT
# modelgrow::compiled: what every x_inl.hpp defines and what instances/ lists, once in static libraries. Whoever links it
# includes declarations only, and compiles several times as fast; nothing else changes. What trains stands in a library of
# its own, modelgrow::training, behind modelgrow::growth: a program that only grows need not wait for it.
set(training train instances/train)

# Definitions: one unit for each room, and one for those of the room that walk over the elements of tensors. Only these are
# optimised in full; the others read texts, check and print, and are waited for.
set(walk_over_elements checkpoint/convert grow/apply grow/file_check)
set(definitions ${headers})
list(FILTER definitions INCLUDE REGEX "_inl[.]hpp$")
foreach(header ${definitions})
  string(REGEX REPLACE "^.*/include/modelgrow/(.*)_inl[.]hpp$" "\\1" idea ${header})
  string(REGEX REPLACE "/.*$" "" unit ${idea})
  if(idea IN_LIST walk_over_elements)
    string(APPEND unit _elements)
  endif()
  list(APPEND units ${unit})
  string(APPEND content_of_${unit} "#include <modelgrow/${idea}_inl.hpp>\n")
endforeach()
list(REMOVE_DUPLICATES units)
foreach(unit ${units})
  if(NOT unit MATCHES "_elements$")
    set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/compiled/${unit}.cpp
      PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O1>)
  endif()
endforeach()

# Instances: one unit for each list.
set(instances ${headers})
list(FILTER instances INCLUDE REGEX "/instances/[^/]*[.]hpp$")
foreach(header ${instances})
  cmake_path(GET header STEM list)
  list(APPEND units instances/${list})
  set(content_of_instances/${list} "#define MODELGROW_INSTANTIATE\n#include <modelgrow/instances/${list}.hpp>\n")
endforeach()

foreach(unit ${units})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/compiled/${unit}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "${content_of_${unit}}" @ONLY)
  if(unit IN_LIST training)
    list(APPEND sources_training ${source})
  else()
    list(APPEND sources_growth ${source})
  endif()
endforeach()
foreach(library growth training)
  add_library(modelgrow_${library} STATIC ${sources_${library}})
  add_library(modelgrow::${library} ALIAS modelgrow_${library})
  set_target_properties(modelgrow_${library} PROPERTIES EXPORT_NAME ${library} POSITION_INDEPENDENT_CODE ON)
  if(NOT MODELGROW_COMPILED)  # still built for targets that link it
    set_target_properties(modelgrow_${library} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(modelgrow_${library} PRIVATE -Wall -Wextra $<$<BOOL:${MODELGROW_WERROR}>:-Werror>
      $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict>)
  endif()
endforeach()
target_link_libraries(modelgrow_growth PUBLIC modelgrow)
target_compile_definitions(modelgrow_growth PUBLIC MODELGROW_COMPILED)
if(MODELGROW_MARCH)  # for both sides, since Eigen lays out memory by the instructions that it may use
  target_compile_options(modelgrow_growth PUBLIC $<$<COMPILE_LANGUAGE:CXX>:-march=${MODELGROW_MARCH}>)
endif()
target_link_libraries(modelgrow_training PUBLIC modelgrow_growth)
add_library(modelgrow_compiled INTERFACE)
add_library(modelgrow::compiled ALIAS modelgrow_compiled)
set_target_properties(modelgrow_compiled PROPERTIES EXPORT_NAME compiled)
target_link_libraries(modelgrow_compiled INTERFACE modelgrow_training)
