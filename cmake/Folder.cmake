# SPDX-License-Identifier: Apache-2.0
# sluice_folder(NAME SOURCES a.c b.c LINK sluice_base FOREIGN PkgConfig::LIBPQ)
# One static library per folder; our libraries are PUBLIC, foreign ones PRIVATE.
function(sluice_folder name)
  cmake_parse_arguments(F "" "" "SOURCES;LINK;FOREIGN" ${ARGN})
  add_library(sluice_${name} STATIC ${F_SOURCES})
  target_include_directories(sluice_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(sluice_${name} PUBLIC ${F_LINK} PRIVATE ${F_FOREIGN})
endfunction()
