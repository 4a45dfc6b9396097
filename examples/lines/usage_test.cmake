# SPDX-License-Identifier: MIT
#
# What the demo (PROGRAM) does with folders, odd files and wrong options. It
# works in FOLDER, which is made anew.

file(REMOVE_RECURSE ${FOLDER})
file(WRITE ${FOLDER}/tree/a.txt "one\ntwo two\n")
file(WRITE ${FOLDER}/tree/below/b.txt "no newline at the end")
file(WRITE ${FOLDER}/tree/below/empty.txt "")
file(WRITE ${FOLDER}/tree/-dash "five\n")
file(CREATE_LINK a.txt ${FOLDER}/tree/link.txt SYMBOLIC)
file(CREATE_LINK .. ${FOLDER}/tree/below/loop SYMBOLIC)
execute_process(COMMAND printf "bin\\0ary\\n"
                OUTPUT_FILE ${FOLDER}/tree/binary COMMAND_ERROR_IS_FATAL ANY)

# Runs the demo with the arguments and compares its exit status; leaves what it
# printed in `output` and `errors`.
macro(run status)
  execute_process(
    COMMAND ${PROGRAM} ${ARGN}
    WORKING_DIRECTORY ${FOLDER}
    INPUT_FILE tree/a.txt
    OUTPUT_VARIABLE output
    ERROR_VARIABLE errors
    RESULT_VARIABLE result)
  if(NOT result STREQUAL "${status}")
    message(FATAL_ERROR "lines ${ARGN} ended with ${result}, not ${status}:"
                        "\n${output}${errors}")
  endif()
endmacro()

function(expect what value wanted)
  if(NOT value STREQUAL wanted)
    message(FATAL_ERROR "${what} is\n${value}\ninstead of\n${wanted}")
  endif()
endfunction()

# A folder with all that is below it, links and the binary file left out.
run(0 --plain --top 1 tree)
expect("the result of a folder" "${output}"
"lines	4
bytes	38
longest	21	tree/below/b.txt	1
words	8
word	two	2
files	4
binary	1
unreadable	0
")
expect("what is on stderr" "${errors}" "")

# Links that are named are followed; after -- everything is a name, but '-' is
# standard input (a.txt), of which the second time nothing is left.
run(0 --plain --top=0 tree/link.txt - -- tree/-dash -)
expect("the result of four files" "${output}"
"lines	5
bytes	29
longest	7	tree/link.txt	2
words	3
files	4
binary	0
unreadable	0
")

# The rest is read although one file cannot be.
run(1 --plain --top 0 missing tree/a.txt)
expect("the result with a missing file" "${output}"
"lines	2
bytes	12
longest	7	tree/a.txt	2
words	2
files	1
binary	0
unreadable	1
")
expect("the report" "${errors}" "lines: missing: No such file or directory\n")

# Files are read in alphabetical order: of equals the first is the longest.
foreach(i RANGE 9 1 -1)
  file(WRITE ${FOLDER}/equal/${i} "equal\n")
endforeach()
run(0 --plain equal)
if(NOT output MATCHES "\nlongest\t5\tequal/1\t1\n")
  message(FATAL_ERROR "The first of nine equal lines is in:\n${output}")
endif()

# Nothing at all.
run(0 --plain tree/below/empty.txt)
expect("the result of an empty file" "${output}"
"lines	0
bytes	0
longest	0		0
words	0
files	1
binary	0
unreadable	0
")

# For people. The time is what it is.
run(0 --match two tree)
string(REGEX REPLACE "in [0-9.]+ s: .*lines/s, [0-9.]+ k?M?B/s\n" "in time\n" output
                     "${output}")
expect("the result for people" "${output}"
"count    4 lines, 38 bytes in time
longest  21 bytes at tree/below/b.txt:1
match    1 lines match two (25.0 %)
words    8 different ones, most often:
         two                        2  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         at                         1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         end                        1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         five                       1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         newline                    1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         no                         1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         one                        1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
         the                        1  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
files    4 read, 1 skipped as binary, 0 unreadable
")

run(0 --help)
if(NOT output MATCHES "^usage: lines ")
  message(FATAL_ERROR "--help prints:\n${output}")
endif()

# Wrong options: one line that says what is wrong, and nothing else.
foreach(
  wrong IN ITEMS "--nonsense" "-x" "--top" "--top many" "--top -1" "--top=3x"
                 "--match" "--match *(" "--plain=1")
  separate_arguments(arguments UNIX_COMMAND "${wrong}")
  run(2 ${arguments})
  expect("the output of ${wrong}" "${output}" "")
  if(NOT errors MATCHES "^lines: [^\n]+ [(]see --help[)]\n$")
    message(FATAL_ERROR "lines ${wrong} complains:\n${errors}")
  endif()
endforeach()
