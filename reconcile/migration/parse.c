/* SPDX-License-Identifier: Apache-2.0 */
/* Tree to a sorted set of migrations, each read and checked. */
#include "reconcile/migration/parse.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/history.h"
#include "model/lines.h"
#include "reconcile/migration/directive.h"
#include "reconcile/migration/name.h"
#include "reconcile/migration/position.h"

static const char lfs_pointer[] = "version https://git-lfs.github.com/spec/v1";

#define IS_UTF16 "the file is UTF-16: save it as UTF-8"
#define HAS_NUL "a NUL byte: this is not a text file"
#define NOT_UTF8 "invalid UTF-8 (byte 0x%02x): save it as UTF-8"

/* What the next one checks, of a file that was read piece by piece. */
static struct err *check_large(struct migration *m)
{
    const struct large *c = m->large;

    m->raw_checksum = c->checksum;
    memcpy(m->sha256, c->sha256, sizeof m->sha256);
    memcpy(m->lines_sha256, c->lines_sha256, sizeof m->lines_sha256);
    switch (c->fault) {
    case LARGE_UTF16:
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s:1: " IS_UTF16, m->path);
    case LARGE_NUL:
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s:%d: " HAS_NUL, m->path,
                       c->fault_line);
    case LARGE_NOT_UTF8:
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s:%d: " NOT_UTF8, m->path,
                       c->fault_line, c->fault_byte);
    case LARGE_FINE:
    default:
        return NULL;
    }
}

static struct err *check_bytes(struct migration *m, const struct content *content)
{
    if (m->size >= sizeof lfs_pointer - 1 &&
        memcmp(m->bytes, lfs_pointer, sizeof lfs_pointer - 1) == 0) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: a Git LFS pointer, not the file: keep migrations out of LFS", m->path);
    }
    const uint8_t *nul = memchr(m->bytes, '\0', m->size);
    if (m->size >= 2 &&
        (memcmp(m->bytes, "\xFF\xFE", 2) == 0 || memcmp(m->bytes, "\xFE\xFF", 2) == 0)) {
        return ERR_AT(m, 0, REASON_INVALID_MIGRATION, IS_UTF16);
    }
    if (nul) {
        return ERR_AT(m, (size_t)(nul - m->bytes), REASON_INVALID_MIGRATION, HAS_NUL);
    }
    size_t bad = 0;
    if (!checksum_make(m->bytes, m->size, &m->raw_checksum, &bad)) {
        return ERR_AT(m, bad, REASON_INVALID_MIGRATION, NOT_UTF8, m->bytes[bad]);
    }
    m->undigested = content->alone;
    if (m->undigested) {
        return NULL;
    }
    memcpy(m->sha256, content->sha256, SHA256_LEN);
    if (memchr(m->bytes, '\r', m->size)) {
        lines_sha256(m->bytes, m->size, m->lines_sha256);
    } else {
        memcpy(m->lines_sha256, m->sha256, SHA256_LEN);
    }
    return NULL;
}

/* name: as name_parse() gave it; its description is taken. */
static struct err *migration_read(const struct tree_file *file, struct name *name,
                                  struct migration *out)
{
    struct migration m = {
        .kind = name->kind,
        .version = name->version,
        .description = TAKE(name->description),
        .script = mem_strdup(file->script),
        .path = mem_strdup(file->path),
        .bytes = file->bytes,
        .size = file->size,
        .large = file->large,
    };
    struct err *e = m.large ? check_large(&m) : check_bytes(&m, file->content);
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

struct stored {
    char *description; /* owned */
    const struct migration *file;
};

static int stored_compare(const void *left, const void *right)
{
    const struct stored *a = left;
    const struct stored *b = right;
    int by_text = strcmp(a->description, b->description);

    return by_text ? by_text : strcmp(a->file->path, b->file->path);
}

static struct err *refuse_stored(const struct migration *a, const struct migration *b)
{
    return err_new(
        ERR_TERMINAL, REASON_DUPLICATE_VERSION,
        "%s and %s: the history table keeps 200 characters of a description, in which these two "
        "repeatable migrations are the same: shorten one of them",
        a->path, b->path);
}

/* The history's column keeps 200 characters of a description: two repeatables that are equal in those would be one
 * there. Others may stand between the two in the order of whole descriptions. */
static struct err *check_stored(const struct migration_set *set)
{
    struct stored *stored = mem_array(set->count, sizeof *stored);
    size_t count = 0;
    struct err *e = NULL;

