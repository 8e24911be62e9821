# SPDX-License-Identifier: MIT
# cmake -DPROGRAM= -DDIRECTORY= -DDATA= -P: runs PROGRAM in an emptied DIRECTORY that holds only a link data -> DATA.
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})
file(CREATE_LINK ${DATA} ${DIRECTORY}/data SYMBOLIC)
execute_process(COMMAND ${PROGRAM} WORKING_DIRECTORY ${DIRECTORY} RESULT_VARIABLE result)
if(NOT result STREQUAL "0")
  message(FATAL_ERROR "${PROGRAM} ended with: ${result}")
endif()
