/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is too large for memory becomes the same script as one that is kept. */
#include "base/auto.h"
#include "base/spool.h"
#include "tests/unit/migration_support.h"

TestSuite(spooled, .timeout = 120);

DEFINE_AUTO(struct large, large_free)

static const char *opened; /* the text of the file at work */
static int open_count;

static struct err *fake_open(struct large *large)
{
    open_count++;
    TRY(spool_new(1 << 20, &large->spool));
    large->bytes = spool_add(large->spool, 1, opened, large->size + 1);
    return NULL;
}

static void fake_close(struct large *large)
{
    open_count--;
    spool_free(TAKE(large->spool));
}

static const struct large_ops ops = {
    .open = fake_open,
    .close = fake_close,
    .spool_new = spool_new,
    .spool_add = spool_add,
    .spool_check = spool_check,
    .spool_relax = spool_relax,
    .spool_free = spool_free,
};

static struct large *large_of(const char *text)
{
    struct large_scan *scan = large_scan_new();
    opened = text;
    large_scan_add(scan, text, strlen(text));
    struct large *large = large_scan_end(scan);
    large->ops = &ops;
    large->path = mem_strdup("V1__x.sql");
    return large;
}

static const struct {
    const char *name;
    enum engine engine;
    const char *text;
} files[] = {
    { "statements", ENGINE_POSTGRESQL,
      "create table t (a int);\n-- c\ninsert into t values (1); select 2" },
    { "a mark in front", ENGINE_POSTGRESQL, "\xEF\xBB\xBFselect 1;\nselect 2;\n" },
    { "COPY", ENGINE_POSTGRESQL,
      "copy t (a, b) from stdin;\n1\t${v}\n2\tx;y\n\\.\ninsert into t values (3, 'é');\n" },
    { "placeholders", ENGINE_POSTGRESQL, "select '${v}', $${v}, '$$${v}';\nselect ${w};\n" },
    { "a function", ENGINE_POSTGRESQL,
      "create function f() returns int language sql as $$ select 1; $$;\nset search_path = "
      "x;\ndrop table f, g;" },
    { "steps", ENGINE_POSTGRESQL,
      "create index concurrently i on t (a);\nset lock_timeout = '1s';\nvacuum t;\n" },
    { "mixed", ENGINE_POSTGRESQL,
      "create index concurrently i on t (a);\ninsert into t values (1);\n" },
    { "a dump", ENGINE_MARIADB,
      "/*!40101 SET NAMES utf8 */;\nDROP TABLE IF EXISTS a, `b c`, d;\nCREATE TABLE a (i "
      "int);\nLOCK TABLES a WRITE;\n"
      "INSERT INTO a VALUES (1),(2);\nUNLOCK TABLES;\n" },
    { "a routine", ENGINE_MARIADB,
      "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END//\nDELIMITER ;\nCALL "
      "p();\n" },
    { "blocks", ENGINE_MARIADB,
      "START TRANSACTION;\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (${w});\nCOMMIT;\n" },
    { "a missing quote", ENGINE_MARIADB, "insert into a values ('x);\nselect 1;\n" },
    { "an unknown placeholder", ENGINE_MARIADB, "select 1;\nselect '${nobody}';\n" },
    { "psql", ENGINE_POSTGRESQL, "select 1;\n\\i other.sql\n" },
    { "nothing", ENGINE_POSTGRESQL, "-- nothing\n" },
};

static void same_ref(const char *name, const struct object_ref *a, const struct object_ref *b)
{
    cr_expect(str_eq(a->type, b->type) && str_eq(a->schema, b->schema) && str_eq(a->name, b->name),
              "%s: object %s %s.%s", name, b->type, b->schema, b->name);
    cr_expect(a->is_new == b->is_new && a->start == b->start && a->end == b->end, "%s", name);
}

static void same_statement(const char *name, const struct statement *a, const struct statement *b)
{
    cr_expect_str_eq(a->text, b->text, "%s", name);
    cr_expect_eq(a->text_length, b->text_length, "%s", name);
    cr_expect(a->line == b->line && a->column == b->column &&
                  a->source_offset == b->source_offset && a->source_length == b->source_length &&
                  a->expanded_offset == b->expanded_offset,
              "%s: place", name);
    cr_expect_eq(memcmp(a->sha256, b->sha256, SHA256_LEN), 0, "%s: digest", name);
    cr_expect(a->class == b->class && a->verb == b->verb && a->block == b->block &&
                  a->grouped == b->grouped && a->commits == b->commits,
              "%s: class", name);
    cr_expect_eq(a->copy_length, b->copy_length, "%s", name);
    cr_expect(a->copy_length == 0 || memcmp(a->copy_data, b->copy_data, a->copy_length) == 0, "%s",
              name);
    cr_assert_eq(a->object_count, b->object_count, "%s: objects", name);
    for (size_t i = 0; i < a->object_count; i++) {
        same_ref(name, &a->objects[i], &b->objects[i]);
    }
    same_ref(name, &a->writes, &b->writes);
}

static void same_script(const char *name, const struct script *a, const struct script *b)
{
    cr_assert_eq(a->count, b->count, "%s: %zu statements and %zu", name, a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        same_statement(name, script_at(a, i), script_at(b, i));
        cr_expect_str_eq(script_session(a, i), script_session(b, i), "%s", name);
    }
    cr_expect_eq(a->transactional, b->transactional, "%s", name);
    cr_expect_eq(a->expanded_length, b->expanded_length, "%s", name);
    cr_expect_str_eq(a->expanded, b->expanded, "%s", name);
    cr_expect_eq(a->notices.count, b->notices.count, "%s", name);
    cr_expect_eq(a->placeholders_used.count, b->placeholders_used.count, "%s", name);
    cr_expect_eq(a->mark_count, b->mark_count, "%s", name);
}

