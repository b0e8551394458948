// SPDX-License-Identifier: Apache-2.0
// History tables of other tools: told apart by name and columns, never read. And who holds the lock, for people.
#include "base/auto.h"
#include "base/mem.h"
#include "database/engine.h"

static const struct {
    const char *table;   // lower case; NULL: any
    const char *columns; // that it has, parted by commas
    const char *tool;
} tools[] = {
    { NULL, "installed_rank,version,description,type,script,checksum,installed_by,success",
      "Flyway" },
    { "schema_migrations", "version,dirty", "golang-migrate" },
    { "schema_migrations", "version", "dbmate or Rails" },
    { "goose_db_version", "version_id,is_applied", "goose" },
    { "databasechangelog", "id,author,filename,orderexecuted", "Liquibase" },
    { "alembic_version", "version_num", "Alembic" },
    { "django_migrations", "app,name,applied", "Django" },
    { "migrations", "migration,batch", "Laravel" },
    { "migrations", "timestamp,name", "TypeORM" },
    { "_prisma_migrations", "migration_name,finished_at", "Prisma" },
    { "atlas_schema_revisions", "version,applied", "Atlas" },
    { "knex_migrations", "name,batch", "Knex" },
    { "__efmigrationshistory", "migrationid,productversion", "Entity Framework" },
    { "doctrine_migration_versions", "version,executed_at", "Doctrine" },
};

static bool has_column(const char *columns, const char *name, size_t length)
{
    for (const char *at = columns; *at; at += strspn(at, ",")) {
        const size_t here = strcspn(at, ",");
        if (here == length && memcmp(at, name, length) == 0) {
            return true;
        }
        at += here;
    }
    return false;
}

static bool has_all(const char *columns, const char *wanted)
{
    for (const char *at = wanted; *at; at += strspn(at, ",")) {
        const size_t length = strcspn(at, ",");
        if (!has_column(columns, at, length)) {
            return false;
        }
        at += length;
    }
    return true;
}

const char *foreign_tool(const char *table, const char *columns)
{
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if ((!tools[i].table || str_ieq(tools[i].table, table)) &&
            has_all(columns, tools[i].columns)) {
            return tools[i].tool;
        }
    }
    return NULL;
}

struct err *db_foreign_histories(struct db *db, struct kvlist *out)
{
    AUTO(kvlist_done) struct kvlist tables = { 0 };
    TRY(db->ops->find_histories(db, &tables));
    for (size_t i = 0; i < tables.count; i++) {
        const char *tool = foreign_tool(tables.items[i].key, tables.items[i].value);
        if (tool) {
            kvlist_set(out, tables.items[i].key, tool);
        }
    }
    return NULL;
}

char *db_lock_holder(struct db *db, const struct lease *lease)
{
    bool sluice = false;
    AUTO(free_auto) char *session = db->ops->lock_holder(db, &sluice);
    char name[64];
    if (!session || !lease->present) {
        return TAKE(session);
    }
    lease_session_name(lease->target_id, lease->epoch, lease->nonce, name);
    if (!strstr(session, name)) { // somebody else, or not far enough to have taken the lease
        return TAKE(session);
    }
    const char *since = lease->since ? lease->since : "";
    const size_t seconds = strcspn(since, ".");
    const char *zone = since + seconds + strspn(since + seconds, ".0123456789");
    return mem_printf("%s since %.*s%s: %s", lease->holder, (int)seconds, since,
                      *zone == '\0' || str_eq(zone, "+00") ? " UTC" : zone, session);
}
