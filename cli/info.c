/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice info` and `sluice validate`: where a database stands, and whether anything is wrong. */
#include <stdio.h>
#include <string.h>

#include "controller/cli/commands.h"
#include "controller/cli/render.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"

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

static const struct cli_spec info_spec = {
    .command = "info",
    .synopsis = "--url DB (--dir DIR… | --repo URL --ref REF --path PATH…)",
    .about = "Shows every migration with its state, and exactly where a failed or interrupted one\n"
             "stands. Reads only.",
    .rows = info_rows,
    .row_count = sizeof info_rows / sizeof *info_rows,
};

static const struct cli_spec validate_spec = {
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
    struct err *verdict;  /* of plan_make; owned */
    bool files;           /* there are some to compare with */
    int64_t journal_rows; /* verified */
};

static void looked_done(struct looked *l)
{
    plan_done(&l->plan);
    inspection_done(&l->seen);
    db_context_done(&l->context);
    err_free(l->verdict);
}

static struct err *look(const struct info_values *values, bool validate_only, struct looked *out)
{
    const struct db_args *args = &values->db;

    out->files = !values->journal || args->repo || args->dirs.count > 0;
    TRY(db_context_make(args, out->files, &out->context));
    TRY(db_look(&out->context, args, &out->seen));
    if (values->journal) {
        TRY(db_look_journal(&out->context, args, &out->seen, &out->journal_rows));
    }
    if (out->files) {
        out->verdict = db_plan(&out->context, args, &out->seen, validate_only, &out->plan);
    }
    return NULL;
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
    struct json *problems = json_array();

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
    for (size_t i = 0; i < l->plan.entry_count; i++) {
        json_push(list, render_entry(&l->plan.entries[i]));
    }
    json_set(root, "migrations", list);
    for (size_t i = 0; i < l->plan.problems.count; i++) {
        json_push_string(problems, l->plan.problems.items[i]);
    }
    json_set(root, "problems", problems);
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

static int width_of(const struct looked *l, bool version)
{
    int width = version ? 7 : 11;

    for (size_t i = 0; i < l->plan.entry_count; i++) {
        const struct plan_entry *e = &l->plan.entries[i];
        const char *text = version ? (e->row ? e->row->version_text : e->file->version.text)
                                   : (e->row ? e->row->description : e->file->description);
        int length = text ? (int)strlen(text) : 0;
        width = length > width ? length : width;
    }
    return width > 60 ? 60 : width;
}

static void print_entries(const struct looked *l)
{
    int versions = width_of(l, true);
    int descriptions = width_of(l, false);

    printf("%-*s  %-*s  %-18s  %-19s  %s\n", versions, "VERSION", descriptions, "DESCRIPTION",
           "STATE", "INSTALLED ON", "SCRIPT");
    for (size_t i = 0; i < l->plan.entry_count; i++) {
        const struct plan_entry *e = &l->plan.entries[i];
        const char *version = e->row ? e->row->version_text : e->file->version.text;
        printf("%-*s  %-*s  %-18s  %-19.19s  %s\n", versions, version ? version : "", descriptions,
               e->row ? e->row->description : e->file->description, state_text(e->state),
               e->row ? e->row->installed_on : "", e->row ? e->row->script : e->file->script);
        AUTO(free_auto) char *open = render_open(&l->context, e);
        if (open) {
            printf("%-*s  ^ %s\n", versions, "", open);
        }
    }
}

static void print_text(const struct looked *l)
{
    AUTO(free_auto) char *headline = db_headline(&l->context, &l->seen.identity);

    printf("%s\n", headline);
    printf("version %s, %zu pending%s\n",
           version_set(&l->plan.current) ? l->plan.current.text : "none", l->plan.action_count,
           l->seen.identity.read_only ? ", read only" : "");
    if (l->seen.lease.present && l->seen.lease.owner_plan_uid) {
        printf("owned by MigrationPlan %s/%s, entry %s\n", l->seen.lease.owner_namespace,
               l->seen.lease.owner_name, l->seen.lease.owner_database);
    }
    printf("\n");
    print_entries(l);
    for (size_t i = 0; i < l->plan.problems.count; i++) {
        printf("%sproblem: %s\n", i == 0 ? "\n" : "", l->plan.problems.items[i]);
    }
}

static void print_validated(const struct info_values *values, const struct looked *l)
{
    if (values->journal) {
        printf("%s: the %lld rows of the journal are as they were written\n", l->context.label,
               (long long)l->journal_rows);
    }
    if (l->files && !l->verdict) {
        printf("%s: %zu migrations agree with the files\n", l->context.label, l->plan.entry_count);
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
