# SPDX-License-Identifier: Apache-2.0
foreach(part errors progress recover rules)
  sluice_test(mydb_${part}_test SOURCES unit/mydb_${part}_test.c LINK sluice_mysql)
endforeach()