    for (size_t i = 0; i < set->count; i++) {
        const struct migration *m = &set->items[i];
        if (m->kind == MIGRATION_REPEATABLE) {
            stored[count++] = (struct stored){ description_stored(m->description), m };
        }
    }
    mem_sort(stored, count, sizeof *stored, stored_compare);
    for (size_t i = 0; i < count; i++) {
        if (!e && i > 0 && str_eq(stored[i - 1].description, stored[i].description)) {
            e = refuse_stored(stored[i - 1].file, stored[i].file);
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(stored[i].description);
    }
    free(stored);
    return e;
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
        if (kept != i) {
            set->items[kept] = *current;
            *current = (struct migration){ 0 };
        }
        kept++;
    }
    set->count = kept;
    return check_stored(set);
}

/* ---- the whole tree -------------------------------------------------------------------------- */

struct collecting {
    const struct naming *naming;
    struct migration_set set;
    size_t misnamed;
    char *first_misnamed; /* owned; NULL: none */
};

static struct err *refuse_empty(const struct tree *tree, const struct collecting *c)
{
    AUTO(buf_done) struct buf places = BUF(LIMIT_ERR_MESSAGE / 2);

    for (size_t i = 0; i < tree->locations.count; i++) {
        buf_addf(&places, "%s%s", i ? ", " : "", tree->locations.items[i]);
    }
    AUTO(free_auto)
    char *passed =
        c->misnamed ? mem_printf("; %zu passed over, the first: %s", c->misnamed, c->first_misnamed)
                    : mem_strdup("");
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   "no migration found in %s: files are named like %s1%screate_orders%s%s",
                   places.len ? buf_text(&places) : "the given location", naming_prefix(c->naming),
                   naming_separator(c->naming), naming_suffix(c->naming, 0), passed);
}

static void pass_over(struct collecting *c, const struct tree_file *file, const char *problem)
{
    if (c->misnamed++ == 0) {
        c->first_misnamed = mem_printf("%s: %s", file->path, problem);
    }
    if (c->misnamed <= LIMIT_NOTICES) {
        AUTO(free_auto) char *text = mem_printf("%s is passed over: %s", file->path, problem);
        strlist_add(&c->set.notices, text);
    }
}

static struct err *collect_file(struct collecting *c, const struct tree_file *file)
{
    struct name name = { 0 };
    TRY(name_parse(c->naming, file->path, file->script, &name));
    AUTO(free_auto) char *misnamed = name.misnamed;
    if (misnamed) {
        pass_over(c, file, misnamed);
    }
    if (name.kind == MIGRATION_NONE) {
        return NULL;
    }
    struct migration_set *set = &c->set;
    struct migration m;
    TRY(migration_read(file, &name, &m));
    set->items = mem_grow(set->items, &set->cap, set->count + 1, sizeof *set->items);
    set->items[set->count++] = m;
    return NULL;
}

/* Flyway's validateMigrationNaming. */
static struct err *refuse_misnamed(const struct collecting *c)
{
    AUTO(free_auto)
    char *more = c->misnamed > 1 ? mem_printf(" (and %zu more)", c->misnamed - 1) : mem_strdup("");
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s%s", c->first_misnamed, more);
}

static struct err *collect(const struct tree *tree, struct collecting *c)
{
    for (size_t i = 0; i < tree->count; i++) {
        TRY(collect_file(c, &tree->files[i]));
    }
    if (c->misnamed > 0 && c->naming && c->naming->validate) {
        return refuse_misnamed(c);
    }
    if (c->set.count == 0) {
        return refuse_empty(tree, c);
    }
    if (c->misnamed > LIMIT_NOTICES) {
        AUTO(free_auto)
        char *more = mem_printf("%zu more files are passed over because of their names",
                                c->misnamed - LIMIT_NOTICES);
        strlist_add(&c->set.notices, more);
    }
    mem_sort(c->set.items, c->set.count, sizeof *c->set.items, migration_compare);
    return merge_duplicates(&c->set);
}

struct err *migration_set_parse(const struct tree *tree, const struct naming *naming,
                                struct migration_set *out)
{
    struct collecting c = { .naming = naming };
    struct err *e = collect(tree, &c);

    free(c.first_misnamed);
    if (e) {
        migration_set_done(&c.set);
        return e;
    }
    *out = c.set;
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

static bool is_digest(const uint8_t digest[SHA256_LEN], const char *sha256_hex)
{
    char hex[SHA256_HEX_LEN + 1];

    hex_format(digest, SHA256_LEN, hex);
    return str_eq(hex, sha256_hex);
}

bool migration_was(const struct migration *file, const char *sha256_hex)
{
    uint8_t raw[SHA256_LEN], lines[SHA256_LEN];
    migration_digests(file, raw, lines);
    // Version 0.1 kept the digest of a file with CRLF as it stood.
    return is_digest(lines, sha256_hex) || is_digest(raw, sha256_hex) ||
           (file->bytes && lines_are(file->bytes, file->size, sha256_hex));
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
