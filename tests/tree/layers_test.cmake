# SPDX-License-Identifier: MIT
#
# Each folder of include/fanfare/detail is a layer: its headers include only
# headers of the same layer and of those below it, and never a public one. Each
# .ipp file is included by its header and by src.h.

cmake_policy(VERSION 3.23)

set(base "")
set(wait base)
set(channel base wait)
set(select base wait channel)
set(subscription base wait channel)
set(feed base wait channel subscription)

set(detail "${CMAKE_CURRENT_LIST_DIR}/../../include/fanfare/detail")
file(GLOB_RECURSE headers RELATIVE "${detail}" "${detail}/*.h"
     "${detail}/*.ipp")
set(checked 0)
foreach(header IN LISTS headers)
  cmake_path(GET header PARENT_PATH layer)
  if(NOT DEFINED ${layer})
    message(SEND_ERROR "detail/${header}: \"${layer}\" is no layer.")
  endif()
  file(STRINGS "${detail}/${header}" includes REGEX "^#include <fanfare/")
  foreach(line IN LISTS includes)
    math(EXPR checked "${checked} + 1")
    if(NOT line MATCHES "^#include <fanfare/detail/([a-z]+)/")
      message(SEND_ERROR "detail/${header} includes a public header: ${line}")
    elseif(NOT CMAKE_MATCH_1 STREQUAL layer AND NOT CMAKE_MATCH_1 IN_LIST
                                                ${layer})
      message(SEND_ERROR "detail/${header}: ${layer} must not know "
                         "${CMAKE_MATCH_1}: ${line}")
    endif()
  endforeach()
endforeach()
file(GLOB_RECURSE parts RELATIVE "${detail}" "${detail}/*.ipp")
foreach(part IN LISTS parts)
  string(REGEX REPLACE "ipp$" "h" header "${part}")
  foreach(includer IN ITEMS "${detail}/${header}" "${detail}/../src.h")
    file(STRINGS "${includer}" includes
         REGEX "^#include <fanfare/detail/${part}>$")
    list(LENGTH includes count)
    if(NOT count EQUAL 1)
      message(SEND_ERROR "${includer} does not include detail/${part}.")
    endif()
  endforeach()
endforeach()
if(NOT parts OR checked LESS 100)
  message(FATAL_ERROR "Only ${checked} includes were found.")
endif()
