# SPDX-License-Identifier: MIT
#
# Compares the results of the demo (PROGRAM) on a large file, which is made in
# FOLDER, with those of the tools that count the same one by one.

set(ENV{LC_ALL} C)
set(pattern "(fan|fare)s?[.]$|^[A-Z][a-z]+ [^ ]*o")
set(top 25)

# 110,000 lines of pseudo-random words, among them empty lines, tabs, capitals,
# bytes that are not ASCII, and lines longer than the blocks that are read.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(
  COMMAND
    awk [[
    function random(n) { seed = (seed * 16807) % 2147483647; return seed % n }
    BEGIN {
      seed = 42
      size = split("fan/fare/Fanfare/feed/na\357ve/Channel/SELECT/select./go;" \
                   "/a/I don't/x-ray\tscope/scope/send/Send/fans./fares./42" \
                   "/stop\rtoken/of/O", words, "/")
      for (i = 0; i < 110000; ++i) {
        line = ""
        length_of_line = i % 40000 == 777 ? 20000 + random(20000) : random(10)
        for (j = 0; j < length_of_line; ++j) {
          # The smaller of two: some words are more frequent than others.
          a = random(size); b = random(size)
          line = line (j ? " " : "") words[(a < b ? a : b) + 1]
        }
        print line
      }
    }]]
  OUTPUT_FILE ${FOLDER}/text COMMAND_ERROR_IS_FATAL ANY)

execute_process(
  COMMAND wc -l text
  COMMAND awk [[{ print "lines\t" $1 }]]
  WORKING_DIRECTORY ${FOLDER}
  OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND wc -c text
  COMMAND awk [[{ print "bytes\t" $1 }]]
  WORKING_DIRECTORY ${FOLDER}
  OUTPUT_VARIABLE bytes COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND awk [[
    length($0) > size { size = length($0); line = NR }
    END { print "longest\t" size "\tFILE\t" line }]] text
  WORKING_DIRECTORY ${FOLDER}
  OUTPUT_VARIABLE longest COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND grep -cE ${pattern} text
  COMMAND awk [[{ print "matches\t" $1 }]]
  WORKING_DIRECTORY ${FOLDER}
  OUTPUT_VARIABLE matches COMMAND_ERROR_IS_FATAL ANY)
# `uniq -c` of all words: once counted, once cut at the top.
execute_process(
  COMMAND tr -cs A-Za-z [[\n]]
  COMMAND tr A-Z a-z
  COMMAND grep .
  COMMAND sort
  COMMAND uniq -c
  COMMAND sort -k1,1nr -k2,2
  COMMAND awk -v top=${top} [[
    NR <= top { words = words "word\t" $2 "\t" $1 "\n" }
    END { printf "words\t%d\n%s", NR, words }]]
  INPUT_FILE ${FOLDER}/text
  OUTPUT_VARIABLE words COMMAND_ERROR_IS_FATAL ANY)
set(expected "${lines}${bytes}${longest}${matches}${words}")
string(APPEND expected "files\t1\nbinary\t0\nunreadable\t0\n")

# Compares the output of the demo with `expected`, in which FILE stands for
# `name`.
function(expect name)
  string(REPLACE FILE "${name}" wanted "${expected}")
  execute_process(
    COMMAND ${PROGRAM} --plain --match ${pattern} --top ${top} ${ARGN}
    WORKING_DIRECTORY ${FOLDER}
    OUTPUT_VARIABLE output
    RESULT_VARIABLE result)
  if(NOT result STREQUAL "0" OR NOT output STREQUAL wanted)
    message(FATAL_ERROR "lines ended with ${result} and printed:\n${output}"
                        "\ninstead of:\n${wanted}")
  endif()
endfunction()

expect(text text)
expect("standard input" - INPUT_FILE text)
expect("standard input" INPUT_FILE text)
