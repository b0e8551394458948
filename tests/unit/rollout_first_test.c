/* SPDX-License-Identifier: Apache-2.0 */
/* Who goes first: those who have begun, then one for everything that many databases get. */
#include <stdio.h>
#include "base/mem.h"
#include "base/str.h"
#include "reconcile/rollout/rollout.h"
#include "rows.h"

#define MOST 8
#define FILES 10

/* One database: "b" has begun, "e" is empty, "x" is refused, "?" does not answer; then the files it has,
 * "/", those it has pending, and the letter of its set of trees: "b12/3T". "o": what follows was applied
 * out of order; "m2": a row whose file is missing; "f2": one above the tree; "n2": one without a
 * checksum; "wb": what is left waits for b, and is no action. */
struct first_row {
    const char *rule;
    const char *databases[MOST];
    const char *named; /* letters of the first wave's names; "": it selects `count` */
    int count;
    const char *waves; /* "a|b|cd", members by letter in the order of waves */
    int lead;
};

static const struct first_row rows[] = {
    { "nobody has begun: the selection", { "1/2T", "1/2T", "1/2T" }, "a", 0, "a|bc", 0 },
    { "who has begun goes first", { "1/2T", "b1/2T", "1/2T" }, "a", 0, "b|a|c", 1 },
    { "the selection itself has begun", { "b12/T", "1/2T", "1/2T" }, "a", 0, "a|bc", 0 },
    { "the fewest files left", { "b1/23T", "b12/3T", "1/23T" }, "a", 0, "b|a|c", 1 },
    { "everybody who has none left", { "b12/T", "b12/T", "1/2T" }, "a", 0, "ab|c", 0 },
    { "no more than the first wave selects while files are left",
      { "b1/2T", "b1/2T", "b1/2T", "1/2T" },
      "",
      1,
      NULL,
      -1 },
    { "selected ones first", { "b1/2T", "b1/2T", "b1/2T" }, "b", 0, "b|ac", 0 },
    { "as many as the first wave selects",
      { "1/2T", "b1/2T", "b1/2T", "b1/2T" },
      "ab",
      0,
      "bc|a|d",
      1 },
    { "of one that failed nobody knows what is left",
      { "bx1/T", "b1/2T", "1/2T" },
      "a",
      0,
      "b|a|c",
      1 },
    { "one that failed alone goes first", { "bx1/T", "1/2T", "1/2T" }, "a", 0, "a|b|c", 1 },
    { "one that does not answer does not go first",
      { "1/2T", "b?1/2T", "b1/2T" },
      "a",
      0,
      "c|a|b",
      1 },
    { "a first wave without a pending file proves nothing: one more",
      { "1/T", "1/2U", "1/2U" },
      "a",
      0,
      "a|b|c",
      1 },
    { "it has run what others have pending: that is proof",
      { "12/T", "1/2T", "1/2T" },
      "a",
      0,
      "a|bc",
      0 },
    { "nothing is pending anywhere", { "1/T", "1/T" }, "a", 0, "a|b", 0 },
    { "only an empty one has files: it proves nothing for nobody",
      { "1/T", "e/1T" },
      "a",
      0,
      "a|b",
      0 },
    { "own trees: each file is for one database",
      { "/1T", "/2U", "/3V", "/4W" },
      "a",
      0,
      "a|bcd",
      0 },
    { "two groups: each is proven by one", { "/1T", "/1T", "/2U", "/2U" }, "a", 0, "a|c|bd", 1 },
    { "three groups: their provers need not wait for each other",
      { "/1T", "/1T", "/2U", "/2U", "/3V", "/3V" },
      "a",
      0,
      "a|ce|bdf",
      1 },
    { "provers that share what is not proven yet go one after the other",
      { "/1T", "/24U", "/24U", "/34V", "/34V" },
      "a",
      0,
      "a|b|d|ce",
      2 },
    { "a shared file beside own ones is proven by the first wave",
      { "/19T", "/29U", "/39V" },
      "a",
      0,
      "a|bc",
      0 },
    { "one tree, other files of it each: they stand for each other",
      { "1/T", "2/1U", "1/2U" },
      "a",
      0,
      "a|b|c",
      1 },
    { "as many as the first wave selects need no proof",
      { "/1T", "/1T", "/2U", "/2U" },
      "ab",
      0,
      "ab|cd",
      0 },
    { "who has begun and has what others are to get goes before them",
      { "/7T", "b1/U", "b7/8V" },
      "a",
      0,
      "b|c|a|",
      2 },
    { "nobody gets what one that has begun has and has not proven",
      { "b7/12T", "b/7U", "1/7V" },
      "b",
      0,
      "a|b|c",
      1 },
    { "two that each lack what the other has: somebody must begin",
      { "b1/2T", "b2/1U", "/12V" },
      "c",
      0,
      "a|b|c|",
      2 },
    { "of two with the same number left the one that may go",
      { "b/7U", "b7/1T", "1/7V" },
      "c",
      0,
      "b|c|a",
      1 },
    { "and it may be the first of the two",
      { "/79T", "b1/U", "b9/8W", "b7/56V" },
      "a",
      0,
      "b|c|d|a|",
      3 },
    { "of a set of trees that several have begun, each may get more",
      { "/6789T", "b67/89T", "b678/9T", "b678/9T", "b1/U" },
      "a",
      0,
      "e|c|a|bd",
      2 },
    { "as many as the first wave selects may have what is not proven",
      { "b1/T", "b7/8V", "/7U", "/7W", "/7X" },
      "cd",
      0,
      "a|c|d|be",
      2 },
    { "one that failed and has what others are to get holds them",
      { "/7T", "b1/U", "bx7/V" },
      "a",
      0,
      "b|c|a|",
      2 },
    { "of two that are due the one with fewer files left",
      { "/79T", "b1/U", "b7/56V", "b9/8W" },
      "a",
      0,
      "b|d|c|a|",
      3 },
    { "neither of two may get what the other has",
      { "/7T", "b1/U", "b7/9V", "b9/7W" },
      "a",
      0,
      "b|a|cd",
      1 },
    { "the spec's first wave before the others", { "1/2T", "b1/U", "1/2V" }, "c", 0, "b|c|a", 1 },
    { "one prover is enough", { "/1T", "/1T", "/7U", "/7U", "/7U" }, "ab", 0, "ab|c|de", 1 },
    { "applied out of order is applied", { "o2/T", "1/2T", "1/2T" }, "a", 0, "a|bc", 0 },
    { "one that does not answer proves nothing",
      { "/1T", "?/2U", "/2U", "/2U" },
      "a",
      0,
      "a|c|bd",
      1 },
    { "what waits for another database is to be proven, too",
      { "/1T", "/9U", "wb/7V", "wb/7V", "wb/7V" },
      "a",
      0,
      "a|bcde",
      0 },
    { "one that waits goes first only with what it waits for",
      { "b/1T", "b/29U", "bwb1/7V", "1/7V" },
      "d",
      0,
      "b|c|d|a",
      2 },
    { "one that is due and waits for a later one is not taken yet",
      { "/7T", "b1/U", "bwd7/8V", "/9W" },
      "a",
      0,
      NULL,
      -1 },
    { "the one that another waits for is before it",
      { "b1/T", "/9U", "bwb7/8V", "/8V" },
      "b",
      0,
      "a|b|c|d",
      2 },
    { "an empty prover proves nothing", { "/1T", "e/2U", "/2U", "/2U" }, "a", 0, "a|c|bd", 1 },
};

