# SPDX-License-Identifier: Apache-2.0
# Writes the table of cli/ondemand.h:
#
#   cmake -D NM=nm -D OBJDUMP=objdump -D PROGRAM=FILE -D LIBRARIES=FILE,FILE -D OUTPUT=FILE -P cmake/Ondemand.cmake
#
# PROGRAM calls the same functions of LIBRARIES, but is linked with them: what is undefined in it, and defined in one of
# them, is in the table.
cmake_minimum_required(VERSION 3.25)

function(output_of out)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# "                 U PQclear@RHPG_9.6": the names before the @.
output_of(text ${NM} -D --undefined-only ${PROGRAM})
string(REGEX MATCHALL "[A-Za-z_][A-Za-z0-9_]+(@[^\n]*)?\n" wanted "${text}")
list(TRANSFORM wanted REPLACE "(@.*)?\n" "")
list(SORT wanted)

set(number 0)
set(names "")
set(jumps "")
set(rows "")
string(REPLACE "," ";" LIBRARIES "${LIBRARIES}")
foreach(library ${LIBRARIES})
  output_of(text ${OBJDUMP} -p ${library})
  if(NOT text MATCHES "SONAME +([^ \n]+)")
    message(FATAL_ERROR "${library} has no SONAME")
  endif()
  set(soname ${CMAKE_MATCH_1})
  output_of(text ${NM} -D --defined-only ${library})
  string(REGEX MATCHALL "[A-Za-z_][A-Za-z0-9_]+(@[^\n]*)?\n" has "${text}")
  list(TRANSFORM has REPLACE "(@.*)?\n" "")
  set(first ${number})
  foreach(name ${wanted})
    if(name IN_LIST has)
      string(APPEND names "    \"${name}\",\n")
      string(APPEND jumps "JUMP(${number}, ${name})\n")
      math(EXPR number "${number} + 1")
    endif()
  endforeach()
  math(EXPR count "${number} - ${first}")
  if(count EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} calls nothing of ${library}")
  endif()
  string(APPEND rows "    { \"${soname}\", ${first}, ${count} },\n")
endforeach()

# A page is 4 KiB on x86-64. Nothing else may stand in those that become read-only.
math(EXPR bytes "(${number} * 8 + 4095) / 4096 * 4096")
math(EXPR slots "${bytes} / 8")
file(WRITE ${OUTPUT} "/* Made by cmake/Ondemand.cmake. */
#include \"cli/ondemand.h\"

#define JUMP(number, name)                                    \\
    __asm__(\".pushsection .text\\n\"                           \\
            \".balign 16\\n\"                                   \\
            \".globl \" #name \"\\n\"                             \\
            \".hidden \" #name \"\\n\"                            \\
            \".type \" #name \", @function\\n\"                   \\
            #name \":\\n\"                                      \\
            \"  endbr64\\n\"                                    \\
            \"  movq ondemand_slots+8*\" #number \"(%rip), %r11\\n\" \\
            \"  testq %r11, %r11\\n\"                           \\
            \"  jz 1f\\n\"                                      \\
            \"  jmp *%r11\\n\"                                  \\
            \"1: movl $\" #number \", %r11d\\n\"                  \\
            \"  jmp ondemand_start\\n\"                         \\
            \".size \" #name \", . - \" #name \"\\n\"               \\
            \".popsection\\n\");

const struct ondemand_library ondemand_libraries[] = {
${rows}};
const size_t ondemand_library_count = sizeof ondemand_libraries / sizeof *ondemand_libraries;
const char *const ondemand_names[] = {
${names}};
__attribute__((aligned(4096), visibility(\"hidden\"))) void *ondemand_slots[${slots}];
const size_t ondemand_slots_bytes = sizeof ondemand_slots;

${jumps}")
