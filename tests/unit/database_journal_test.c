/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's hash chain (docs/reference/formats.md 1.2) against vectors that another program computed. */
#include <criterion/criterion.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/engine.h"
#include "model/reason.h"

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16
#define B16 "bbbbbbbbbbbbbbbb"
#define B64 B16 B16 B16 B16
#define C16 "cccccccccccccccc"
#define D16 "dddddddddddddddd"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define TABLE "flyway_schema_history"

static char *c(const char *text)
{
    return (char *)(uintptr_t)text; /* rows of literals are never released here */
}

static void fill(struct journal_row rows[4])
{
    rows[0] = (struct journal_row){
        .seq = 1,
        .installed_rank = 1,
        .kind = MIGRATION_VERSIONED,
        .version = c("1"),
        .description = c("first"),
        .script = c("V1__first.sql"),
        .line = 1,
        .state = JOURNAL_DONE,
        .file_sha256 = c(A64),
        .epoch = 1,
        .retry_token = c(""),
        .session_id = 4711,
        .row_hash = "0328bf490117684363374539e632d178263e4031677ee462580150f6a1e987e9",
    };
    rows[1] = (struct journal_row){
        .seq = 2,
        .installed_rank = 2,
        .kind = MIGRATION_VERSIONED,
        .version = c("2.0"),
        .description = c("gr\xc3\xb6\xc3\x9f"
                         "e"),
        .script = c("sub/V2.0__gr\xc3\xb6\xc3\x9f"
                    "e.sql"),
        .step = 1,
        .line = 12,
        .statement_sha256 = c(B64),
        .step_class = 'N',
        .pre_state = c("{\"table\":16390,\"indexes\":[]}"),
        .state = JOURNAL_INTENT,
        .git_commit = c(COMMIT),
        .file_sha256 = c(A64),
        .placeholders_hmac = c(B64),
        .epoch = 2,
        .attempt = 7,
        .retry_token = c(C16 C16 C16 C16),
        .session_id = 4712,
        .row_hash = "9649f7f208444a9c97c8b12f2feb46f643ba3d4cd26e06a235f82b457e2a628d",
    };
    rows[2] = rows[1];
    rows[2].seq = 3;
    rows[2].pre_state = NULL;
    rows[2].state = JOURNAL_FAILED;
    rows[2].epoch = -1;
    rows[2].retry_token = c("");
    rows[2].session_id = INT64_MAX;
    memcpy(rows[2].row_hash, "7ab40be16c65e75d98b67a92bb9ee2a6147924e35d426f571fab7f391a2b4b41",
           65);
    rows[3] = (struct journal_row){
        .seq = 4,
        .installed_rank = 3,
        .kind = MIGRATION_REPEATABLE,
        .description = c("rep"),
        .script = c("R__rep.sql"),
        .step = 2,
        .line = 3,
        .statement_sha256 = c(B64),
        .step_class = 'X',
        .state = JOURNAL_RESOLVED,
        .verdict = VERDICT_APPLIED,
        .file_sha256 = c(A64),
        .epoch = 3,
        .retry_token = c(D16 D16 D16 D16),
        .session_id = 1,
        .row_hash = "6756049a4900e20471f1daf922bdf2820cfd89671815ae522050aebcf744dcb5",
    };
}

static const struct journal_mark start = { 0 };

static void expect_tampered(const struct journal *journal, const char *words, const char *rule)
{
    AUTO(err_free_auto) struct err *e =
        journal_verify(TABLE, &start, journal->rows, journal->count);
    cr_assert(e, "%s: accepted", rule);
    cr_expect_str_eq(e->reason, REASON_HISTORY_TAMPERED, "%s", rule);
    cr_expect(strstr(e->message, words), "%s: %s", rule, e->message);
}

Test(journal, hashes_are_those_of_the_format)
{
    struct journal_row rows[4];
    char hash[SHA256_HEX_LEN + 1];
    const char *prev = "";
    fill(rows);
    for (size_t i = 0; i < 4; i++) {
        journal_row_hash(TABLE, prev, &rows[i], hash);
        cr_expect_str_eq(hash, rows[i].row_hash, "row %zu: %s", i + 1, hash);
        prev = rows[i].row_hash;
    }
}

