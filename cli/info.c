/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice info` and `sluice validate`: where a database stands, and whether anything is wrong. */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/table.h"
#include "model/reason.h"

struct info_values {
    struct db_args db;
    bool journal;
};

static const struct option_row info_rows[] = {
    DB_CONNECT_OPTIONS(struct info_values),
    DB_FILE_OPTIONS(struct info_values),
    DB_PLAN_OPTIONS(struct info_values),
};

static const struct option_row validate_rows[] = {
    DB_CONNECT_OPTIONS(struct info_values),
    DB_FILE_OPTIONS(struct info_values),
    DB_PLAN_OPTIONS(struct info_values),
    { "journal", 0, OPTION_FLAG, NULL,
      "verify every row of the journal; without --dir and --repo nothing else",
      offsetof(struct info_values, journal) },
};

const struct cli_spec info_spec = {
    .command = "info",
    .synopsis = "--url DB (--dir DIR… | --repo URL --ref REF --path PATH…)",
    .about = "Shows every migration with its state, and exactly where a failed or interrupted one\n"
             "stands. Reads only.",
    .rows = info_rows,
    .row_count = sizeof info_rows / sizeof *info_rows,
};

const struct cli_spec validate_spec = {
    .command = "validate",
    .synopsis = "--url DB (--dir DIR… | --repo URL --ref REF --path PATH…)",
    .about =
        "Compares applied migrations with the files: exit code 0 when they agree, 6 when not.\n"
        "Pending migrations count as a difference unless --ignore-pattern '*:pending'.",
    .rows = validate_rows,
    .row_count = sizeof validate_rows / sizeof *validate_rows,
};

struct looked { /* one look at one database with its files */
    struct db_context context;
    struct inspection seen;
    struct plan plan;
    struct ask_around around;
    struct err *verdict;  /* of plan_make; owned */
    bool unbased;         /* it says that there is no history, though the schema is not empty */
    bool files;           /* there are some to compare with */
    int64_t journal_rows; /* verified */
};

static void looked_done(struct looked *l)
{
    plan_done(&l->plan);
    inspection_done(&l->seen);
    ask_around_done(&l->around);
    db_context_done(&l->context);
    err_free(l->verdict);
}

/* Where a baseline comes first nothing is planned; the files are there all the same. */
static void list_unbased(struct looked *l, const struct db_args *args)
{
    plan_done(&l->plan);
    err_free(db_plan(&l->context, args, &l->seen, true, &l->plan));
    strlist_done(&l->plan.problems); /* that they are pending is none */
}

static struct err *look(const struct info_values *values, bool validate_only, struct looked *out)
{
    const struct db_args *args = &values->db;

    out->files = !values->journal || args->repo || args->dirs.count > 0;
    TRY(db_context_make(args, out->files, &out->context));
    TRY(db_look_around(&out->context, args, &out->seen, &out->around));
    if (values->journal) {
        TRY(db_look_journal(&out->context, args, &out->journal_rows));
    }
    if (out->files) {
        out->verdict = db_plan(&out->context, args, &out->seen, validate_only, &out->plan);
    }
    if (out->verdict && str_eq(out->verdict->reason, REASON_BASELINE_REQUIRED)) {
        out->unbased = true;
        list_unbased(out, args);
    }
    return NULL;
}

/* What an attempt has begun is at work, not left behind, while somebody holds the lock. */
static bool is_running(const struct looked *l, const struct plan_entry *entry)
{
    return l->around.runner && entry->file && entry->open &&
           (entry->state == STATE_INTERRUPTED || entry->state == STATE_OUTCOME_UNKNOWN);
}

static const char *shown_state(const struct looked *l, const struct plan_entry *entry)
{
    return is_running(l, entry) ? "Running" : state_text(entry->state);
}

static struct json *owner_json(const struct lease *lease)
{
    struct json *out = json_object();

    json_set_string(out, "planUid", lease->owner_plan_uid);
    json_set_string(out, "namespace", lease->owner_namespace);
    json_set_string(out, "name", lease->owner_name);
    json_set_string(out, "database", lease->owner_database);
    return out;
}

static void print_json(const struct looked *l)
{
    struct json *root = json_object();
    struct json *list = json_array();
    struct json *histories = json_array();

    json_set(root, "database", render_database(&l->context, &l->seen.identity));
    json_set_string_opt(root, "version",
                        version_set(&l->plan.current) ? l->plan.current.text : NULL);
    if (l->seen.lease.present) {
        json_set_string(root, "targetId", l->seen.lease.target_id);
        json_set_int64(root, "epoch", l->seen.lease.epoch);
        json_set_string(root, "holder", l->seen.lease.holder);
        if (l->seen.lease.owner_plan_uid) {
            json_set(root, "owner", owner_json(&l->seen.lease));
        }
    }
    json_set_string_opt(root, "runner", l->around.runner);
    for (size_t i = 0; i < l->around.histories.count; i++) {
        struct json *one = json_object();
        json_set_string(one, "table", l->around.histories.items[i].key);
        json_set_string(one, "tool", l->around.histories.items[i].value);
        json_push(histories, one);
    }
    if (l->around.histories.count > 0) {
        json_set(root, "otherHistories", histories);
    } else {
        json_free(histories);
    }
    for (size_t i = 0; i < l->plan.entry_count; i++) {
        struct json *entry = render_entry(&l->plan.entries[i]);
        json_set_string(entry, "state", shown_state(l, &l->plan.entries[i]));
        json_push(list, entry);
    }
    json_set(root, "migrations", list);
    json_set(root, "problems", render_strings(&l->plan.problems));
    json_set(root, "notices", render_strings(&l->context.files.notices));
    json_set_int64(root, "pending", (int64_t)l->plan.action_count);
    if (l->journal_rows > 0) {
        json_set_int64(root, "journalRows", l->journal_rows);
    }
    if (l->verdict) {
        json_set_string(root, "reason", l->verdict->reason);
        json_set_string(root, "message", l->verdict->message);
    }
    render_print(root);
}

static enum ink state_ink(enum state state)
{
    switch (state) {
    case STATE_SUCCESS:
    case STATE_BASELINE:
    case STATE_OUT_OF_ORDER:
        return INK_GOOD;
    case STATE_FAILED:
    case STATE_FAILED_MISSING:
    case STATE_FAILED_FUTURE:
    case STATE_MISSING:
    case STATE_IGNORED:
    case STATE_OUTCOME_UNKNOWN:
        return INK_BAD;
    case STATE_PENDING:
    case STATE_OUTDATED:
    case STATE_INTERRUPTED:
        return INK_WAIT;
    default:
        return INK_DIM;
    }
}

static void print_entries(const struct looked *l)
{
    static const char *const head[] = { "VERSION", "DESCRIPTION", "STATE", "INSTALLED ON",
                                        "SCRIPT" };
    AUTO(table_done) struct table t = { .columns = sizeof head / sizeof *head };

    for (size_t i = 0; i < t.columns; i++) {
        table_add(&t, INK_HEAD, head[i]);
    }
    for (size_t i = 0; i < l->plan.entry_count; i++) {
        const struct plan_entry *e = &l->plan.entries[i];
        const bool running = is_running(l, e);
        AUTO(free_auto)
        char *installed = mem_printf("%.19s", e->row ? e->row->installed_on : "");
        table_add(&t, INK_PLAIN, e->row ? e->row->version_text : e->file->version.text);
        table_add(&t, INK_PLAIN, e->row ? e->row->description : e->file->description);
        table_add(&t, running ? INK_WAIT : state_ink(e->state), shown_state(l, e));
        table_add(&t, INK_PLAIN, installed);
        table_add(&t, INK_PLAIN, e->row ? e->row->script : e->file->script);
        AUTO(free_auto) char *open = running ? render_step(e) : render_open(&l->context, e);
        AUTO(free_auto) char *note = mem_printf("^ %s", open ? open : "");
        if (open) {
            table_note(&t, note);
        }
    }
    table_print(&t);
}

/* A plan that is refused has no actions, its files are pending none the less. */
static size_t pending(const struct looked *l)
{
    size_t count = 0;

    for (size_t i = 0; i < l->plan.entry_count; i++) {
        count += l->plan.entries[i].state == STATE_PENDING;
    }
    return l->verdict ? count : l->plan.action_count;
}

static void print_histories(const struct looked *l)
{
    const struct kvlist *found = &l->around.histories;

    for (size_t i = 0; i < found->count; i++) {
        const struct kv *one = &found->items[i];
        if (str_eq(one->value, "Flyway")) {
            AUTO(buf_done) struct buf option = BUF(4096);
            command_option(&option, "table", one->key);
            say("hint: the table \"%s\" is a history of Flyway: to go on with it, say %s\n",
                one->key, buf_text(&option));
        } else {
            say("hint: the table \"%s\" is the history of %s, which sluice does not read: to take "
                "the database over, end the runs of that tool, and make a baseline at the version "
                "whose files it has applied\n",
                one->key, one->value);
        }
    }
}

static void print_notices(const struct looked *l)
{
    const struct strlist *notices = &l->context.files.notices;

    for (size_t i = 0; i < notices->count; i++) {
        say("notice: %s\n", notices->items[i]);
    }
}

/* What ends the look at the rows before any is compared is the one problem. */
static void print_problems(const struct looked *l)
{
    const bool alone = l->verdict && !l->unbased && l->plan.problems.count == 0;

    if (alone || l->plan.problems.count > 0) {
        say("\n");
    }
    for (size_t i = 0; i < l->plan.problems.count; i++) {
        say_in(INK_BAD, "problem:");
        say(" %s\n", l->plan.problems.items[i]);
    }
    if (alone) {
        say_in(INK_BAD, "problem:");
        say(" %s (%s)\n", l->verdict->message, l->verdict->reason);
    }
}

static void print_text(const struct looked *l)
{
    AUTO(free_auto) char *headline = db_headline(&l->context, &l->seen.identity);

    say("%s\n", headline);
    say("version %s, %zu pending%s\n",
        version_set(&l->plan.current) ? l->plan.current.text : "none", pending(l),
        l->seen.identity.read_only ? ", read only" : "");
    if (l->seen.lease.present && l->seen.lease.owner_plan_uid) {
        say("owned by MigrationPlan %s/%s, entry %s\n", l->seen.lease.owner_namespace,
            l->seen.lease.owner_name, l->seen.lease.owner_database);
    }
    if (l->around.runner) {
        say_in(INK_WAIT, "locked");
        say(" by a runner that is at work: %s\n", l->around.runner);
    }
    say("\n");
    print_entries(l);
    print_problems(l);
    if (l->unbased || l->around.histories.count > 0) {
        say("\n");
    }
    if (l->unbased) {
        say("hint: %s\n", l->verdict->message);
    }
    print_histories(l);
    if (l->context.files.notices.count > 0) {
        say("\n");
    }
    print_notices(l);
}

/* What validate lets pass because of --ignore-pattern, or since no run applies it. */
static size_t not_applied(const struct plan *plan)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->entry_count; i++) {
        enum state state = plan->entries[i].state;
        count += state == STATE_PENDING || state == STATE_OUTDATED || state == STATE_INTERRUPTED ||
                 state == STATE_OUTCOME_UNKNOWN || state == STATE_ABOVE_TARGET ||
                 state == STATE_IGNORED || (state == STATE_FAILED && !plan->entries[i].row);
    }
    return count;
}

static void print_validated(const struct info_values *values, const struct looked *l)
{
    if (values->journal) {
        say("%s: the %lld rows of the journal are as they were written\n", l->context.label,
            (long long)l->journal_rows);
    }
    print_notices(l);
    if (l->files && !l->verdict) {
        size_t passed = not_applied(&l->plan);
        AUTO(free_auto)
        char *rest = passed ? mem_printf(", %zu not applied let pass", passed) : mem_strdup("");
        say("%s: %zu migrations agree with the files%s\n", l->context.label,
            l->plan.entry_count - passed, rest);
    }
    for (size_t i = 0; l->plan.problems.count > 1 && i < l->plan.problems.count; i++) {
        say("problem: %s\n", l->plan.problems.items[i]);
    }
}

static int run(const struct cli_spec *spec, int argc, char **argv, bool validate_only)
{
    struct info_values values = { .journal = false };
    AUTO(looked_done) struct looked l = { 0 };
    bool help = false;
    bool json = false;

    struct err *failed = db_args_parse(spec, argc, argv, &values.db, &values, &help, &json);
    if (!failed && !help) {
        failed = look(&values, validate_only, &l);
    }
    db_args_done(&values.db);
    if (failed) {
        return cli_fail_here(spec->command, failed, json);
    }
    if (help) {
        return 0;
    }
    if (json) {
        print_json(&l);
    } else if (!validate_only) {
        print_text(&l);
    } else {
        print_validated(&values, &l);
    }
    /* info shows what is wrong; only validate judges. */
    return validate_only && l.verdict ? cli_fail_here(spec->command, TAKE(l.verdict), false) : 0;
}

int info_main(int argc, char **argv)
{
    return run(&info_spec, argc, argv, false);
}

int validate_main(int argc, char **argv)
{
    return run(&validate_spec, argc, argv, true);
}
