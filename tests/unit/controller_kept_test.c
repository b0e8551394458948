/* SPDX-License-Identifier: Apache-2.0 */
/* What databases have alike is held once, and a decision sees each database's own rows all the same. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "controller/kept.h"

static void add_history(struct inspection *to, int32_t rank, const char *version, bool success)
{
    struct history *h = &to->history;
    h->rows = mem_grow(h->rows, &h->cap, h->count + 1, sizeof *h->rows);
    struct history_row *row = &h->rows[h->count++];
    *row = (struct history_row){
        .rank = rank,
        .version_text = mem_strdup(version),
        .description = mem_strdup("orders"),
        .type = mem_strdup("SQL"),
        .script = mem_printf("V%s__orders.sql", version ? version : ""),
        .installed_by = mem_printf("by %d", rank),
        .installed_on = mem_printf("on %p", (void *)to),
        .has_checksum = true,
        .checksum = 7,
        .execution_ms = rank,
        .success = success,
    };
    row->has_version = version_parse(version, &row->version);
}

static void add_journal(struct inspection *to, int32_t rank, enum journal_state state,
                        int64_t finished_ms)
{
    struct journal *j = &to->journal;
    j->rows = mem_grow(j->rows, &j->cap, j->count + 1, sizeof *j->rows);
    struct journal_row *row = &j->rows[j->count++];
    *row = (struct journal_row){
        .seq = (int64_t)j->count,
        .installed_rank = rank,
        .kind = MIGRATION_VERSIONED,
        .version = mem_strdup("1"),
        .description = mem_strdup("orders"),
        .script = mem_strdup("V1__orders.sql"),
        .step = 2,
        .line = 3,
        .statement_sha256 = mem_strdup("5a"),
        .step_class = 'X',
        .pre_state = mem_strdup("before"),
        .post_state = mem_strdup("after"),
        .state = state,
        .verdict = VERDICT_APPLIED,
        .git_commit = mem_strdup("c0ffee"),
        .file_sha256 = mem_strdup("f1"),
        .placeholders_hmac = mem_strdup("4a"),
        .epoch = 4,
        .attempt = 5,
        .retry_token = mem_strdup("again"),
        .session_id = finished_ms,
        .error_code = mem_strdup("42P01"),
        .message = mem_strdup("no such table"),
        .started = mem_printf("at %lld", (long long)finished_ms),
        .finished = mem_printf("at %lld", (long long)finished_ms),
        .finished_ms = finished_ms,
    };
    snprintf(row->row_hash, sizeof row->row_hash, "%lld", (long long)finished_ms);
}

/* Two databases with the same files, applied at other times: the second with its ranks moved by `moved`. */
static void fill(struct inspection *out, int32_t moved, int64_t now_ms)
{
    add_history(out, 1 + moved, "1", true);
    add_history(out, 2 + moved, "10", true);
    add_history(out, 3 + moved, "9", true);
    add_history(out, 4 + moved, "11", false);
    add_history(out, 5 + moved, NULL, true);
    add_journal(out, 1 + moved, JOURNAL_DONE, now_ms + 9);
    add_journal(out, 4 + moved, JOURNAL_FAILED, now_ms);
    out->history.table_exists = out->journal.table_exists = true;
    out->journal.head_seq = 2;
}

Test(kept, equal_bytes_are_one_piece_until_the_last_reference_goes)
{
    const size_t before = kept_count();
    void *one = kept_bytes("abc", 3), *same = kept_bytes("abc", 3), *other = kept_bytes("abd", 3);
    cr_assert_eq(one, same);
    cr_assert_neq(one, other);
    cr_assert_eq(kept_count(), before + 2);
    kept_release(one);
    cr_assert_eq(memcmp(same, "abc", 3), 0);
    cr_assert_eq(kept_count(), before + 2);
    kept_release(same);
    kept_release(other);
    kept_release(NULL);
    cr_assert_eq(kept_count(), before);
    cr_assert_null(kept_bytes("", 0));
}

Test(kept, many_pieces_are_found_again)
{
    enum {
        MANY = 5000 /* the table grows twice */
    };
    void *kept[MANY];
    for (int i = 0; i < MANY; i++) {
        kept[i] = kept_bytes(&i, sizeof i);
    }
    cr_assert_eq(kept_count(), MANY);
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(kept_bytes(&i, sizeof i), kept[i]);
        kept_release(kept[i]);
        kept_release(kept[i]);
    }
    cr_assert_eq(kept_count(), 0);
}

