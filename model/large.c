/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are not kept in memory. */
#include "model/large.h"
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/lines.h"
#include "model/reason.h"

#define CHARACTER_MAX 4 /* bytes of a character in UTF-8 */

struct large_scan {
    struct sha256 *digest;
    struct lines lines; /* since the first CR: up to there the two digests are one */
    struct large *found;
    uint32_t crc;
    uint8_t rest[CHARACTER_MAX]; /* a character that is not whole yet */
    size_t rest_length;
    int line;
    bool after_cr;     /* a LF now belongs to the line end before */
    bool after_dollar; /* a { now makes a placeholder */
};

struct err *large_refused(const struct large *c)
{
    return err_new(
        ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
        "%s: %zu bytes; a Job carries files of up to %d, and %d for one database: run it "
        "once with `sluice migrate --dir`, or split it",
        c->path, c->size, LIMIT_MIGRATION_FILE, LIMIT_TREE_BYTES);
}

struct err *large_open(struct large *c)
{
    if (!c->ops) {
        return large_refused(c);
    }
    if (c->users == 0 && c->size > LIMIT_STREAM_FILE) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                       "%s: %zu bytes; a file that must run has up to %d: split it", c->path,
                       c->size, LIMIT_STREAM_FILE);
    }
    if (c->users == 0) {
        TRY(c->ops->open(c));
    }
    c->users++;
    return NULL;
}

void large_close(struct large *c)
{
    if (--c->users == 0) {
        c->ops->close(c);
        c->bytes = NULL;
    }
}

void large_relax(const struct large *c)
{
    if (c->spool) {
        c->ops->spool_relax(c->spool);
    }
}

void large_free(struct large *c)
{
    if (!c) {
        return;
    }
    if (c->users > 0) {
        c->ops->close(c);
    }
    free(c->path);
    free(c->head);
    free(c);
}

/* Bytes before the first `c`, or all. */
static size_t length_to(const char *text, size_t length, char c)
{
    const char *found = memchr(text, c, length);
    return found ? (size_t)(found - text) : length;
}

uint32_t large_checksum_add(uint32_t crc, const char *text, size_t length)
{
    for (size_t start = 0; start < length;) {
        const size_t line = length_to(text + start, length - start, '\n');
        // Hardly any line has a \r but at its end.
        for (size_t at = start; at < start + line;) {
            const size_t part = length_to(text + at, start + line - at, '\r');
            crc = crc32_add(crc, text + at, part);
            at += part + 1;
        }
        start += line + 1;
    }
    return crc;
}

struct large_scan *large_scan_new(void)
{
    struct large_scan *scan = mem_alloc(sizeof *scan);

    *scan = (struct large_scan){ .digest = sha256_new(),
                                 .found = mem_alloc(sizeof *scan->found),
                                 .line = 1 };
    scan->found->head = mem_alloc(LARGE_HEAD + 1);
    return scan;
}

static void count_lines(struct large_scan *scan, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool of_pair = bytes[i] == '\n' && scan->after_cr;
        scan->line += (bytes[i] == '\n' || bytes[i] == '\r') && !of_pair;
        scan->after_cr = bytes[i] == '\r';
    }
}

static void blame(struct large_scan *scan, enum large_fault fault, uint8_t byte)
{
    struct large *c = scan->found;

    c->fault = fault;
    c->fault_byte = byte;
    c->fault_line = fault == LARGE_UTF16 ? 1 : scan->line;
}

/* Text that is whole characters, but for what is wrong with it. */
static void check_text(struct large_scan *scan, const uint8_t *bytes, size_t size, size_t valid)
{
    const uint8_t *nul = memchr(bytes, '\0', valid);
    size_t good = nul ? (size_t)(nul - bytes) : valid;

    count_lines(scan, bytes, good);
    if (nul) {
        blame(scan, LARGE_NUL, 0);
    } else if (valid < size) {
        blame(scan, LARGE_NOT_UTF8, bytes[valid]);
    }
}

