# SPDX-License-Identifier: MIT
# modelgrow::compiled: what every x_inl.hpp defines, once in a static library, one unit for each room. Whoever links it
# includes declarations only, and compiles several times as fast; nothing else changes.
set(units)
set(definitions ${headers})
list(FILTER definitions INCLUDE REGEX "_inl[.]hpp$")
foreach(header ${definitions})
  file(RELATIVE_PATH header ${PROJECT_SOURCE_DIR}/include ${header})
  string(REGEX REPLACE "^modelgrow/([^/]*)/.*" "\\1" room ${header})
  list(APPEND rooms ${room})
  string(APPEND definitions_of_${room} "#include <${header}>\n")
endforeach()
list(REMOVE_DUPLICATES rooms)
foreach(room ${rooms})
  file(CONFIGURE OUTPUT compiled/${room}.cpp CONTENT "${definitions_of_${room}}" @ONLY)
  list(APPEND units ${CMAKE_CURRENT_BINARY_DIR}/compiled/${room}.cpp)
endforeach()
add_library(modelgrow_compiled STATIC ${units})
add_library(modelgrow::compiled ALIAS modelgrow_compiled)
target_link_libraries(modelgrow_compiled PUBLIC modelgrow)
target_compile_definitions(modelgrow_compiled PUBLIC MODELGROW_COMPILED)
set_target_properties(modelgrow_compiled PROPERTIES EXPORT_NAME compiled POSITION_INDEPENDENT_CODE ON)
if(NOT MODELGROW_COMPILED)  # still built for targets that link it
  set_target_properties(modelgrow_compiled PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(modelgrow_compiled PRIVATE -Wall -Wextra $<$<BOOL:${MODELGROW_WERROR}>:-Werror>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict>)
endif()
