/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a journal is over, so that nobody reads it again (docs/reference/formats.md 1.4). */
#include <criterion/criterion.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/engine.h"

/* Version 2 is V2, Ra a repeatable. Ranks are the versions' numbers; a repeatable's is 9. */
struct row {
    const char *name;
    int step;
    const char *state; /* of the journal, or a verdict's word */
};

static int32_t rank_of(const char *name)
{
    return name[0] == 'R' ? 9 : name[1] - '0';
}

static void parse_row(const struct row *row, int64_t seq, struct journal_row *out)
{
    const char *name = row->name, *state = row->state;
    const bool restart = str_eq(state, "restart"), applied = str_eq(state, "applied");
    *out = (struct journal_row){
        .seq = seq,
        .step = row->step,
        .kind = name[0] == 'R' ? MIGRATION_REPEATABLE : MIGRATION_VERSIONED,
        .version = name[0] == 'V' ? mem_strdup(name + 1) : NULL,
        .description = mem_strdup(name[0] == 'R' ? name + 1 : "x"),
        .installed_rank = rank_of(name),
        .state = restart || applied || str_eq(state, "undone") ? JOURNAL_RESOLVED
                                                               : journal_state_parse(state),
        .verdict = restart   ? VERDICT_RESTART
                   : applied ? VERDICT_APPLIED
                             : VERDICT_NONE,
    };
    out->verdict = str_eq(state, "undone") ? VERDICT_NOT_APPLIED : out->verdict;
    cr_assert(out->state != JOURNAL_NONE, "%s", state);
    snprintf(out->row_hash, sizeof out->row_hash, "hash of %d", (int)seq);
}

static void parse_history(const char *text, struct history_row *out)
{
    *out = (struct history_row){ .success = text[0] == '+' };
    text++;
    out->rank = rank_of(text);
    out->description = mem_strdup(text[0] == 'R' ? text + 1 : "x");
    out->version_text = text[0] == 'V' ? mem_strdup(text + 1) : NULL;
    out->has_version = out->version_text && version_parse(out->version_text, &out->version);
}

static void parse_file(const char *text, struct migration *out)
{
    *out =
        (struct migration){ .kind = text[0] == 'R' ? MIGRATION_REPEATABLE : MIGRATION_VERSIONED };
    out->description = mem_strdup(text[0] == 'R' ? text + 1 : "x");
    if (text[0] == 'V') {
        cr_assert(version_parse(text + 1, &out->version));
    }
}

struct rule {
    const char *name;
    struct row rows[10]; /* seq 1, 2 ... */
    const char *history[4], *files[4];
    int64_t mark; /* of the lease */
    int64_t want;
};