/* May these bytes be the beginning of a character? */
static bool is_beginning(const uint8_t *bytes, size_t size)
{
    static const char *const ends[] = { "\x80", "\x80\x80", "\x80\x80\x80", "\xA0\x80",
                                        "\x90\x80\x80" };

    for (size_t i = 0; size > 0 && size < CHARACTER_MAX && i < sizeof ends / sizeof *ends; i++) {
        char whole[2 * CHARACTER_MAX];
        size_t more = strlen(ends[i]);
        memcpy(whole, bytes, size);
        memcpy(whole + size, ends[i], more);
        if (size + more <= CHARACTER_MAX && str_utf8_valid(whole, size + more) == size + more) {
            return true;
        }
    }
    return false;
}

/* The character at the border of two pieces; how many bytes of the second belong to it. */
static size_t complete_rest(struct large_scan *scan, const uint8_t *bytes, size_t size)
{
    size_t taken = 0;

    while (taken < size && is_beginning(scan->rest, scan->rest_length)) {
        scan->rest[scan->rest_length++] = bytes[taken++];
        if (str_utf8_valid((const char *)scan->rest, scan->rest_length) == scan->rest_length) {
            scan->rest_length = 0;
            scan->after_cr = false;
            return taken;
        }
    }
    if (!is_beginning(scan->rest, scan->rest_length)) {
        blame(scan, LARGE_NOT_UTF8, scan->rest[0]);
    }
    return taken;
}

static void check_bytes(struct large_scan *scan, const uint8_t *bytes, size_t size)
{
    size_t at = scan->rest_length ? complete_rest(scan, bytes, size) : 0;
    if (scan->found->fault || at == size) {
        return;
    }
    size_t left = size - at;
    size_t valid = str_utf8_valid((const char *)bytes + at, left);
    if (valid < left && is_beginning(bytes + at + valid, left - valid)) {
        scan->rest_length = left - valid;
        memcpy(scan->rest, bytes + at + valid, left - valid);
        left = valid;
    }
    check_text(scan, bytes + at, left, valid);
}

static void look_for_placeholder(struct large_scan *scan, const char *text, size_t size)
{
    scan->found->has_placeholder = scan->found->has_placeholder ||
                                   (scan->after_dollar && size > 0 && text[0] == '{') ||
                                   memmem(text, size, "${", 2) != NULL;
    scan->after_dollar = size > 0 && text[size - 1] == '$';
}

void large_scan_add(struct large_scan *scan, const void *bytes, size_t size)
{
    struct large *c = scan->found;
    size_t room = LARGE_HEAD - c->head_size;
    size_t head = size < room ? size : room;
    const char *text = bytes;
    /* A mark of UTF-8 in front is no text to Flyway. */
    size_t mark = c->size == 0 && size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    if (!scan->lines.digest && size > 0 && memchr(bytes, '\r', size)) {
        scan->lines = (struct lines){ .digest = sha256_copy(scan->digest), .end = "\n" };
    }
    if (scan->lines.digest) {
        lines_add(&scan->lines, bytes, size);
    }
    sha256_add(scan->digest, bytes, size);
    memcpy(c->head + c->head_size, bytes, head);
    c->head_size += head;
    scan->crc = large_checksum_add(scan->crc, text + mark, size - mark);
    if (c->size == 0 && size >= 2 &&
        (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)) {
        blame(scan, LARGE_UTF16, 0);
    }
    c->size += size;
    look_for_placeholder(scan, text, size);
    if (!c->fault) {
        check_bytes(scan, bytes, size);
    }
}

struct large *large_scan_end(struct large_scan *scan)
{
    struct large *c = scan->found;

    if (!c->fault && scan->rest_length > 0) {
        blame(scan, LARGE_NOT_UTF8, scan->rest[0]);
    }
    sha256_end(scan->digest, c->sha256);
    if (scan->lines.digest) {
        lines_end(&scan->lines, c->lines_sha256);
    } else {
        memcpy(c->lines_sha256, c->sha256, SHA256_LEN);
    }
    c->checksum = (int32_t)scan->crc;
    free(scan);
    return c;
}
