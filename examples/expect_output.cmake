# SPDX-License-Identifier: MIT
#
# cmake -DEXPECTED=<file> -P expect_output.cmake -- <program> [<argument>...]
#
# Fails unless the program succeeds and prints exactly what is in the file.

set(command "")
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(DEFINED after_dashes)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(after_dashes TRUE)
  endif()
endforeach()

file(READ "${EXPECTED}" expected)
execute_process(
  COMMAND ${command}
  OUTPUT_VARIABLE output
  RESULT_VARIABLE result)
if(NOT result STREQUAL "0")
  message(FATAL_ERROR "${command} ended with ${result}; it printed:\n${output}")
endif()
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "It printed:\n${output}\ninstead of:\n${expected}")
endif()