static struct migration files[FILES];
static char scripts[FILES][8];

struct fleet {
    struct mplan plan;
    struct mplan_database databases[MOST];
    struct mplan_wave wave;
    char names[MOST][2];
    char *first[MOST];
    struct plan plans[MOST];
    struct plan_entry entries[MOST][2 * FILES];
    struct action actions[MOST][FILES];
    char inputs[MOST][2];
    struct rollout_standing standings[MOST];
};

static const struct migration *file_of(char digit)
{
    int i = digit - '0';
    (void)snprintf(scripts[i], sizeof scripts[i], "V%d", i);
    files[i].script = scripts[i];
    files[i].raw_checksum = i;
    return &files[i];
}

static const struct history_row *row_of(char digit, bool checksum)
{
    static struct history_row rows_of[FILES][2];
    struct history_row *row = &rows_of[digit - '0'][checksum];
    row->script = file_of(digit)->script;
    row->checksum = file_of(digit)->raw_checksum;
    row->has_checksum = checksum;
    return row;
}

static void fill_standing(struct fleet *f, size_t i, const char *text)
{
    struct rollout_standing *s = &f->standings[i];
    struct plan *plan = &f->plans[i];
    plan->entries = f->entries[i];
    plan->actions = f->actions[i];
    s->plan = plan;
    s->inputs = f->inputs[i];
    s->waits_on = SIZE_MAX;
    bool pending = false, late = false;
    for (const char *p = text; *p; p++) {
        s->begun |= *p == 'b';
        s->empty |= *p == 'e';
        s->refused |= *p == 'x';
        late |= *p == 'o';
        pending |= *p == '/';
        if (*p == 'm' || *p == 'f' || *p == 'n') {
            plan->entries[plan->entry_count++] =
                (struct plan_entry){ .state = *p == 'f' ? STATE_FUTURE : STATE_MISSING,
                                     .row = row_of(p[1], *p != 'n') };
            p++;
        } else if (*p == 'w') {
            static char waits[] = "another/1";
            plan->waits_for = waits;
            s->waits_on = (size_t)(*++p - 'a');
        } else if (*p == '?') {
            s->silent = true;
        } else if (*p >= 'A' && *p <= 'Z') {
            f->inputs[i][0] = *p;
        } else if (*p >= '0' && *p <= '9') {
            plan->entries[plan->entry_count++] =
                (struct plan_entry){ .state = pending ? STATE_PENDING
                                              : late  ? STATE_OUT_OF_ORDER
                                                      : STATE_SUCCESS,
                                     .file = file_of(*p) };
            if (pending && !plan->waits_for) {
                plan->actions[plan->action_count++] = (struct action){ .file = file_of(*p) };
            }
        }
    }
}

