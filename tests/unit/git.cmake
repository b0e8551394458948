# SPDX-License-Identifier: Apache-2.0
foreach(name known_hosts url paths dir wire)
  sluice_test(git_${name}_test SOURCES unit/git_${name}_test.c LINK sluice_git)
endforeach()
