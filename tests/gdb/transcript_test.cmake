# SPDX-License-Identifier: MIT
#
# cmake -DGDB=<gdb> -DPROGRAM=<states> [-DSCRIPT=<script> | -DCARRIED=ON]
#       -P transcript_test.cmake
#
# Runs the program under gdb, gives the commands of transcript.txt, and compares
# what gdb prints; then the same with a core file of the program. Without
# -DSCRIPT, the program carries the printers itself.

cmake_policy(VERSION 3.23)

macro(skip reason)
  message("skipped: ${reason}")
  return()
endmacro()

if(NOT GDB)
  skip("gdb is not installed.")
endif()
set(gdb ${GDB} -batch -nx -iex "set debuginfod enabled off")
execute_process(COMMAND ${gdb} -ex "python print('it has ' + 'Python')"
                OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT said MATCHES "it has Python")
  skip("this gdb has no Python.")
endif()

# The commands, each behind what a user would see of it.
set(transcript ${CMAKE_CURRENT_LIST_DIR}/transcript.txt)
file(READ ${transcript} wanted)
string(FIND "${wanted}" "(gdb) " begin)
string(SUBSTRING "${wanted}" ${begin} -1 wanted)
string(REGEX MATCHALL "\\(gdb\\) [^\n]*" commands "${wanted}")
string(REGEX REPLACE "\\(gdb\\) ([^;]*)" "echo (gdb) \\1\\\\n\n\\1\n" commands
                     "${commands}")
string(REPLACE ";" "" commands "${commands}")

set(core ${PROGRAM}.core)
file(REMOVE ${core})
set(load "set width 0\nset height 0\n")
if(SCRIPT)
  string(APPEND load "source ${SCRIPT}\n")
else()
  cmake_path(GET PROGRAM PARENT_PATH folder)
  list(APPEND gdb -iex "add-auto-load-safe-path ${folder}")
endif()
set(tail "${commands}echo (end)\\n\n")
file(WRITE ${PROGRAM}.live.gdb
     "${load}break AllStatesReached\nrun\n${tail}generate-core-file ${core}\n")
file(WRITE ${PROGRAM}.core.gdb "${load}core-file ${core}\n${tail}")

foreach(what IN ITEMS live core)
  execute_process(
    COMMAND ${gdb} -x ${PROGRAM}.${what}.gdb ${PROGRAM}
    OUTPUT_VARIABLE output
    ERROR_VARIABLE errors
    RESULT_VARIABLE result)
  if("${output}${errors}" MATCHES "ptrace: Operation not permitted")
    skip("gdb may not run programs here.")
  endif()
  string(FIND "${output}" "(gdb) " begin)
  string(FIND "${output}" "(end)" end)
  if(begin EQUAL -1 OR end EQUAL -1)
    message(FATAL_ERROR "gdb (${what}) said:\n${output}\n${errors}\n${result}")
  endif()
  math(EXPR length "${end} - ${begin}")
  string(SUBSTRING "${output}" ${begin} ${length} said)
  string(REGEX REPLACE "\n[$][0-9]+ = " "\n" said "${said}")
  string(REGEX REPLACE "at address 0x[0-9a-f]+" "at address ..." said "${said}")
  if(NOT said STREQUAL wanted)
    file(WRITE ${PROGRAM}.${what}.txt "${said}")
    message(FATAL_ERROR "gdb (${what}) printed something else than ${transcript}"
                        " has. See ${PROGRAM}.${what}.txt:\n${said}")
  endif()
  if("${errors}" MATCHES "RTTI symbol|Python|rror")
    message(FATAL_ERROR "gdb (${what}) said:\n${errors}")
  endif()
endforeach()
file(REMOVE ${core})
