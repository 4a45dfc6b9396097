# SPDX-License-Identifier: MIT
#
# The first C++ block of the README is the first example, word for word: what a
# newcomer reads first is compiled, run and checked.

set(root ${CMAKE_CURRENT_LIST_DIR}/../..)
file(GLOB example ${root}/examples/01_*.cc)
file(READ "${example}" code)
file(READ ${root}/README.md readme)

string(FIND "${readme}" "```cpp\n${code}```\n" at)
string(FIND "${readme}" "```cpp\n" first)
if(at EQUAL -1 OR NOT at EQUAL first)
  message(FATAL_ERROR "The README's first C++ block is not ${example}.")
endif()
