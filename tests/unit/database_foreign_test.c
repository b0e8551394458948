/* SPDX-License-Identifier: Apache-2.0 */
/* Whose history a table is: by its name and its columns. */
#include "database/engine.h"
#include "tests/unit/rows.h"

Test(foreign, tools_are_told_by_name_and_columns)
{
    static const struct {
        const char *name, *table, *columns, *want;
    } rows[] = {
        { "golang-migrate", "schema_migrations", "version,dirty", "golang-migrate" },
        { "columns in another order", "schema_migrations", "dirty,version", "golang-migrate" },
        { "dbmate, Rails", "schema_migrations", "version", "dbmate or Rails" },
        { "upper case as on Windows", "SCHEMA_MIGRATIONS", "version", "dbmate or Rails" },
        { "goose", "goose_db_version", "id,version_id,is_applied,tstamp", "goose" },
        { "Liquibase", "DATABASECHANGELOG",
          "id,author,filename,dateexecuted,orderexecuted,exectype,md5sum", "Liquibase" },
        { "Alembic", "alembic_version", "version_num", "Alembic" },
        { "Django", "django_migrations", "id,app,name,applied", "Django" },
        { "Laravel", "migrations", "id,migration,batch", "Laravel" },
        { "TypeORM", "migrations", "id,timestamp,name", "TypeORM" },
        { "an application's own table", "migrations", "id,from_country,to_country", NULL },
        { "a part of a name is no name", "schema_migrations", "schema_version,dirtyness", NULL },
        { "Prisma", "_prisma_migrations",
          "id,checksum,finished_at,migration_name,logs,rolled_back_at,started_at", "Prisma" },
        { "Atlas", "atlas_schema_revisions", "version,description,type,applied,total", "Atlas" },
        { "Knex", "knex_migrations", "id,name,batch,migration_time", "Knex" },
        { "Entity Framework", "__EFMigrationsHistory", "migrationid,productversion",
          "Entity Framework" },
        { "Flyway under another name", "my_history",
          "installed_rank,version,description,type,script,checksum,installed_by,installed_on,"
          "execution_time,success",
          "Flyway" },
        { "ranks of something else", "medals", "installed_rank,athlete", NULL },
        { "no columns", "schema_migrations", "", NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = foreign_tool(rows[i].table, rows[i].columns);
        check_text(rows[i].name, got ? got : "none", rows[i].want ? rows[i].want : "none");
    }
}
