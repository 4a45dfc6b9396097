# SPDX-License-Identifier: MIT
#
# Every scenario of the model checker has a fault in mutants/mutants.txt that it
# has to notice, and each that is named there exists. Lists the others.

file(GLOB sources ${CMAKE_CURRENT_LIST_DIR}/../model/*_scenarios.cc)
set(wanted "")
foreach(source IN LISTS sources)
  file(READ ${source} text)
  string(REGEX MATCHALL "Scenario{[ \n]*\"[a-z_]+\"" scenarios "${text}")
  list(APPEND wanted ${scenarios})
endforeach()
list(TRANSFORM wanted REPLACE "Scenario{[ \n]*\"|\"" "")

file(READ ${CMAKE_CURRENT_LIST_DIR}/../mutants/mutants.txt text)
string(REGEX MATCHALL "model_check:[a-z_]+" named "${text}")
list(TRANSFORM named REPLACE "model_check:" "")

list(LENGTH wanted count)
set(unknown ${named})
list(REMOVE_ITEM unknown ${wanted})
list(REMOVE_ITEM wanted ${named})
if(wanted OR count LESS 70)
  message(FATAL_ERROR "Of ${count} scenarios these have no fault: ${wanted}")
endif()
if(unknown)
  message(FATAL_ERROR "There are no such scenarios: ${unknown}")
endif()
message("Each of the ${count} scenarios has a fault to notice.")
