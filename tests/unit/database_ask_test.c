/* SPDX-License-Identifier: Apache-2.0 */
/* What the child that asks a database writes comes back unchanged, and nothing else is believed. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/ask_wire.h"
#include "model/reason.h"

TestSuite(ask, .timeout = 120);

static void inspection_make(struct inspection *out)
{
    *out = (struct inspection){ 0 };
    out->identity = (struct identity){ .engine = ENGINE_MARIADB,
                                       .server_version = 101119,
                                       .server_text = mem_strdup("MariaDB 10.11.19"),
                                       .server_identity = mem_strdup("my:abc"),
                                       .user = mem_strdup("app"),
                                       .database = mem_strdup("shop"),
                                       .schema = mem_strdup("shop"),
                                       .read_only = true,
                                       .ansi_quotes = true,
                                       .now_ms = 1700000000000 };
    out->history = (struct history){
        .table_exists = true, .rows = mem_array(2, sizeof *out->history.rows), .count = 2, .cap = 2
    };
    for (int i = 0; i < 2; i++) {
        out->history.rows[i] = (struct history_row){ .rank = i - 1,
                                                     .version_text = i ? mem_strdup("2.1") : NULL,
                                                     .description = mem_strdup("first \xc3\xa9"),
                                                     .type = mem_strdup("SQL"),
                                                     .script = mem_strdup("V2_1__first.sql"),
                                                     .installed_by = mem_strdup("app"),
                                                     .installed_on = mem_strdup("2026-01-01"),
                                                     .has_checksum = true,
                                                     .checksum = -77,
                                                     .execution_ms = 5,
                                                     .success = i == 1 };
    }
    out->journal = (struct journal){ .table_exists = true,
                                     .rows = mem_array(1, sizeof *out->journal.rows),
                                     .count = 1,
                                     .cap = 1,
                                     .head_seq = 9,
                                     .head_hash = "beef" };
    out->journal.rows[0] = (struct journal_row){ .seq = 9,
                                                 .kind = MIGRATION_VERSIONED,
                                                 .description = mem_strdup("first"),
                                                 .script = mem_strdup("V2_1__first.sql"),
                                                 .step_class = STEP_OTHER,
                                                 .pre_state = mem_strdup("[]"),
                                                 .state = JOURNAL_RESOLVED,
                                                 .verdict = VERDICT_RESTART,
                                                 .file_sha256 = mem_strdup("00"),
                                                 .retry_token = mem_strdup(""),
                                                 .started = mem_strdup("now"),
                                                 .finished_ms = -5,
                                                 .row_hash = "beef" };
    out->lease = (struct lease){ .present = true,
                                 .format_version = 2,
                                 .target_id = "0123",
                                 .server_identity = mem_strdup("my:abc"),
                                 .epoch = INT64_MAX,
                                 .nonce = "ff",
                                 .holder = mem_strdup("who"),
                                 .since = mem_strdup("then"),
                                 .settled = { 7, "aa" } };
    out->other_lease_table = mem_strdup("other");
}

static void write_inspection(struct inspection *seen, struct buf *out)
{
    struct wire w = { .out = out };
    *out = BUF(1 << 20);
    wire_inspection(&w, seen);
}

Test(ask, an_inspection_comes_back_as_it_was)
{
    struct inspection sent, back = { 0 };
    struct buf bytes, again;
    inspection_make(&sent);
    write_inspection(&sent, &bytes);
    struct wire r = { .at = bytes.data, .end = bytes.data + bytes.len };
    wire_inspection(&r, &back);
    cr_assert(wire_complete(&r));
    write_inspection(&back, &again);
    cr_expect_eq(bytes.len, again.len);
    cr_expect_eq(memcmp(bytes.data, again.data, bytes.len), 0);
    cr_expect(back.history.rows[1].has_version);
    cr_expect_str_eq(back.history.rows[1].version.text, "2.1");
    cr_expect_null(back.history.rows[0].version_text);
    cr_expect_str_eq(back.journal.rows[0].pre_state, "[]");
    cr_expect_eq(back.lease.epoch, INT64_MAX);
    buf_done(&bytes);
    buf_done(&again);
    inspection_done(&sent);
    inspection_done(&back);
}

Test(ask, what_is_cut_short_or_too_long_is_refused)
{
    struct inspection sent;
    struct buf bytes;
    inspection_make(&sent);
    write_inspection(&sent, &bytes);
    buf_addc(&bytes, 'x');
    for (size_t length = 0; length <= bytes.len; length++) {
        struct inspection back = { 0 };
        char *exact =
            mem_strndup(bytes.data, length); /* so that a sanitizer sees a byte too many */
        struct wire r = { .at = exact, .end = exact + length };
        wire_inspection(&r, &back);
        cr_expect_eq(wire_complete(&r), length == bytes.len - 1, "%zu bytes", length);
        inspection_done(&back);
        free(exact);
    }
    buf_done(&bytes);
    inspection_done(&sent);
}

