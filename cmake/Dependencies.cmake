# SPDX-License-Identifier: Apache-2.0
# One interface target per foreign library; folders link them PRIVATE.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# All that is missing is told at once, with what installs it.
set(missing "")
macro(sluice_library prefix module)
  pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
  if(NOT ${prefix}_FOUND)
    list(APPEND missing ${module})
  endif()
endmacro()
sluice_library(LIBGIT2 libgit2)
sluice_library(LIBPQ libpq)
sluice_library(MYSQL mysqlclient)
sluice_library(CURL libcurl)
sluice_library(CJSON libcjson)
sluice_library(CRYPTO libcrypto)
sluice_library(SSL libssl)
sluice_library(ZLIB zlib)
sluice_library(YAML yaml-0.1)
sluice_library(MICROHTTPD libmicrohttpd)
if(missing)
  list(JOIN missing ", " missing)
  message(FATAL_ERROR "libraries are missing: ${missing}; deploy/install-packages.sh build installs them")
endif()

# Whoever only builds the program needs no test framework.
if(SLUICE_TESTS)
  pkg_check_modules(CRITERION QUIET IMPORTED_TARGET criterion)
endif()
set(build_tests ${SLUICE_TESTS})
if(NOT CRITERION_FOUND AND SLUICE_TESTS STREQUAL "AUTO")
  message(STATUS "Criterion is not installed: the program is built without its tests "
    "(deploy/install-packages.sh tests installs it)")
  set(build_tests OFF)
elseif(NOT CRITERION_FOUND AND SLUICE_TESTS)
  message(FATAL_ERROR "the tests need Criterion: deploy/install-packages.sh tests installs it; "
    "without tests: -DSLUICE_TESTS=OFF")
endif()