static void fleet_init(struct fleet *f, const struct first_row *row)
{
    static char uid[] = "u", first[] = "first";
    *f = (struct fleet){ .plan = { .uid = uid, .strategy = STRATEGY_CANARY } };
    for (size_t i = 0; i < MOST && row->databases[i]; i++) {
        f->names[i][0] = (char)('a' + (int)i);
        f->databases[i].name = f->names[i];
        f->first[i] = f->names[i];
        fill_standing(f, i, row->databases[i]);
        f->plan.database_count++;
    }
    f->wave = (struct mplan_wave){ .name = first, .select = SELECT_COUNT, .amount = row->count };
    if (row->named[0]) {
        f->wave.select = SELECT_NAMES;
        f->wave.names = (struct strlist){ .items = f->first, .count = strlen(row->named) };
        for (size_t i = 0; row->named[i]; i++) {
            f->first[i] = f->names[row->named[i] - 'a'];
        }
    }
    f->plan.databases = f->databases;
    f->plan.waves = &f->wave;
    f->plan.wave_count = 1;
}

static void waves_text(const struct rollout_waves *waves, char out[64])
{
    size_t at = 0;
    for (size_t w = 0; w < waves->count; w++) {
        at += (size_t)snprintf(out + at, 64 - at, "%s", w ? "|" : "");
        for (size_t i = 0; i < waves->database_count; i++) {
            if (waves->member[i] == (int32_t)w) {
                out[at++] = (char)('a' + (int)i);
                out[at] = '\0';
            }
        }
    }
}

static void take_of(const struct fleet *f, enum rollout_take take[MOST])
{
    for (size_t i = 0; i < f->plan.database_count; i++) {
        take[i] = f->standings[i].silent  ? ROLLOUT_TAKE_LAST
                  : f->standings[i].empty ? ROLLOUT_TAKE_BY_NAME
                                          : ROLLOUT_TAKE_ANY;
    }
}

Test(rollout_first, who_goes_first)
{
    for (size_t r = 0; r < ROWS(rows); r++) {
        static struct fleet f;
        struct rollout_waves waves;
        enum rollout_take take[MOST];
        char got[64] = "";
        fleet_init(&f, &rows[r]);
        take_of(&f, take);
        rollout_waves_make(&f.plan, take, &waves);
        int32_t lead = rollout_first(&f.plan, f.standings, &waves);
        waves_text(&waves, got);
        if (rows[r].waves) {
            check_text(rows[r].rule, got, rows[r].waves);
            cr_expect(lead == rows[r].lead, "%s: lead %d", rows[r].rule, lead);
        } else {
            cr_expect(strcspn(got, "|") == 1, "%s: %s", rows[r].rule, got);
        }
        for (int32_t w = 0; w <= lead; w++) {
            check_text(rows[r].rule, waves.items[w].name, "first");
        }
        rollout_waves_done(&waves);
    }
}

struct unproven_row {
    const char *rule;
    const char *databases[MOST]; /* the last one is the newcomer */
    int32_t members[MOST];
    bool unproven;
};

