# SPDX-License-Identifier: MIT
#
# debug/fanfare.natvis, which no debugger here reads, is well-formed XML, speaks
# of the library's inline namespace, and names classes and members that the
# headers have.

cmake_policy(VERSION 3.23)

set(include ${CMAKE_CURRENT_LIST_DIR}/../../include/fanfare)
file(READ ${include}/debug/fanfare.natvis natvis)

# Well-formed: without its comments, all that is left after taking out innermost
# elements, again and again, is the declaration.
set(rest "${natvis}")
while(rest MATCHES "<!--")
  string(FIND "${rest}" "<!--" begin)
  string(FIND "${rest}" "-->" end)
  if(end LESS begin)
    message(FATAL_ERROR "A comment of the natvis file does not end.")
  endif()
  string(SUBSTRING "${rest}" 0 ${begin} before)
  math(EXPR end "${end} + 3")
  string(SUBSTRING "${rest}" ${end} -1 rest)
  string(PREPEND rest "${before}")
endwhile()
set(elements_text "${rest}")
string(REGEX MATCHALL "<[A-Za-z]+" elements "${rest}")
list(TRANSFORM elements REPLACE "<" "")
list(REMOVE_DUPLICATES elements)
set(text "([^<>&]|&(amp|lt|gt|quot)[;]|->)*")
set(attributes "( [A-Za-z]+=\"([^<>&\"]|&(amp|lt|gt|quot)[;]|->)*\")*")
set(before "")
while(NOT rest STREQUAL before)
  set(before "${rest}")
  foreach(name IN LISTS elements)
    string(REGEX REPLACE "<${name}${attributes}(/>|>${text}</${name}>)" ""
           rest "${rest}")
  endforeach()
endwhile()
string(STRIP "${rest}" rest)
if(NOT rest STREQUAL "<?xml version=\"1.0\" encoding=\"utf-8\"?>")
  message(FATAL_ERROR "The natvis file is no well-formed XML: ${rest}")
endif()

file(READ ${include}/detail/base/config.h config)
string(REGEX MATCH "#define FANFARE_ABI ([a-z0-9_]+)" _ "${config}")
set(abi "fanfare::${CMAKE_MATCH_1}::")

file(GLOB_RECURSE headers ${include}/*.h)
set(code "")
foreach(header IN LISTS headers)
  file(READ ${header} text)
  string(APPEND code "${text}")
endforeach()

string(REGEX MATCHALL "fanfare::[a-z0-9_]+::(detail::)?[A-Za-z]+" types
       "${natvis}")
list(REMOVE_DUPLICATES types)
foreach(type IN LISTS types)
  string(REGEX REPLACE ".*::" "" class "${type}")
  if(NOT type MATCHES "^${abi}" OR NOT code MATCHES "class [^;{]*${class} ")
    message(SEND_ERROR "There is no class ${type}.")
  endif()
endforeach()

# Members end with "_", or follow "." or "->", or are the first of these.
set(first listed offer members tally)
string(REGEX REPLACE "&[a-z]+[;]|xmlns=[^>]*|[][]" " " text "${elements_text}")
string(REGEX MATCHALL "[a-z][a-z_]*_[^A-Za-z0-9_]|(->|[.])[a-z]+[^A-Za-z_]"
       members "${text}")
list(TRANSFORM members REPLACE "[^A-Za-z0-9_]" "")
list(APPEND members ${first})
list(REMOVE_DUPLICATES members)
list(LENGTH members count)
foreach(member IN LISTS members)
  if(NOT code MATCHES "[^A-Za-z0-9_.>(]${member}( = |[;{(]| : 1)")
    message(SEND_ERROR "There is no member ${member}.")
  endif()
endforeach()
if(count LESS 25)
  message(FATAL_ERROR "Only ${count} members were found: ${members}")
endif()
message("Each of the ${count} members exists.")