Test(kept, databases_with_the_same_rows_share_them_all)
{
    struct inspection a = { 0 }, b = { 0 };
    struct kept_rows one, two;
    fill(&a, 0, 1000);
    fill(&b, 0, 2000);
    kept_rows_take(&a, &one);
    const size_t pieces = kept_count();
    kept_rows_take(&b, &two);
    cr_assert_eq(kept_count(), pieces, "times, hashes and people make no difference");
    cr_assert_eq(one.history.rows, two.history.rows);
    cr_assert_eq(one.journal.rows, two.journal.rows);
    cr_assert_eq(two.finished_ms, 2009);
    kept_rows_done(&one);
    cr_assert_eq(kept_count(), pieces, "the other still has them");
    kept_rows_done(&two);
    cr_assert_eq(kept_count(), 0);
    inspection_done(&a);
    inspection_done(&b);
}

Test(kept, other_ranks_cost_no_other_rows)
{
    struct inspection a = { 0 }, b = { 0 };
    struct kept_rows one, two;
    fill(&a, 0, 1000);
    fill(&b, 70, 1000);
    kept_rows_take(&a, &one);
    const size_t pieces = kept_count();
    kept_rows_take(&b, &two);
    cr_assert_eq(kept_count(), pieces + 2, "one list each for history and journal");
    cr_assert_eq(one.history.rows[3].row, two.history.rows[3].row);
    cr_assert_eq(two.history.rows[3].rank, 74);
    kept_rows_done(&two);
    kept_rows_done(&one);
    cr_assert_eq(kept_count(), 0);
}

Test(kept, what_is_opened_is_what_decisions_ask_for)
{
    struct inspection seen = { 0 };
    struct kept_rows kept;
    fill(&seen, 70, 1000);
    kept_rows_take(&seen, &kept);
    cr_assert_eq(seen.history.count + seen.journal.count, 0);
    cr_assert(seen.history.table_exists && seen.journal.table_exists);
    cr_assert_eq(seen.journal.head_seq, 2);
    cr_assert_str_eq(kept.newest.text, "10", "the highest that succeeded, not the last");

    AUTO(kept_rows_close) struct inspection opened = seen;
    kept_rows_open(&kept, &opened);
    cr_assert_eq(opened.history.count, 5);
    const struct history_row *row = &opened.history.rows[3];
    cr_assert_eq(row->rank, 74);
    cr_assert(row->has_version && row->has_checksum && !row->success);
    cr_assert_str_eq(row->version.text, "11");
    cr_assert_str_eq(row->version_text, "11");
    cr_assert_str_eq(row->description, "orders");
    cr_assert_str_eq(row->type, "SQL");
    cr_assert_str_eq(row->script, "V11__orders.sql");
    cr_assert_eq(row->checksum, 7);
    cr_assert_null(opened.history.rows[4].version_text);
    cr_assert_not(opened.history.rows[4].has_version);

    cr_assert_eq(opened.journal.count, 2);
    const struct journal_row *open = &opened.journal.rows[1];
    cr_assert_eq(open->installed_rank, 74);
    cr_assert_eq(open->kind, MIGRATION_VERSIONED);
    cr_assert_str_eq(open->version, "1");
    cr_assert_str_eq(open->description, "orders");
    cr_assert_str_eq(open->script, "V1__orders.sql");
    cr_assert(open->step == 2 && open->line == 3 && open->step_class == 'X');
    cr_assert(open->state == JOURNAL_FAILED && open->verdict == VERDICT_APPLIED);
    cr_assert_str_eq(open->git_commit, "c0ffee");
    cr_assert_str_eq(open->file_sha256, "f1");
    cr_assert_str_eq(open->placeholders_hmac, "4a");
    cr_assert(open->epoch == 4 && open->attempt == 5);
    cr_assert_str_eq(open->retry_token, "again");
    cr_assert_str_eq(open->error_code, "42P01");
    cr_assert_str_eq(open->message, "no such table");
    cr_assert_eq(open->finished_ms, 1009, "the latest end, wherever it was");
    kept_rows_done(&kept);
    inspection_done(&seen);
}

Test(kept, a_database_without_rows)
{
    struct inspection seen = { 0 };
    struct kept_rows kept;
    kept_rows_take(&seen, &kept);
    cr_assert_eq(kept_count(), 0);
    cr_assert_str_eq(kept.newest.text, "");
    AUTO(kept_rows_close) struct inspection opened = seen;
    kept_rows_open(&kept, &opened);
    cr_assert_eq(opened.history.count + opened.journal.count, 0);
    kept_rows_done(&kept);
}
