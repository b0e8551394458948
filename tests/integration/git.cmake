# SPDX-License-Identifier: Apache-2.0
# git/ from the command line, for the git_*.sh scripts.
add_executable(git_probe integration/git_probe.c)
target_link_libraries(git_probe PRIVATE sluice_git sluice_model sluice_base)
