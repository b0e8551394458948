# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` installs, and the Debian package that cpack makes of it: docs/how-to/packages.md.
include(GNUInstallDirs)
set(pages ${PROJECT_BINARY_DIR}/pages)

install(TARGETS sluice RUNTIME)
install(PROGRAMS ${PROJECT_BINARY_DIR}/kubectl-sluice DESTINATION ${CMAKE_INSTALL_BINDIR}) # a link
install(DIRECTORY ${pages}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(FILES ${pages}/sluice.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME sluice)
install(FILES ${pages}/_sluice DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${pages}/sluice.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
# Side by side as in the repository: the base of kustomize names the definitions by ../../../crds.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/crds DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/deploy/kustomize DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice/deploy)
foreach(page LICENSE README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md)
  install(FILES ${PROJECT_SOURCE_DIR}/${page} DESTINATION ${CMAKE_INSTALL_DOCDIR})
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/deploy/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/deploy) # pages lead to it

# ---- the Debian package ------------------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sluice)
set(SLUICE_MAINTAINER "Sluice maintainers <maintainers@sluice.dev>" CACHE STRING "who answers for the Debian package")
set(CPACK_PACKAGE_CONTACT ${SLUICE_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "SQL migrations from git to many databases, canary first")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Sluice takes SQL migrations from a git repository to many databases: in order,
exactly once, one database first. PostgreSQL, MariaDB and MySQL; Flyway's file
names and history table as they are.
.
One program in three roles: a controller that watches repositories and
MigrationPlans (of a Kubernetes cluster or of a folder), a runner that applies
files to one database, and a command line that does the same by hand.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
# DebianLayout.cmake adds what dpkg-shlibdeps finds: also libraries that the program loads on demand (cli/ondemand.h).
set(CPACK_DEBIAN_PACKAGE_DEPENDS ca-certificates)
set(CPACK_SLUICE_LINKED ${PROJECT_BINARY_DIR}/cli/sluice_linked)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, kubernetes-client")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/DebianLayout.cmake)
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
