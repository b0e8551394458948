# SPDX-License-Identifier: Apache-2.0
# Writes what `sluice version -o json` says of the commit, at each build, and only if it is another one:
#
#   cmake -D SOURCE=FOLDER -D OUTPUT=FILE [-D COMMIT=TEXT] -P cmake/Commit.cmake
#
# COMMIT is for a build without git. "-dirty": tracked files differ from the commit.
cmake_minimum_required(VERSION 3.25)
if(NOT COMMIT)
  # No lock: whoever works in the checkout meanwhile is not disturbed. The folder may be another user's.
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env GIT_OPTIONAL_LOCKS=0 GIT_CEILING_DIRECTORIES=${SOURCE}/..
      git -c safe.directory=* -C ${SOURCE} describe --always --dirty --abbrev=40 --exclude=*
    OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed OR NOT COMMIT MATCHES "^[0-9a-f]+(-dirty)?$")
    set(COMMIT unknown)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT
  "#include \"cli/commands.h\"\nconst char sluice_commit[] = \"@COMMIT@\";\n")
