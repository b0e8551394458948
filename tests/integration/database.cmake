# SPDX-License-Identifier: Apache-2.0
# The database port called directly, for what the command line does not show.
sluice_test(pg_apply_test SOURCES integration/pg_apply_test.c LINK sluice_postgresql sluice_database sluice_plan
  FOREIGN PkgConfig::LIBPQ LABEL integration)
set_source_files_properties(integration/pg_apply_test.c PROPERTIES
  COMPILE_DEFINITIONS "SLUICE_FOREIGN_FIRST=<libpq-fe.h>")
