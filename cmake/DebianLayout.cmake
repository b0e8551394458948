# SPDX-License-Identifier: Apache-2.0
# cpack runs this on the installed tree before it packs it: what Debian's policy wants of a package, and nobody else.
set(share ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share)

# Debian's zsh has a folder of its own for packages.
file(MAKE_DIRECTORY ${share}/zsh/vendor-completions)
file(RENAME ${share}/zsh/site-functions/_sluice ${share}/zsh/vendor-completions/_sluice)
file(REMOVE_RECURSE ${share}/zsh/site-functions)

# $SOURCE_DATE_EPOCH decides the day, else it is today.
set(ENV{LC_ALL} C)
string(TIMESTAMP day "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${share}/doc/sluice/changelog
"sluice (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * The changes are in the history of the repository.

 -- ${CPACK_PACKAGE_CONTACT}  ${day}
")
file(GLOB texts ${share}/man/man1/*.1)
execute_process(COMMAND gzip -9n ${texts} ${share}/doc/sluice/changelog COMMAND_ERROR_IS_FATAL ANY)
file(CREATE_LINK sluice.1.gz ${share}/man/man1/kubectl-sluice.1.gz SYMBOLIC)

file(REMOVE ${share}/doc/sluice/LICENSE)
file(WRITE ${share}/doc/sluice/copyright
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Sluice

Files: *
Copyright: 2026 the contributors of Sluice
License: Apache-2.0
 On Debian systems the text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
")

# What the program and the one that is linked with everything need; dpkg-shlibdeps wants to stand in a source package.
set(sources ${CPACK_TOPLEVEL_DIRECTORY}/shlibdeps)
file(WRITE ${sources}/debian/control "Source: sluice\n\nPackage: sluice\nArchitecture: any\n")
execute_process(
  COMMAND dpkg-shlibdeps -O -e${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/bin/sluice -e${CPACK_SLUICE_LINKED}
  WORKING_DIRECTORY ${sources} OUTPUT_VARIABLE found ERROR_VARIABLE said RESULT_VARIABLE failed)
if(failed OR NOT found MATCHES "shlibs:Depends=([^\n]+)")
  message(FATAL_ERROR "dpkg-shlibdeps: ${said}")
endif()
string(PREPEND CPACK_DEBIAN_PACKAGE_DEPENDS "${CMAKE_MATCH_1}, ")