static const struct unproven_row unproven[] = {
    { "the first wave has the trees", { "12/T", "1/2T", "1/2T" }, { 0, 1, 1 }, false },
    { "trees of its own alone", { "12/T", "1/2T", "4/5U" }, { 0, 1, 1 }, false },
    { "trees that another has as well", { "12/T", "4/U", "4/5U" }, { 0, 1, 1 }, false },
    { "and lacks as well", { "12/T", "4/5U", "4/5U" }, { 0, 1, 1 }, true },
    { "and has got since", { "12/T", "b5/6W", "1/5U" }, { 0, 1, 1 }, true },
    { "and has got, though its own trees lack it now",
      { "12/T", "bm5/6W", "1/5U" },
      { 0, 1, 1 },
      true },
    { "and has got as one above its trees", { "12/T", "bf5/6W", "1/5U" }, { 0, 1, 1 }, true },
    { "a row without a checksum tells nothing", { "12/T", "bn5/6W", "1/5U" }, { 0, 1, 1 }, false },
    { "one of more first waves proves them", { "12/T", "45/U", "4/5U" }, { 0, 0, 1 }, false },
    { "what they have proves a file", { "125/T", "4/5U", "4/5V" }, { 0, 1, 1 }, false },
    { "what they are to get does, too", { "12/5T", "4/5U", "4/5V" }, { 0, 1, 1 }, false },
};

Test(rollout_first, newcomers)
{
    static struct fleet f;
    for (size_t r = 0; r < ROWS(unproven); r++) {
        struct first_row row = { .named = "a" };
        memcpy(row.databases, unproven[r].databases, sizeof row.databases);
        fleet_init(&f, &row);
        bool got = rollout_unproven(&f.plan, f.standings, unproven[r].members, 0,
                                    f.plan.database_count - 1);
        cr_expect(got == unproven[r].unproven, "%s: %d", unproven[r].rule, got);
    }
    f.standings[0].plan = NULL; /* as it is while it does not answer */
    f.inputs[0][0] = f.inputs[2][0];
    cr_expect(!rollout_unproven(&f.plan, f.standings, (int32_t[]){ 0, 1, 1 }, 0, 2), "not known");
}

Test(rollout_first, all_at_once_and_nobody)
{
    static struct fleet f;
    struct rollout_waves waves;
    fleet_init(&f, &rows[1]);
    f.plan.strategy = STRATEGY_ALL_AT_ONCE;
    rollout_waves_make(&f.plan, NULL, &waves);
    cr_expect(rollout_first(&f.plan, f.standings, &waves) == 0 && waves.count == 1, "AllAtOnce");
    rollout_waves_done(&waves);
    f.plan.database_count = 0;
    f.plan.strategy = STRATEGY_CANARY;
    rollout_waves_make(&f.plan, NULL, &waves);
    cr_expect(rollout_first(&f.plan, f.standings, &waves) == 0, "nobody");
    rollout_waves_lead(&waves, 3);
    rollout_waves_done(&waves);
}

Test(rollout_first, files_left)
{
    struct plan plan = { .action_count = 3 };
    struct rollout_standing s = { .plan = &plan, .inputs = "" };
    cr_expect(rollout_left(&s) == 3, "actions");
    static char waits[] = "billing/2";
    plan.waits_for = waits;
    cr_expect(rollout_left(&s) == 4, "and what waits");
    s.refused = true;
    cr_expect(rollout_left(&s) == INT64_MAX, "refused: not known");
    s = (struct rollout_standing){ .inputs = "" };
    cr_expect(rollout_left(&s) == INT64_MAX, "no plan: not known");
}

Test(rollout_first, files_behind_a_wait)
{
    static char waits[] = "billing/2";
    static struct plan_entry entries[] = {
        { .state = STATE_PENDING },          { .state = STATE_OUTDATED },
        { .state = STATE_INTERRUPTED },      { .state = STATE_OUTCOME_UNKNOWN },
        { .state = STATE_FAILED },           { .state = STATE_SUCCESS },
        { .state = STATE_IGNORED_BASELINE }, { .state = STATE_PENDING },
    };
    for (size_t i = 0; i + 1 < ROWS(entries); i++) { /* the last one has no file */
        entries[i].file = file_of((char)('0' + (int)i));
    }
    struct plan plan = { .entries = entries, .entry_count = ROWS(entries), .waits_for = waits };
    struct rollout_standing s = { .plan = &plan, .inputs = "t", .waits_on = SIZE_MAX };
    struct rollout_files found;
    cr_expect(rollout_left(&s) == 5, "%lld left", (long long)rollout_left(&s));
    rollout_files_make(&s, 1, &found);
    cr_expect(found.count == 6, "five files and the trees: %zu", found.count);
    rollout_files_done(&found);
    static struct action actions[9]; /* more than there are entries: a baseline marker is none */
    plan.actions = actions;
    plan.action_count = ROWS(actions);
    rollout_files_make(&s, 1, &found);
    cr_expect(found.count == 6, "the same: %zu", found.count);
    rollout_files_done(&found);
}

