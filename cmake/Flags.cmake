# SPDX-License-Identifier: Apache-2.0
# Warnings for every target; hardening flags are probed, not assumed.
include(CheckCCompilerFlag)
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wformat=2 -Wvla -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough
  -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=format-security)
add_compile_options(-include ${PROJECT_SOURCE_DIR}/reconcile/base/banned.h)
add_compile_definitions(_GNU_SOURCE)
if(SLUICE_WERROR)
  add_compile_options(-Werror)
endif()
if(SLUICE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(SLUICE_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
