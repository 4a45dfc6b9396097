# SPDX-License-Identifier: MIT
#
# Every message of the library, of an error while compiling, an exception or an
# assertion, is expected, word for word, by a test. Lists those that are not.

file(GLOB_RECURSE headers ${CMAKE_CURRENT_LIST_DIR}/../../include/fanfare/*.h
     ${CMAKE_CURRENT_LIST_DIR}/../../include/fanfare/*.ipp)
set(wanted "")
foreach(header IN LISTS headers)
  file(READ ${header} text)
  # One message may be several literals.
  string(REGEX REPLACE "\"[ \n]+\"" "" text "${text}")
  string(REGEX MATCHALL "\"fanfare: [^\"]*\"|nodiscard\\(\"[^\"]*\"" messages
               "${text}")
  list(APPEND wanted ${messages})
endforeach()
list(TRANSFORM wanted REPLACE "^nodiscard\\(" "")
list(TRANSFORM wanted REPLACE "\"" "")
list(REMOVE_DUPLICATES wanted)

file(GLOB tests ${CMAKE_CURRENT_LIST_DIR}/../compile_fail/*.cc
     ${CMAKE_CURRENT_LIST_DIR}/../*/*_test.cc)
set(expected "")
foreach(test IN LISTS tests)
  file(READ ${test} text)
  string(REPLACE "\n// " " " text "${text}")
  string(REGEX REPLACE "\"[ \n]+\"" "" text "${text}")
  string(APPEND expected "${text}")
endforeach()

set(missing "")
foreach(message IN LISTS wanted)
  string(FIND "${expected}" "${message}" at)
  if(at EQUAL -1)
    list(APPEND missing "${message}")
  endif()
endforeach()
list(LENGTH wanted count)
if(missing OR count LESS 15)
  list(JOIN missing "\n  " missing)
  message(FATAL_ERROR "Of ${count} messages no test expects:\n  ${missing}")
endif()
message("Each of the ${count} messages is expected by a test.")
