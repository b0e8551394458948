# SPDX-License-Identifier: Apache-2.0
sluice_test(migration_checksum_test SOURCES unit/migration_checksum_test.c LINK sluice_migration)
sluice_test(migration_parse_test SOURCES unit/migration_parse_test.c LINK sluice_migration)
sluice_test(migration_placeholder_test SOURCES unit/migration_placeholder_test.c LINK sluice_migration)