static const struct rule rules[] = {
    { "nothing is there", { { NULL, 0, NULL } }, { NULL }, { NULL }, 0, 0 },
    { "a finished file is over",
      { { "V1", 1, "done" }, { "V1", 2, "done" }, { "V1", 0, "done" } },
      { "+V1" },
      { "V1" },
      0,
      3 },
    { "an open step is not, and nothing behind it",
      { { "V1", 0, "done" }, { "V2", 1, "intent" }, { "V3", 0, "done" } },
      { "+V1", "+V3" },
      { "V1", "V2", "V3" },
      0,
      1 },
    { "a step that is done stays open until its file is",
      { { "V1", 0, "done" }, { "V2", 1, "done" } },
      { "+V1" },
      { "V1", "V2" },
      0,
      1 },
    { "even when the file is gone",
      { { "V1", 0, "done" }, { "V2", 1, "done" } },
      { "+V1" },
      { "V1" },
      0,
      1 },
    { "or was said to be applied",
      { { "V1", 0, "done" }, { "V2", 1, "applied" } },
      { "+V1" },
      { "V1" },
      0,
      1 },
    { "a failure is open while its file is there",
      { { "V1", 0, "done" }, { "V2", 1, "failed" } },
      { "+V1" },
      { "V1", "V2" },
      0,
      1 },
    { "a failure without a trace is over when its file is gone",
      { { "V1", 0, "done" }, { "V2", 1, "failed" }, { "V3", 0, "done" } },
      { "+V1", "+V3" },
      { "V1", "V3" },
      0,
      3 },
    { "but not while the history has its failed row",
      { { "V1", 0, "done" }, { "V2", 1, "failed" } },
      { "+V1", "-V2" },
      { "V1" },
      0,
      1 },
    { "nor does a word of a person help then",
      { { "V1", 0, "done" }, { "V2", 1, "failed" }, { "V2", 0, "restart" } },
      { "+V1", "-V2" },
      { "V1" },
      0,
      1 },
    { "an intent that was undone leaves nothing",
      { { "V1", 0, "done" }, { "V2", 1, "intent" }, { "V2", 1, "undone" } },
      { "+V1" },
      { "V1" },
      0,
      3 },
    { "an attempt before the one that succeeded is over",
      { { "V1", 1, "failed" }, { "V1", 1, "done" }, { "V1", 0, "done" } },
      { "+V1" },
      { "V1" },
      0,
      3 },
    { "a restart ends what came before",
      { { "V1", 1, "done" }, { "V1", 0, "restart" } },
      { NULL },
      { "V1" },
      0,
      2 },
    { "and nothing behind it",
      { { "V1", 1, "done" }, { "V1", 0, "restart" }, { "V1", 1, "done" } },
      { NULL },
      { "V1" },
      0,
      2 },
    { "V2 is V2.0", { { "V2.0", 1, "done" }, { "V2", 0, "done" } }, { "+V2" }, { "V2" }, 0, 2 },
    { "a real Flyway's success ends an attempt",
      { { "V1", 1, "done" } },
      { "+V1" },
      { "V1" },
      0,
      1 },
    { "of that version only", { { "V1", 1, "done" } }, { "+V2" }, { "V2" }, 0, 0 },
    { "a repeatable that ran is over, one that runs is not",
      { { "Ra", 0, "done" }, { "Rb", 1, "done" }, { "Ra", 1, "intent" } },
      { "+Ra" },
      { "Ra", "Rb" },
      0,
      1 },
    { "a description is no version",
      { { "Ra", 1, "done" }, { "Va", 0, "done" } },
      { NULL },
      { NULL },
      0,
      0 },
    { "a file closes only its own rows",
      { { "V1", 1, "done" }, { "V2", 1, "done" }, { "V2", 0, "done" }, { "V1", 0, "done" } },
      { "+V1", "+V2" },
      { "V1", "V2" },
      0,
      4 },
    { "the mark of the lease is believed",
      { { "V1", 1, "intent" }, { "V2", 0, "done" } },
      { "+V2" },
      { "V1" },
      1,
      2 },
    { "and kept", { { "V1", 1, "intent" } }, { NULL }, { "V1" }, 7, 7 },
};

Test(settled, rows_of_files_that_are_over)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct rule *rule = &rules[i];
        struct journal_row rows[10] = { 0 };
        struct history_row history[4] = { 0 };
        struct migration files[4] = { 0 };
        struct inspection seen = { .journal.rows = rows, .history.rows = history };
        struct migration_set set = { .items = files };
        seen.lease.settled.seq = rule->mark;
        for (; rule->rows[seen.journal.count].name; seen.journal.count++) {
            const size_t n = seen.journal.count;
            parse_row(&rule->rows[n], (int64_t)n + 1, &rows[n]);
        }
        for (; seen.history.count < 4 && rule->history[seen.history.count]; seen.history.count++) {
            parse_history(rule->history[seen.history.count], &history[seen.history.count]);
        }
        for (; set.count < 4 && rule->files[set.count]; set.count++) {
            parse_file(rule->files[set.count], &files[set.count]);
        }
        const struct journal_mark mark = journal_settled(&seen, &set);
        cr_expect_eq(mark.seq, rule->want, "%s: %d", rule->name, (int)mark.seq);
        if (mark.seq > rule->mark) {
            char hash[SHA256_HEX_LEN + 1];
            snprintf(hash, sizeof hash, "hash of %d", (int)rule->want);
            cr_expect_str_eq(mark.hash, hash, "%s", rule->name);
        }
        for (size_t r = 0; r < 10; r++) {
            journal_row_done(&rows[r]);
        }
        for (size_t r = 0; r < 4; r++) {
            free(history[r].description);
            free(history[r].version_text);
            free(files[r].description);
        }
    }
}