/* Each byte in turn is another: whatever comes of it can be used and released. */
Test(ask, damage_never_leads_out_of_what_was_read)
{
    struct inspection sent;
    struct buf bytes;
    inspection_make(&sent);
    write_inspection(&sent, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        for (int flip = 1; flip < 256; flip *= 2) {
            struct inspection back = { 0 };
            bytes.data[i] = (char)(bytes.data[i] ^ flip);
            struct wire r = { .at = bytes.data, .end = bytes.data + bytes.len };
            wire_inspection(&r, &back);
            inspection_complete(&back);
            inspection_done(&back);
            bytes.data[i] = (char)(bytes.data[i] ^ flip);
        }
    }
    buf_done(&bytes);
    inspection_done(&sent);
}

static bool number_fits(int64_t value, int64_t min, int64_t max)
{
    AUTO(buf_done) struct buf bytes = BUF(64);
    struct wire w = { .out = &bytes };
    wire_int64(&w, &value, INT64_MIN, INT64_MAX);
    struct wire r = { .at = bytes.data, .end = bytes.data + bytes.len };
    int64_t back = 0;
    wire_int64(&r, &back, min, max);
    cr_expect(back >= min && back <= max, "what is refused is within the bounds all the same");
    return !r.bad;
}

Test(ask, numbers_have_bounds)
{
    cr_expect(number_fits(1, 0, 1));
    cr_expect(number_fits(INT64_MIN, INT64_MIN, INT64_MAX));
    cr_expect_not(number_fits(2, 0, 1));
    cr_expect_not(number_fits(-1, 0, 1));
    cr_expect_not(number_fits(0, 5, 9));
    cr_expect_not(number_fits(0, -9, -5));
}

static struct err *error_back(enum err_kind kind, const char *reason, const char *message)
{
    AUTO(buf_done) struct buf bytes = BUF(4096);
    struct err *e = err_new(kind, reason, "%s", message), *back = NULL;
    struct wire w = { .out = &bytes };
    wire_error(&w, &e);
    err_free(e);
    struct wire r = { .at = bytes.data, .end = bytes.data + bytes.len };
    wire_error(&r, &back);
    cr_assert(wire_complete(&r));
    return back;
}

Test(ask, an_error_has_a_reason_of_the_table)
{
    struct err *e = error_back(ERR_TERMINAL, REASON_HISTORY_TAMPERED, "row 7");
    cr_expect_eq(e->kind, ERR_TERMINAL);
    cr_expect_str_eq(e->reason, REASON_HISTORY_TAMPERED);
    cr_expect_str_eq(e->message, "row 7");
    err_free(e);
    e = error_back(ERR_TRANSIENT, "SomethingElse", "x");
    cr_expect_str_eq(e->reason, REASON_INTERNAL);
    err_free(e);
    e = error_back(ERR_TRANSIENT, REASON_SUCCEEDED, "x");
    cr_expect_str_eq(e->reason, REASON_INTERNAL, "no failure may call itself a success");
    err_free(e);
}

