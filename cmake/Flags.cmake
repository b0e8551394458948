# SPDX-License-Identifier: Apache-2.0
# Warnings for every target; hardening flags are probed, not assumed.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wformat=2 -Wvla -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough
  -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=format-security)
add_compile_options(-include ${PROJECT_SOURCE_DIR}/base/banned.h)
add_compile_definitions(_GNU_SOURCE)
if(SLUICE_WERROR)
  add_compile_options(-Werror)
endif()

# Assertions guard invariants whose failure must stop a run: they stay on in release builds.
set(CMAKE_C_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

# Adds each flag that the compiler (LINK: the linker) takes; the rest is silently not there.
function(sluice_probe kind)
  foreach(flag ${ARGN})
    string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
    # An unknown -W or -f option is only a warning for clang.
    set(CMAKE_REQUIRED_FLAGS -Werror)
    if(kind STREQUAL LINK)
      check_linker_flag(C ${flag} ${known})
    else()
      check_c_compiler_flag(${flag} ${known})
    endif()
    if(${known} AND kind STREQUAL LINK)
      add_link_options(${flag})
    elseif(${known})
      add_compile_options(${flag})
    endif()
  endforeach()
endfunction()

# The first that works of several spellings of one intent (newest first).
function(sluice_probe_first)
  foreach(flag ${ARGN})
    string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
    set(CMAKE_REQUIRED_FLAGS -Werror)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
      add_compile_options(${flag})
      return()
    endif()
  endforeach()
endfunction()

# The OpenSSF list for C, every build: what a wild pointer or a wild integer may do is bounded.
sluice_probe(COMPILE
  -fstack-protector-strong       # canaries in functions with arrays
  -fstack-clash-protection       # big frames touch every page, so the guard page is met
  -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing # no surprise from UB
  -fzero-init-padding-bits=all)
if(SLUICE_SANITIZE)
  sluice_probe(COMPILE -ftrivial-auto-var-init=pattern) # a read of it shows in the tests
else()
  sluice_probe(COMPILE -ftrivial-auto-var-init=zero)    # it is zero, not the last secret
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86")
  sluice_probe(COMPILE -fcf-protection=full)
else()
  sluice_probe(COMPILE -mbranch-protection=standard)
endif()
sluice_probe_first(-fstrict-flex-arrays=3 -fstrict-flex-arrays=2 -fstrict-flex-arrays=1)
sluice_probe(LINK
  LINKER:-z,relro LINKER:-z,now  # the tables of function addresses are read-only after the start
  LINKER:-z,noexecstack
  LINKER:--as-needed LINKER:--no-copy-dt-needed-entries)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C) # with POSITION_INDEPENDENT_CODE: executables are PIE

if(SLUICE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(SLUICE_TSAN)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT SLUICE_COVERAGE AND NOT CMAKE_BUILD_TYPE STREQUAL Debug)
  # Checked memcpy and friends need the optimiser; the sanitizers check the same and better.
  add_compile_options(-U_FORTIFY_SOURCE)
  sluice_probe_first(-D_FORTIFY_SOURCE=3 -D_FORTIFY_SOURCE=2)
endif()
if(SLUICE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link) # counts what runs; tests/fuzz links what counts with it
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(SLUICE_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
