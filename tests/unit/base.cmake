# SPDX-License-Identifier: Apache-2.0
foreach(part address str json yaml clock bytes system spool mask)
  sluice_test(base_${part}_test SOURCES unit/base_${part}_test.c LINK sluice_base)
endforeach()