Test(ask, a_request_comes_back_as_it_was)
{
    struct ask_job sent = { .kind = ASK_FAILURE, .left_ms = 5, .memory_bytes = 7 }, back = { 0 };
    sent.target = (struct target){ .engine = ENGINE_POSTGRESQL,
                                   .host = mem_strdup("db"),
                                   .port = 5432,
                                   .password = secret_make("s3cret", 6),
                                   .tls = TLS_VERIFY_CA };
    migrations_options_init(&sent.migrations);
    kvlist_set(&sent.migrations.placeholders, "a", "b");
    execution_options_init(&sent.execution);
    sent.holder = mem_strdup("me");
    sent.has_files = true;
    sent.files.items = mem_array(2, sizeof *sent.files.items);
    sent.files.count = sent.files.cap = 2;
    for (int i = 0; i < 2; i++) {
        struct migration *file = &sent.files.items[i];
        file->kind = MIGRATION_VERSIONED;
        cr_assert(version_parse(i ? "2" : "1", &file->version));
        file->description = mem_strdup("b");
        file->script = mem_strdup(i ? "V2__b.sql" : "V1__b.sql");
        file->path = mem_strdup("sql");
        file->sha256[2] = (uint8_t)(7 + i);
        file->raw_checksum = -i;
    }
    sent.files.items[0].undigested = true;
    sent.files.items[0].bytes = (const uint8_t *)"x";
    sent.files.items[0].size = 1;
    sent.has_place = true;
    sent.place.plan = "shop";
    sent.script = mem_strdup("V2__b.sql");
    sent.failed.failed.line = 3;
    struct buf bytes = BUF(1 << 20);
    struct wire w = { .out = &bytes };
    wire_job(&w, &sent);
    struct wire r = { .at = bytes.data, .end = bytes.data + bytes.len };
    wire_job(&r, &back);
    cr_assert(wire_complete(&r));
    cr_expect_str_eq(back.target.host, "db");
    cr_expect_str_eq(back.target.password.bytes, "s3cret");
    cr_expect_eq(back.target.tls, TLS_VERIFY_CA);
    cr_expect_str_eq(kvlist_get(&back.migrations.placeholders, "a"), "b");
    cr_expect_str_eq(back.migrations.table, sent.migrations.table);
    cr_expect_eq(back.execution.deadline_ms, sent.execution.deadline_ms);
    cr_expect_eq(back.files.count, 2);
    cr_expect_eq(memcmp(back.files.items[1].sha256, sent.files.items[1].sha256, SHA256_LEN), 0);
    uint8_t digest[SHA256_LEN];
    sha256("x", 1, digest); // made for the child, which has no bytes
    cr_expect_eq(memcmp(back.files.items[0].sha256, digest, SHA256_LEN), 0);
    cr_expect_not(back.files.items[0].undigested);
    cr_expect_str_eq(back.files.items[1].version.text, "2");
    cr_expect_eq(back.files.items[1].raw_checksum, -1);
    cr_expect_str_eq(back.place.plan, "shop");
    cr_expect_null(back.place.url);
    cr_expect_str_eq(back.script, "V2__b.sql");
    cr_expect_eq(back.failed.failed.line, 3);
    buf_done(&bytes);
    ask_job_done(&sent);
    ask_job_done(&back);
}

static struct ask_job sent_and_read(struct ask_job sent, bool *complete)
{
    struct ask_job back = { 0 };
    migrations_options_init(&sent.migrations);
    execution_options_init(&sent.execution);
    struct buf bytes = BUF(1 << 20);
    struct wire w = { .out = &bytes };
    wire_job(&w, &sent);
    struct wire r = { .at = bytes.data, .end = bytes.data + bytes.len };
    wire_job(&r, &back);
    *complete = wire_complete(&r);
    buf_done(&bytes);
    migrations_options_done(&sent.migrations);
    return back;
}

Test(ask, a_new_owner_comes_back_whole_or_is_refused)
{
    bool complete = false;
    struct ask_job sent = { .kind = ASK_TAKE_OVER, .left_ms = 5 };
    char former[] = "uid-1";
    sent.owner = (struct owner){ "uid-2", "shop", "new", "orders", "c1" };
    sent.former = former;
    struct ask_job back = sent_and_read(sent, &complete);
    cr_expect(complete);
    cr_expect_str_eq(back.owner.plan_uid, "uid-2");
    cr_expect_str_eq(back.owner.namespace_, "shop");
    cr_expect_str_eq(back.owner.name, "new");
    cr_expect_str_eq(back.owner.database, "orders");
    cr_expect_str_eq(back.owner.cluster, "c1");
    cr_expect_str_eq(back.former, "uid-1");
    ask_job_done(&back);
    sent.former = NULL; // of whom it would be taken
    back = sent_and_read(sent, &complete);
    cr_expect_not(complete);
    ask_job_done(&back);
    sent.former = former;
    sent.owner.plan_uid = NULL; // a run without an owner changes none
    back = sent_and_read(sent, &complete);
    cr_expect_not(complete);
    ask_job_done(&back);
}
