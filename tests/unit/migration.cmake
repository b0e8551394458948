# SPDX-License-Identifier: Apache-2.0
sluice_test(migration_checksum_test SOURCES unit/migration_checksum_test.c LINK sluice_migration)
sluice_test(migration_name_test SOURCES unit/migration_name_test.c LINK sluice_migration)
sluice_test(migration_parse_test SOURCES unit/migration_parse_test.c LINK sluice_migration)
sluice_test(migration_placeholder_test SOURCES unit/migration_placeholder_test.c LINK sluice_migration)
sluice_test(migration_split_pg_test SOURCES unit/migration_split_pg_test.c LINK sluice_migration)
sluice_test(migration_control_test SOURCES unit/migration_control_test.c LINK sluice_migration)
sluice_test(migration_split_my_test SOURCES unit/migration_split_my_test.c LINK sluice_migration)
sluice_test(migration_classify_pg_test SOURCES unit/migration_classify_pg_test.c LINK sluice_migration)
sluice_test(migration_classify_my_test SOURCES unit/migration_classify_my_test.c LINK sluice_migration)
sluice_test(migration_script_test SOURCES unit/migration_script_test.c LINK sluice_migration)
sluice_test(migration_spooled_test SOURCES unit/migration_spooled_test.c LINK sluice_migration)
sluice_test(migration_mutation_test SOURCES unit/migration_mutation_test.c LINK sluice_migration)

# The real grammar as a second opinion, where its library is installed.
find_library(PG_QUERY_LIBRARY pg_query)
find_path(PG_QUERY_INCLUDE pg_query.h)
if(PG_QUERY_LIBRARY AND PG_QUERY_INCLUDE)
  sluice_test(migration_pg_query_test SOURCES unit/migration_pg_query_test.c
    LINK sluice_migration FOREIGN ${PG_QUERY_LIBRARY})
  target_include_directories(migration_pg_query_test SYSTEM PRIVATE ${PG_QUERY_INCLUDE})
endif()
sluice_test(migration_names_test SOURCES unit/migration_names_test.c LINK sluice_migration)