/* ---- a wave that selects nothing --------------------------------------------------------------- */

struct empty_row {
    const char *rule;
    int select, amount;
    const char *key, *value, *name;
    const char *labels[3]; /* "tier=canary" of each database */
    bool allow_empty;
    const char *want; /* a piece of the message; NULL: it is fine */
};

static const struct empty_row empties[] = {
    { "a label that exists",
      SELECT_LABELS,
      0,
      "tier",
      "canary",
      NULL,
      { "tier=canary", "", "" },
      false,
      NULL },
    { "a slip in the key",
      SELECT_LABELS,
      0,
      "teir",
      "canary",
      NULL,
      { "tier=canary", "", "" },
      false,
      "wave second selects none of 3 databases: no label teir; did you mean tier; correct "
      "strategy.waves[1].select, or say allowEmpty: true" },
    { "a slip in the value",
      SELECT_LABELS,
      0,
      "tier",
      "canray",
      NULL,
      { "tier=canary", "tier=rest", "" },
      false,
      "no database has tier=canray; did you mean canary; correct" },
    { "another value",
      SELECT_LABELS,
      0,
      "tier",
      "blue",
      NULL,
      { "tier=canary", "tier=rest", "" },
      false,
      "no database has tier=blue; there are canary, rest; correct" },
    { "another key",
      SELECT_LABELS,
      0,
      "region",
      "eu",
      NULL,
      { "tier=canary", "", "" },
      false,
      "no label region; there is tier; correct" },
    { "no labels at all",
      SELECT_LABELS,
      0,
      "tier",
      "canary",
      NULL,
      { "", "", "" },
      false,
      "no label tier; the databases have no labels; correct" },
    { "taken by an earlier wave",
      SELECT_LABELS,
      0,
      "tier",
      "x",
      NULL,
      { "", "", "tier=x" },
      false,
      "those that it selects are in earlier waves" },
    { "a name that is not there",
      SELECT_NAMES,
      0,
      NULL,
      NULL,
      "z",
      { "", "", "" },
      false,
      "there is no database z" },
    { "a name of an earlier wave",
      SELECT_NAMES,
      0,
      NULL,
      NULL,
      "c",
      { "", "", "" },
      false,
      "those that it names are in earlier waves" },
    { "a count", SELECT_COUNT, 2, NULL, NULL, NULL, { "", "", "" }, false, NULL },
    { "none has both labels",
      SELECT_LABELS,
      0,
      "tier",
      "canary",
      NULL,
      { "tier=canary", "zone=eu", "tier=canary" },
      false,
      "no database has all of these labels" },
    { "many keys",
      SELECT_LABELS,
      0,
      "region",
      "eu",
      NULL,
      { "a=1,b=1,c=1", "d=1,e=1,f=1", "a=1" },
      false,
      "no label region; there is a, b, c, d, e; correct" },
    { "one value of many databases",
      SELECT_LABELS,
      0,
      "tier",
      "blue",
      NULL,
      { "tier=canary", "tier=canary", "" },
      false,
      "no database has tier=blue; there are canary; " },
    { "nothing left for a count",
      SELECT_COUNT,
      1,
      NULL,
      NULL,
      "all",
      { "", "", "" },
      false,
      "wave second selects none of 3 databases: all of them are in earlier waves; correct" },
    { "it says that it may", SELECT_LABELS, 0, "teir", "canary", NULL, { "", "", "" }, true, NULL },
};

#define LABELS 3

struct empty_fleet {
    struct mplan_database databases[3];
    char names[3][2];
    char texts[3][32];
    struct kv labels[3][LABELS];
};

/* "a=1,b=2" */
static void label(struct empty_fleet *f, size_t i, const char *text_)
{
    struct kvlist *labels = &f->databases[i].labels;
    (void)snprintf(f->texts[i], sizeof f->texts[i], "%s", text_);
    *labels = (struct kvlist){ .items = f->labels[i] };
    for (char *at = f->texts[i]; at && *at;) {
        char *next = strchr(at, ','), *value = strchr(at, '=');
        if (next) {
            *next++ = '\0';
        }
        *value = '\0';
        f->labels[i][labels->count++] = (struct kv){ at, value + 1 };
        at = next;
    }
}