Test(spooled, a_script_is_the_same)
{
    AUTO(kvlist_done) struct kvlist values = { 0 };
    kvlist_set(&values, "v", "a 'quoted' value");
    kvlist_set(&values, "w", "17");
    for (size_t k = 0; k < 2 * COUNT_OF(files); k++) {
        const size_t i = k / 2;
        const struct placeholders p = { .replacement = k % 2 == 0, .user = &values };
        AUTO(large_free_auto) struct large *large = large_of(files[i].text);
        struct migration kept =
            support_migration("V1__x.sql", files[i].text, strlen(files[i].text));
        struct migration spooled = support_migration("V1__x.sql", NULL, strlen(files[i].text));
        spooled.large = large;
        AUTO(script_done) struct script a = { 0 }, b = { 0 };
        AUTO(err_free_auto) struct err *first = script_parse(files[i].engine, 0, &kept, &p, &a);
        AUTO(err_free_auto) struct err *second = script_parse(files[i].engine, 0, &spooled, &p, &b);
        cr_assert_eq(!first, !second, "%s: %s", files[i].name,
                     first    ? first->message
                     : second ? second->message
                              : "");
        if (first && second) {
            cr_expect_str_eq(first->message, second->message);
        } else {
            cr_expect(script_is_spooled(&b), "%s", files[i].name);
            cr_expect_eq(open_count, 1, "%s: held open", files[i].name);
            same_script(files[i].name, &a, &b);
        }
        script_done(&b);
        cr_expect_eq(open_count, 0, "%s: closed with its script", files[i].name);
    }
}

Test(spooled, a_repeatable_has_the_same_checksum)
{
    static const char *const texts[] = { "create view v as select 1;\r\n",
                                         "select ${w};\nselect '$${w}'\r" };
    AUTO(kvlist_done) struct kvlist values = { 0 };
    kvlist_set(&values, "w", "17\n18");
    const struct placeholders p = { .replacement = true, .user = &values };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(large_free_auto) struct large *large = large_of(texts[i]);
        struct migration kept = support_migration("R__x.sql", texts[i], strlen(texts[i]));
        struct migration spooled = support_migration("R__x.sql", NULL, strlen(texts[i]));
        kept.kind = spooled.kind = MIGRATION_REPEATABLE;
        spooled.large = large;
        size_t bad = 0;
        cr_assert(checksum_make(kept.bytes, kept.size, &kept.raw_checksum, &bad));
        spooled.raw_checksum = large->checksum;
        int32_t a = 0, b = 0;
        support_expect_ok(placeholders_checksum(&kept, &p, &a), texts[i]);
        support_expect_ok(placeholders_checksum(&spooled, &p, &b), texts[i]);
        cr_expect_eq(a, b, "%s", texts[i]);
        cr_expect_eq(open_count, 0);
        large->ops = NULL;
        AUTO(err_free_auto) struct err *closed = placeholders_checksum(&spooled, &p, &b);
        cr_expect_eq(closed != NULL, i == 1,
                     "without its bytes only what has no placeholder is known");
    }
}

Test(spooled, directives_stand_in_the_head)
{
    AUTO(buf_done) struct buf text = BUF(1 << 20);
    AUTO(tree_done) struct tree tree = { 0 };
    AUTO(migration_set_done) struct migration_set set = { 0 };
    buf_adds(&text, "-- a licence\n-- sluice: lock-timeout=7s\n");
    for (int i = 0; i < 1000; i++) {
        buf_adds(&text, "insert into t values (1); -- sluice: a comment of its own\n");
    }
    cr_assert_null(tree_add_large(&tree, "sql/V1__x.sql", "V1__x.sql", large_of(buf_text(&text))));
    support_expect_ok(migration_set_parse(&tree, NULL, &set), "a large file");
    cr_expect_eq(set.items[0].directives.lock_timeout_ms, 7000);
    cr_expect_eq(set.items[0].raw_checksum, tree.files[0].large->checksum);
}

Test(spooled, a_head_that_hides_directives_is_refused)
{
    static const char *const lines[] = { "-- comment\n", "/* comment */\n", "# comment\n" };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        AUTO(buf_done) struct buf text = BUF(1 << 20);
        AUTO(tree_done) struct tree tree = { 0 };
        AUTO(migration_set_done) struct migration_set set = { 0 };
        while (text.len < LARGE_HEAD) {
            buf_adds(&text, lines[i]);
        }
        buf_adds(&text, "-- sluice: transaction=none\nselect 1;\n");
        cr_assert_null(
            tree_add_large(&tree, "sql/V1__x.sql", "V1__x.sql", large_of(buf_text(&text))));
        support_expect_error(migration_set_parse(&tree, NULL, &set), lines[i],
                             REASON_INVALID_MIGRATION,
                             "the comments at the head of this file are longer than 8192 bytes");
    }
}

Test(spooled, what_is_no_text_is_refused)
{
    AUTO(tree_done) struct tree tree = { 0 };
    AUTO(migration_set_done) struct migration_set set = { 0 };
    cr_assert_null(
        tree_add_large(&tree, "sql/V1__x.sql", "V1__x.sql", large_of("select 1;\n\xFF")));
    support_expect_error(migration_set_parse(&tree, NULL, &set), "Latin 1",
                         REASON_INVALID_MIGRATION, "sql/V1__x.sql:2: invalid UTF-8 (byte 0xff)");
}
