# SPDX-License-Identifier: MIT
# cmake -DCOMPILER= -DSOURCE= -DINCLUDES= -P: SOURCE must not compile, and the error must match its line "// expect: regex".
file(STRINGS ${SOURCE} expected REGEX "^// expect: " LIMIT_COUNT 1)
if(NOT expected)
  message(FATAL_ERROR "${SOURCE}: needs a line '// expect: regex' that says what the compiler's message must contain")
endif()
string(REPLACE "// expect: " "" expected "${expected}")
list(TRANSFORM INCLUDES PREPEND -I)
execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${COMPILER} -std=c++20 -fopenmp -fsyntax-only ${INCLUDES} ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE message)
if(result STREQUAL "0")
  message(FATAL_ERROR "${SOURCE} compiled, but must be refused with: ${expected}")
elseif(NOT message MATCHES "${expected}")
  message(FATAL_ERROR "${SOURCE} is refused, but the message does not contain '${expected}':\n${message}")
endif()