Test(journal, an_intent_row_keeps_its_hash_when_it_is_closed)
{
    static const enum journal_state states[] = { JOURNAL_INTENT, JOURNAL_DONE, JOURNAL_INFERRED,
                                                 JOURNAL_FAILED };
    struct journal_row rows[4];
    char hash[SHA256_HEX_LEN + 1];
    fill(rows);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        rows[1].state = states[i];
        rows[1].post_state = c("[]");
        rows[1].error_code = c("23505");
        rows[1].message = c("duplicate");
        journal_row_hash(TABLE, rows[0].row_hash, &rows[1], hash);
        cr_expect_str_eq(hash, rows[1].row_hash, "%s", journal_state_text(states[i]));
    }
}

Test(journal, a_whole_chain_and_a_tail_are_accepted)
{
    struct journal_row rows[4];
    fill(rows);
    struct journal_mark second = { .seq = 2 };
    memcpy(second.hash, rows[1].row_hash, sizeof second.hash);
    cr_expect_null(journal_verify(TABLE, &start, rows, 4));
    cr_expect_null(journal_verify(TABLE, &second, rows + 2, 2));
    cr_expect_null(journal_verify(TABLE, &start, NULL, 0));
    cr_expect_null(journal_check_mark(TABLE, &second, &rows[1]));
}

