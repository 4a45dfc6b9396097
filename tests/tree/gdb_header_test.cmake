# SPDX-License-Identifier: MIT
#
# debug/gdb.h carries debug/fanfare_gdb.py as it is. After a change of the
# script, `cmake -DWRITE=ON -P tests/tree/gdb_header_test.cmake` writes the
# header anew.

set(folder ${CMAKE_CURRENT_LIST_DIR}/../../include/fanfare/debug)
file(READ ${folder}/fanfare_gdb.py script)

string(REPLACE "\\" "\\\\" script "${script}")
string(REPLACE "\"" "\\\"" script "${script}")
string(REGEX REPLACE "([^\n]*)\n" "  .ascii \"\\1\\\\n\"\n" script "${script}")

set(wanted [==[
// SPDX-License-Identifier: MIT
#ifndef FANFARE_DEBUG_GDB_H_
#define FANFARE_DEBUG_GDB_H_

// Puts the pretty-printers of fanfare_gdb.py into the program, where gdb finds
// them. It does not belong to fanfare.h: include it in one source file.
//
// The script takes space in the program's file, but not in memory, beside the
// other sections of debug information; `strip` removes it together with them.
// Where there is no ELF, the header is empty.
//
// gdb loads what a program carries only if the user trusts the program's
// folder, by a line in ~/.config/gdb/gdbinit:
//
//   add-auto-load-safe-path <folder of the program>
//
// The rest is generated from fanfare_gdb.py (tests/tree/gdb_header_test.cmake).

#if defined(__GNUC__) && defined(__ELF__)
// clang-format off
asm(R"asm(
  .pushsection .debug_gdb_scripts, "MS", %progbits, 1
  .byte 4
  .ascii "fanfare_gdb.py\n"
]==])
string(APPEND wanted "${script}" [==[
  .byte 0
  .popsection
)asm");
// clang-format on
#endif

#endif  // FANFARE_DEBUG_GDB_H_
]==])

if(WRITE)
  file(WRITE ${folder}/gdb.h "${wanted}")
  return()
endif()
file(READ ${folder}/gdb.h found)
if(NOT found STREQUAL wanted)
  message(FATAL_ERROR "debug/gdb.h is not what follows from the script: "
                      "cmake -DWRITE=ON -P tests/tree/gdb_header_test.cmake")
endif()
