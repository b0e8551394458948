# SPDX-License-Identifier: Apache-2.0
sluice_test(database_journal_test SOURCES unit/database_journal_test.c LINK sluice_database)
sluice_test(database_settled_test SOURCES unit/database_settled_test.c LINK sluice_database)
sluice_test(database_lease_test SOURCES unit/database_lease_test.c LINK sluice_database)
sluice_test(database_foreign_test SOURCES unit/database_foreign_test.c LINK sluice_database)
sluice_test(database_pgdb_errors_test SOURCES unit/database_pgdb_errors_test.c LINK sluice_postgresql)
sluice_test(database_run_test SOURCES unit/database_run_test.c LINK sluice_database)
sluice_test(database_ask_test SOURCES unit/database_ask_test.c LINK sluice_database)
