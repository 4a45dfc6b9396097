# SPDX-License-Identifier: MIT
#
# cmake -DCOMMAND=<compiler call> -DEXPECT=<text | text> -P expect_error.cmake
#
# Checks that the call fails and that its very first error contains one of the
# texts; with an empty EXPECT, that it succeeds.

# The texts are English.
set(ENV{LC_ALL} C)
execute_process(
  COMMAND ${COMMAND}
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)

if(EXPECT STREQUAL "")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "This should compile:\n${output}")
  endif()
  return()
endif()

if(result EQUAL 0)
  message(FATAL_ERROR "This should not compile.")
endif()

string(REGEX MATCH "[^\n]* error: [^\n]*" first "${output}")
string(REPLACE " | " ";" texts "${EXPECT}")
foreach(text IN LISTS texts)
  string(FIND "${first}" "${text}" at)
  if(NOT at EQUAL -1)
    message(STATUS "${first}")
    return()
  endif()
endforeach()
message(
  FATAL_ERROR "The first error should say: ${EXPECT}\nIt says: ${first}\n\n"
              "${output}")