Test(journal, every_field_of_the_client_is_covered)
{
    struct journal_row rows[4];
    const struct journal journal = { .rows = rows, .count = 4 };
#define CHANGED(field, value)                                                                      \
    fill(rows);                                                                                    \
    rows[1].field = value;                                                                         \
    expect_tampered(&journal, "row 2 of", #field)
    CHANGED(installed_rank, 3);
    CHANGED(kind, MIGRATION_BASELINE);
    CHANGED(version, c("2"));
    CHANGED(version, NULL);
    CHANGED(description, c("x"));
    CHANGED(script, c("x"));
    CHANGED(step, 2);
    CHANGED(line, 13);
    CHANGED(statement_sha256, c(A64));
    CHANGED(step_class, 'X');
    CHANGED(pre_state, c("[]"));
    CHANGED(git_commit, NULL);
    CHANGED(file_sha256, c(B64));
    CHANGED(placeholders_hmac, NULL);
    CHANGED(epoch, 3);
    CHANGED(attempt, 8);
    CHANGED(retry_token, c(""));
    CHANGED(session_id, 1);
#undef CHANGED
    fill(rows);
    rows[0].state = JOURNAL_FAILED; /* without pre_state the state itself is covered */
    expect_tampered(&journal, "row 1 of", "state");
}

Test(journal, missing_rows_are_named)
{
    struct journal_row rows[4];
    fill(rows);
    const struct journal without_first = { .rows = rows + 1, .count = 3 };
    expect_tampered(&without_first, "row 1 of 'flyway_schema_history' is missing", "first");
    rows[2] = rows[3];
    const struct journal hole = { .rows = rows, .count = 3 };
    expect_tampered(&hole, "row 3 of 'flyway_schema_history' is missing", "hole");
}

Test(journal, the_row_of_a_mark_is_there_and_unchanged)
{
    struct journal_row rows[4];
    struct journal_mark mark = { .seq = 2 };
    fill(rows);
    memcpy(mark.hash, rows[2].row_hash, sizeof mark.hash);
    AUTO(err_free_auto) struct err *other = journal_check_mark(TABLE, &mark, &rows[1]);
    AUTO(err_free_auto) struct err *before = journal_check_mark(TABLE, &mark, &rows[0]);
    AUTO(err_free_auto) struct err *none = journal_check_mark(TABLE, &mark, NULL);
    cr_assert(other && before && none);
    cr_expect(strstr(other->message, "row 2 of 'flyway_schema_history' or the one before"));
    cr_expect(strstr(before->message, "row 2 of 'flyway_schema_history' is missing"));
    cr_expect(strstr(none->message, "row 2 of 'flyway_schema_history' is missing"));
}

Test(journal, the_hmac_covers_the_user_placeholders_that_the_file_names)
{
    char *used[] = { c("Owner"), c("schema") };
    struct kv pairs[] = { { c("schema"), c("app") }, { c("owner"), c("me") }, { c("b"), c("c") } };
    const struct kvlist user = { .items = pairs, .count = 3 };
    const struct placeholders p = { .replacement = true, .user = &user };
    struct script script = { .placeholders_used = { .items = used, .count = 2 } };
    char got[SHA256_HEX_LEN + 1], want[SHA256_HEX_LEN + 1];
    uint8_t digest[SHA256_LEN];
    static const char text[] = "Owner\0me\0schema\0app";
    hmac_sha256("1f0c2a9b", 8, text, sizeof text, digest);
    hex_format(digest, sizeof digest, want);
    placeholders_hmac(&script, &p, "1f0c2a9b", got);
    cr_expect_str_eq(got, want);
    script.placeholders_used.count = 0;
    placeholders_hmac(&script, &p, "1f0c2a9b", got);
    cr_expect_str_eq(got, "");
}

Test(journal, which_names_a_file_had_is_found_out)
{
    char *used[] = { c("a"), c("c") };
    struct kv pairs[13] = { { c("c"), c("3") }, { c("a"), c("1") }, { c("b"), c("2") } };
    struct kvlist user = { .items = pairs, .count = 3 };
    const struct placeholders p = { .replacement = true, .user = &user };
    struct script script = { .placeholders_used = { .items = used, .count = 2 } };
    const struct script now = { 0 }; // another file now: its names do not help
    char then[SHA256_HEX_LEN + 1];
    placeholders_hmac(&script, &p, "1f0c2a9b", then);
    cr_expect(placeholders_unchanged(&now, "", &p, "1f0c2a9b", then), "as it was");
    pairs[2].value = c("other");
    cr_expect(placeholders_unchanged(&now, "", &p, "1f0c2a9b", then),
              "one that the file did not name");
    cr_expect_not(placeholders_unchanged(&now, "", &p, "another", then), "another database");
    pairs[1].value = c("other");
    cr_expect_not(placeholders_unchanged(&now, "", &p, "1f0c2a9b", then), "one that it named");
    pairs[1].value = c("1");
    user.count = 1;
    cr_expect_not(placeholders_unchanged(&now, "", &p, "1f0c2a9b", then), "one that is gone");
    user.count = 0;
    cr_expect_not(placeholders_unchanged(&now, "", &p, "1f0c2a9b", then), "all gone");
    user.count = 13;
    cr_expect(placeholders_unchanged(&now, "", &p, "1f0c2a9b", then), "too many to tell");
}

Test(journal, a_statement_knows_the_settings_above_it)
{
    char *used[] = { c("a") };
    struct kv pairs[] = { { c("a"), c("1") } };
    struct kvlist user = { .items = pairs, .count = 1 }, nobody = { 0 };
    const struct placeholders p = { .replacement = true, .user = &user };
    const struct placeholders none = { .replacement = true, .user = &nobody };
    const struct script script = { .placeholders_used = { .items = used, .count = 1 } };
    const struct script plain = { 0 };
    char then[SHA256_HEX_LEN + 1];
    placeholders_step_hmac(&script, "set", &p, "1f0c2a9b", then);
    cr_expect(placeholders_unchanged(&script, "set", &p, "1f0c2a9b", then), "as it was");
    cr_expect(placeholders_unchanged(&plain, "set", &p, "1f0c2a9b", then), "another text since");
    cr_expect_not(placeholders_unchanged(&script, "other", &p, "1f0c2a9b", then), "another SET");
    cr_expect_not(placeholders_unchanged(&script, "", &p, "1f0c2a9b", then), "no SET any more");
    placeholders_step_hmac(&plain, "set", &none, "1f0c2a9b", then);
    cr_expect(placeholders_unchanged(&plain, "set", &none, "another", then), "the lease was lost");
    cr_expect_not(placeholders_unchanged(&plain, "x", &none, "another", then), "and another SET");
    placeholders_step_hmac(&plain, "", &none, "1f0c2a9b", then);
    cr_expect(placeholders_unchanged(&plain, "", &none, "1f0c2a9b", then), "there was none");
    cr_expect_not(placeholders_unchanged(&plain, "set", &none, "1f0c2a9b", then), "a new one");
    placeholders_hmac(&script, &p, "1f0c2a9b", then);
    cr_expect(placeholders_unchanged(&script, "set", &p, "1f0c2a9b", then), "a row of version 0.1");
}
