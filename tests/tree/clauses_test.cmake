# SPDX-License-Identifier: MIT
#
# Every clause that the public headers mark, such as (F5), and each of Go's
# behaviours 1 to 41 is named by a test case: "F5 U2: unsubscribing …",
# "Go 7: …". Lists those that are not.

file(GLOB headers ${CMAKE_CURRENT_LIST_DIR}/../../include/fanfare/*.h)
set(wanted "")
foreach(header IN LISTS headers)
  file(READ ${header} text)
  string(REGEX MATCHALL "[(, ][CSUFPRLONV][0-9]+[),:]" marks "${text}")
  foreach(mark IN LISTS marks)
    string(REGEX MATCH "[CSUFPRLONV][0-9]+" clause "${mark}")
    list(APPEND wanted ${clause})
  endforeach()
endforeach()
foreach(behaviour RANGE 1 41)
  list(APPEND wanted Go${behaviour})
endforeach()
list(REMOVE_DUPLICATES wanted)

file(GLOB tests ${CMAKE_CURRENT_LIST_DIR}/../*/*_test.cc)
set(named "")
foreach(test IN LISTS tests)
  file(READ ${test} text)
  string(REGEX MATCHALL "TEST_CASE\\([ \n]*\"[A-Za-z0-9 ]+:" cases "${text}")
  foreach(case IN LISTS cases)
    string(REGEX REPLACE "^[^\"]*\"|:$" "" names "${case}")
    string(REGEX MATCHALL "[A-Za-z0-9]+" names "${names}")
    # "Go 10 11" names two behaviours.
    list(GET names 0 kind)
    if(kind STREQUAL "Go")
      list(POP_FRONT names)
      list(TRANSFORM names PREPEND Go)
    endif()
    list(APPEND named ${names})
  endforeach()
endforeach()

set(missing ${wanted})
list(REMOVE_ITEM missing ${named})
list(LENGTH wanted count)
if(missing)
  message(FATAL_ERROR "No test case names these: ${missing}")
endif()
message("Each of the ${count} clauses and behaviours is named by a test case.")