Test(rollout_first, a_wave_that_selects_nothing)
{
    for (size_t r = 0; r < ROWS(empties); r++) {
        const struct empty_row *row = &empties[r];
        static char first[] = "first", second[] = "second", a[] = "a", b[] = "b", c[] = "c";
        static char zone[] = "zone", eu[] = "eu";
        static struct empty_fleet f;
        char name[8];
        char *taken[] = { c, a, b }, *wanted[] = { name };
        bool all = str_eq(row->name, "all");
        struct kv want[] = { { (char *)(uintptr_t)row->key, (char *)(uintptr_t)row->value },
                             { zone, eu } };
        for (size_t i = 0; i < 3; i++) {
            f.names[i][0] = (char)('a' + (int)i);
            f.databases[i].name = f.names[i];
            label(&f, i, row->labels[i]);
        }
        (void)snprintf(name, sizeof name, "%s", row->name ? row->name : "");
        struct mplan_wave waves[2] = {
            { .name = first,
              .select = SELECT_NAMES,
              .names = { .items = taken, .count = all ? 3 : 1 } },
            { .name = second,
              .select = (unsigned)row->select,
              .amount = row->amount,
              .allow_empty = row->allow_empty,
              .names = { .items = wanted, .count = 1 },
              .labels = { .items = want, .count = str_eq(row->labels[1], "zone=eu") ? 2 : 1 } },
        };
        const struct mplan plan = { .strategy = STRATEGY_CANARY,
                                    .databases = f.databases,
                                    .database_count = 3,
                                    .waves = waves,
                                    .wave_count = 2 };
        char *got = rollout_empty_wave(&plan);
        cr_expect(row->want ? got && strstr(got, row->want) : !got, "%s: %s", row->rule,
                  got ? got : "fine");
        free(got);
    }
}

/* An empty one is not what a label looks for, and one that does not answer is not what a name means. */
Test(rollout_first, how_a_wave_may_take_a_database)
{
    static const struct {
        const char *rule;
        int select;
        enum rollout_take take;
        int32_t member;
    } takes[] = {
        { "by label", SELECT_LABELS, ROLLOUT_TAKE_ANY, 0 },
        { "an empty one by label", SELECT_LABELS, ROLLOUT_TAKE_BY_NAME, 1 },
        { "an empty one by name", SELECT_NAMES, ROLLOUT_TAKE_BY_NAME, 0 },
        { "a silent one by name", SELECT_NAMES, ROLLOUT_TAKE_LAST, 1 },
        { "an empty one by count", SELECT_COUNT, ROLLOUT_TAKE_BY_NAME, 1 },
    };
    for (size_t r = 0; r < ROWS(takes); r++) {
        static char first[] = "first", a[] = "a", tier[] = "tier", canary[] = "canary";
        struct kv have = { tier, canary };
        char *names[] = { a };
        struct mplan_database database = { .name = a, .labels = { .items = &have, .count = 1 } };
        struct mplan_wave wave = { .name = first,
                                   .select = (unsigned)takes[r].select,
                                   .amount = 1,
                                   .names = { .items = names, .count = 1 },
                                   .labels = { .items = &have, .count = 1 } };
        const struct mplan plan = { .strategy = STRATEGY_CANARY,
                                    .databases = &database,
                                    .database_count = 1,
                                    .waves = &wave,
                                    .wave_count = 1 };
        struct rollout_waves waves;
        rollout_waves_make(&plan, &takes[r].take, &waves);
        cr_expect(waves.member[0] == takes[r].member, "%s: %d", takes[r].rule, waves.member[0]);
        rollout_waves_done(&waves);
    }
}

Test(rollout_first, the_first_wave_may_never_be_empty)
{
    static char first[] = "first", a[] = "a", z[] = "z";
    char *names[] = { z };
    struct mplan_database database = { .name = a };
    struct mplan_wave wave = { .name = first,
                               .select = SELECT_NAMES,
                               .names = { .items = names, .count = 1 } };
    const struct mplan plan = { .strategy = STRATEGY_CANARY,
                                .databases = &database,
                                .database_count = 1,
                                .waves = &wave,
                                .wave_count = 1 };
    char *got = rollout_empty_wave(&plan);
    check_text("the first", got,
               "wave first selects none of 1 databases: there is no database z; correct "
               "strategy.waves[0].select");
    free(got);
}
