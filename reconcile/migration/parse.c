/* SPDX-License-Identifier: Apache-2.0 */
/* Tree to a sorted set of migrations, each read and checked. */
#include "reconcile/migration/parse.h"

#include "reconcile/base/auto.h"
#include "reconcile/base/buf.h"
#include "reconcile/base/limits.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/directive.h"
#include "reconcile/migration/name.h"
#include "reconcile/migration/position.h"
#include "reconcile/model/history.h"

static struct err *check_bytes(struct migration *m)
{
    const uint8_t *nul = memchr(m->bytes, '\0', m->size);
    if (m->size >= 2 &&
        (memcmp(m->bytes, "\xFF\xFE", 2) == 0 || memcmp(m->bytes, "\xFE\xFF", 2) == 0)) {
        return ERR_AT(m, 0, REASON_INVALID_MIGRATION, "the file is UTF-16: save it as UTF-8");
    }
    if (nul) {
        return ERR_AT(m, (size_t)(nul - m->bytes), REASON_INVALID_MIGRATION,
                      "a NUL byte: this is not a text file");
    }
    size_t bad = 0;
    if (!checksum_make(m->bytes, m->size, &m->raw_checksum, &bad)) {
        return ERR_AT(m, bad, REASON_INVALID_MIGRATION,
                      "invalid UTF-8 (byte 0x%02x): save it as UTF-8", m->bytes[bad]);
    }
    sha256(m->bytes, m->size, m->sha256);
    return NULL;
}

/* *taken: the file is a migration. */
static struct err *migration_read(const struct tree_file *file, struct migration *out, bool *taken)
{
    struct name name = { 0 };
    TRY(name_parse(file->path, file->script, &name));
    *taken = name.kind != MIGRATION_NONE;
    if (!*taken) {
        return NULL;
    }

    struct migration m = {
        .kind = name.kind,
        .version = name.version,
        .description = name.description,
        .script = mem_strdup(file->script),
        .path = mem_strdup(file->path),
        .bytes = file->bytes,
        .size = file->size,
    };
    struct err *e = check_bytes(&m);
    if (!e) {
        e = directives_parse(&m, &m.directives);
    }
    if (e) {
        migration_done(&m);
        return e;
    }
    *out = m;
    return NULL;
}

static int kind_order(enum migration_kind kind)
{
    return kind == MIGRATION_VERSIONED ? 0 : kind == MIGRATION_BASELINE ? 1 : 2;
}

/* UTF-16 code-unit order, as Java compares strings: characters above U+FFFF come before U+E000. */
static int utf16_compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    unsigned char x = (unsigned char)*a;
    unsigned char y = (unsigned char)*b;
    if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0)) {
        return x >= 0xF0 ? -1 : 1;
    }
    return (x > y) - (x < y);
}

/* Equal keys are duplicates; the path only makes the order of a refusal stable. */
static int key_compare(const struct migration *a, const struct migration *b)
{
    int by_kind = kind_order(a->kind) - kind_order(b->kind);
    if (by_kind) {
        return by_kind;
    }
    return a->kind == MIGRATION_REPEATABLE ? utf16_compare(a->description, b->description)
                                           : version_compare(&a->version, &b->version);
}

static int migration_compare(const void *left, const void *right)
{
    const struct migration *a = left;
    const struct migration *b = right;
    int by_key = key_compare(a, b);

    return by_key ? by_key : strcmp(a->path, b->path);
}

/* Flyway's value equality: such a pair in two locations is one migration. */
static bool same_migration(const struct migration *a, const struct migration *b)
{
    return str_eq(a->script, b->script) && str_eq(a->version.text, b->version.text) &&
           str_eq(a->description, b->description) && a->raw_checksum == b->raw_checksum;
}

