# SPDX-License-Identifier: MIT
#
# cmake -DCOMPILER=<c++> -DINCLUDE=<include folder> -P copy.cmake
#
# Uses the library as somebody does who has no build system: the headers are
# copied, and the compiler is called by hand. Works in the current folder.

file(COPY ${INCLUDE} DESTINATION copied)
execute_process(
  COMMAND ${COMPILER} -std=c++20 -pthread -Icopied/include
          ${CMAKE_CURRENT_LIST_DIR}/main.cc -o program
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ./program COMMAND_ERROR_IS_FATAL ANY)

# The same with the library in a file of its own (fanfare/src.h).
file(WRITE fanfare.cc "#include <fanfare/src.h>\n")
execute_process(
  COMMAND ${COMPILER} -std=c++20 -pthread -DFANFARE_SEPARATE_COMPILATION
          -Icopied/include ${CMAKE_CURRENT_LIST_DIR}/main.cc fanfare.cc -o
          two_files
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ./two_files COMMAND_ERROR_IS_FATAL ANY)