static struct err *refuse_duplicate(const struct migration *a, const struct migration *b)
{
    if (a->kind == MIGRATION_REPEATABLE) {
        return err_new(ERR_TERMINAL, REASON_DUPLICATE_VERSION,
                       "two repeatable migrations have the description '%s': %s and %s",
                       a->description, a->path, b->path);
    }
    return err_new(ERR_TERMINAL, REASON_DUPLICATE_VERSION, "two %s have version %s: %s and %s",
                   a->kind == MIGRATION_BASELINE ? "baseline migrations" : "migrations",
                   a->version.text, a->path, b->path);
}

/* The history's column keeps 200 characters of a description: two files that are equal in those are one there. */
static struct err *check_stored(const struct migration *a, const struct migration *b)
{
    if (a->kind != MIGRATION_REPEATABLE || b->kind != MIGRATION_REPEATABLE) {
        return NULL;
    }
    AUTO(free_auto) char *first = description_stored(a->description);
    AUTO(free_auto) char *second = description_stored(b->description);
    if (!str_eq(first, second)) {
        return NULL;
    }
    return err_new(
        ERR_TERMINAL, REASON_DUPLICATE_VERSION,
        "%s and %s: the history table keeps 200 characters of a description, in which these two "
        "repeatable migrations are the same: shorten one of them",
        a->path, b->path);
}

/* A group of equal keys may hold identical copies only. */
static struct err *merge_duplicates(struct migration_set *set)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct migration *current = &set->items[i];
        if (kept > 0 && key_compare(&set->items[kept - 1], current) == 0) {
            if (!same_migration(&set->items[kept - 1], current)) {
                return refuse_duplicate(&set->items[kept - 1], current);
            }
            migration_done(current);
            *current = (struct migration){ 0 };
            continue;
        }
        if (kept > 0) {
            TRY(check_stored(&set->items[kept - 1], current));
        }
        if (kept != i) {
            set->items[kept] = *current;
            *current = (struct migration){ 0 };
        }
        kept++;
    }
    set->count = kept;
    return NULL;
}

static struct err *refuse_empty(const struct tree *tree)
{
    AUTO(buf_done) struct buf places = BUF(LIMIT_ERR_MESSAGE / 2);

    for (size_t i = 0; i < tree->locations.count; i++) {
        buf_addf(&places, "%s%s", i ? ", " : "", tree->locations.items[i]);
    }
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   "no migration found in %s: files are named like V1__create_orders.sql",
                   places.len ? buf_text(&places) : "the given location");
}

static struct err *collect(const struct tree *tree, struct migration_set *set)
{
    for (size_t i = 0; i < tree->count; i++) {
        struct migration m = { 0 };
        bool taken = false;
        TRY(migration_read(&tree->files[i], &m, &taken));
        if (taken) {
            set->items = mem_grow(set->items, &set->cap, set->count + 1, sizeof *set->items);
            set->items[set->count++] = m;
        }
    }
    if (set->count == 0) {
        return refuse_empty(tree);
    }
    mem_sort(set->items, set->count, sizeof *set->items, migration_compare);
    return merge_duplicates(set);
}

struct err *migration_set_parse(const struct tree *tree, struct migration_set *out)
{
    struct migration_set set = { 0 };
    struct err *e = collect(tree, &set);

    if (e) {
        migration_set_done(&set);
        return e;
    }
    *out = set;
    return NULL;
}

bool journal_row_is_of(const struct journal_row *row, const struct migration *file)
{
    if (row->kind != file->kind) {
        return false;
    }
    if (version_set(&file->version)) { /* asked for every row of every file */
        return row_is_about(row->version, NULL, file->version.text, NULL);
    }
    AUTO(free_auto) char *description = description_stored(file->description);
    return row_is_about(row->version, row->description, NULL, description);
}

const struct migration *journal_row_file(const struct migration_set *files,
                                         const struct journal_row *row)
{
    for (size_t i = 0; files && i < files->count; i++) {
        if (journal_row_is_of(row, &files->items[i])) {
            return &files->items[i];
        }
    }
    return NULL;
}
