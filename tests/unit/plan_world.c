/* SPDX-License-Identifier: Apache-2.0 */
/* Makes what a case of plan_make says in words, and compares what comes of it. */
#include "plan_world.h"

#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "reconcile/migration/parse.h"

#define TARGET_ID "7f1c0b52-3f0e-4e0e-9f1c-2b1d5a3c4e5f"

struct world {
    struct tree tree;
    struct migration_set files;
    struct history history;
    struct journal journal;
    struct migrations_options options;
    struct kvlist assume, placeholders;
};

/* One word up to a blank; moves *at behind it. Owned. */
static char *word(const char **at)
{
    size_t length = strcspn(*at, " ");
    char *out = mem_strndup(*at, length);
    *at += length + ((*at)[length] == ' ');
    return out;
}

/* "V2__two{DIRECTIVE}=text" */
static void add_file(struct world *w, const char *text)
{
    const char *end = text + strcspn(text, "{=");
    const char *close = *end == '{' ? strchr(end, '}') : NULL;
    const char *content = (close ? close + 1 : end) + 1;
    AUTO(free_auto) char *path = mem_printf("sql/%.*s.sql", (int)(end - text), text);
    char *bytes = close
                      ? mem_printf("-- sluice: %.*s\n%s", (int)(close - end - 1), end + 1, content)
                      : mem_strdup(content);

    cr_assert_null(tree_add(&w->tree, path, path + 4, (uint8_t *)bytes, strlen(bytes)));
}

static char *description(const char **at)
{
    char *out = word(at);
    for (char *c = out; *c; c++) {
        *c = *c == '_' ? ' ' : *c;
    }
    return out;
}

/* Content of a row is compared with the file, head comment included: rows of directive files are not
 * used here. */
static void add_row(struct world *w, const char *text)
{
    const char *at = text;
    AUTO(free_auto) char *rank = word(&at);
    int64_t number = 0;
    struct history_row row = { .type = word(&at) };
    AUTO(free_auto) char *version = word(&at);

    cr_assert(str_to_int64(rank, -1000, 1000, &number));
    row.rank = (int32_t)number;
    row.description = description(&at);
    AUTO(free_auto) char *content = word(&at);
    row.has_version = !str_eq(version, "-");
    if (row.has_version) {
        cr_assert(version_parse(version, &row.version));
        row.version_text = mem_strdup(version);
    }
    row.has_checksum = !str_eq(content, "NULL");
    row.checksum = row.has_checksum ? checksum_text(content, strlen(content)) : 0;
    row.success = str_eq(at, "ok");
    row.script = mem_printf("V%s.sql", version);
    row.installed_by = mem_strdup("tester");
    row.installed_on = mem_strdup("2026-01-01 00:00:00");
    w->history.rows = mem_grow(w->history.rows, &w->history.cap, w->history.count + 1, sizeof row);
    w->history.rows[w->history.count++] = row;
}

static void add_journal(struct world *w, const char *text)
{
    const char *at = text;
    AUTO(free_auto) char *rank = word(&at);
    AUTO(free_auto) char *version = word(&at);
    struct journal_row row = { .seq = (int64_t)w->journal.count + 1,
                               .description = description(&at) };
    AUTO(free_auto) char *step = word(&at);
    AUTO(free_auto) char *class = word(&at);
    AUTO(free_auto) char *state = word(&at);
    int64_t number = 0;

    cr_assert(str_to_int64(rank, 0, 1000, &number));
    row.installed_rank = (int32_t)number;
    cr_assert(str_to_int64(step, 0, 1000, &number));
    row.step = (int32_t)number;
    row.kind = str_eq(version, "-") ? MIGRATION_REPEATABLE
               : version[0] == 'B'  ? MIGRATION_BASELINE
                                    : MIGRATION_VERSIONED;
    row.version = strchr("-?", version[0]) ? NULL : mem_strdup(version + (version[0] == 'B'));
    row.step_class = class[0];
    row.verdict = verdict_parse(state);
    row.state = row.verdict ? JOURNAL_RESOLVED : journal_state_parse(state);
    cr_assert_neq(row.state, JOURNAL_NONE, "%s", text);
    row.script = mem_strdup("x.sql");
    row.retry_token = mem_strdup("");
    row.file_sha256 = mem_alloc(SHA256_HEX_LEN + 1);
    sha256_hex(at, strlen(at), row.file_sha256);
    w->journal.table_exists = true;
    w->journal.rows = mem_grow(w->journal.rows, &w->journal.cap, w->journal.count + 1, sizeof row);
    w->journal.rows[w->journal.count++] = row;
}

static void add_pair(struct kvlist *list, const char *text)
{
    if (text) {
        const char *equals = strchr(text, '=');
        AUTO(free_auto) char *key = mem_strndup(text, (size_t)(equals - text));
        kvlist_set(list, key, equals + 1);
    }
}

/* What the last journal row tells beyond its words. */
static void end_journal(const struct plan_case *c, struct world *w)
{
    w->journal.head_seq = c->journal_head > 0 ? c->journal_head : (int64_t)w->journal.count;
    if (w->journal.count == 0) {
        return;
    }
    struct journal_row *last = &w->journal.rows[w->journal.count - 1];
    last->line = 3;
    last->error_code = mem_strdup(c->error_code);
    last->message = mem_strdup(c->error_text);
    if (c->ran_with) {
        AUTO(kvlist_done) struct kvlist user = { 0 };
        AUTO(script_done) struct script script = { 0 };
        struct placeholders then = { .replacement = true, .user = &user };
        add_pair(&user, c->ran_with);
        cr_assert_null(placeholders_apply(&w->files.items[w->files.count - 1], &then, &script));
        last->placeholders_hmac = mem_alloc(SHA256_HEX_LEN + 1);
        placeholders_hmac(&script, &then, TARGET_ID, last->placeholders_hmac);
    }
}

static void world_make(const struct plan_case *c, struct world *w)
{
    *w = (struct world){ .history = { .table_exists = !c->no_table,
                                      .schema_empty = !c->full_schema } };
    migrations_options_init(&w->options);
    w->options.out_of_order = c->out_of_order;
    w->options.baseline_on_migrate = c->baseline_on_migrate;
    strlist_add(&w->tree.locations, "sql");
    for (int i = 0; c->files[i]; i++) {
        add_file(w, c->files[i]);
    }
    for (int i = 0; c->rows[i]; i++) {
        add_row(w, c->rows[i]);
    }
    for (int i = 0; c->journal[i]; i++) {
        add_journal(w, c->journal[i]);
    }
    if (c->target) {
        cr_assert(migrations_target_parse(c->target, &w->options), "%s", c->rule);
    }
    if (c->ignore[0]) {
        w->options.ignore_count = 0;
    }
    for (int i = 0; c->ignore[i]; i++) {
        cr_assert(
            ignore_pattern_parse(c->ignore[i], &w->options.ignore[w->options.ignore_count++]));
    }
    add_pair(&w->assume, c->assume);
    add_pair(&w->placeholders, c->placeholder);
    AUTO(err_free_auto) struct err *e = tree_finish(&w->tree);
    cr_assert_null(e, "%s: %s", c->rule, e ? e->message : "");
    e = migration_set_parse(&w->tree, NULL, &w->files);
    cr_assert_null(e, "%s: %s", c->rule, e ? e->message : "");
    if (c->last_kind != MIGRATION_NONE) {
        w->files.items[w->files.count - 1].kind = c->last_kind;
    }
    end_journal(c, w);
}

static void world_done(struct world *w)
{
    migration_set_done(&w->files);
    tree_done(&w->tree);
    history_done(&w->history);
    journal_done(&w->journal);
    migrations_options_done(&w->options);
    kvlist_done(&w->assume);
    kvlist_done(&w->placeholders);
}

static void check_states(const struct plan_case *c, const struct plan *plan)
{
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < plan->entry_count; i++) {
        const struct plan_entry *e = &plan->entries[i];
        const char *name = e->row
                               ? (e->row->has_version ? e->row->version_text : e->row->description)
                           : version_set(&e->file->version) ? e->file->version.text
                                                            : e->file->description;
        buf_addf(&text, "%s%s:%s", i ? " " : "", name, state_text(e->state));
    }
    cr_expect_str_eq(buf_text(&text), c->states, "%s: states\n have %s\n want %s", c->rule,
                     buf_text(&text), c->states);
}

static void check_actions(const struct plan_case *c, const struct plan *plan)
{
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < plan->action_count; i++) {
        const struct migration *file = plan->actions[i].file;
        buf_adds(&text, i ? " " : "");
        if (!file) {
            buf_addf(&text, "<baseline %s>", plan->marker->version_text);
        } else {
            buf_addf(&text, "%s%s", file->kind == MIGRATION_BASELINE ? "B" : "",
                     version_set(&file->version) ? file->version.text : file->description);
        }
    }
    cr_expect_str_eq(buf_text(&text), c->actions, "%s: actions\n have %s\n want %s", c->rule,
                     buf_text(&text), c->actions);
}

static void check_ahead(const struct plan_case *c, const struct plan *plan)
{
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < plan->ahead.count; i++) {
        buf_addf(&text, "%s%s", i ? " " : "", plan->ahead.items[i]);
    }
    cr_expect_str_eq(buf_text(&text), c->ahead, "%s: ahead have %s", c->rule, buf_text(&text));
}

static void check_verdict(const struct plan_case *c, const struct plan *plan, const struct err *e)
{
    cr_expect_str_eq(e ? e->reason : "", c->reason ? c->reason : "", "%s: have %s (%s)", c->rule,
                     e ? e->reason : "no error", e ? e->message : "");
    if (e) {
        cr_expect_eq(plan->action_count, 0, "%s: an error leaves no action", c->rule);
        cr_expect_eq(e->kind, ERR_TERMINAL, "%s", c->rule);
    }
    if (c->message) {
        cr_expect(e && strstr(e->message, c->message), "%s: have \"%s\", want \"%s\"", c->rule,
                  e ? e->message : "", c->message);
    }
}

static const struct command_place shop = { .url = "--url 'postgresql://shop'",
                                           .files = "--dir 'sql'" };

static struct placeholders placeholders_of(const struct world *w)
{
    return (struct placeholders){ .replacement = true,
                                  .user = &w->placeholders,
                                  .timestamp = "2026-11-22 10:00:00" };
}

/* "remove 2, remove ours 3, deleted 4, realign 1 a=CHECKSUM": everything in the order to write. */
static char *changes_text(const struct history_changes *changes)
{
    static const char *const verbs[] = { "remove", "realign", "deleted" };
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < changes->count; i++) {
        const struct history_change *change = &changes->items[i];
        buf_addf(&text, "%s%s%s %d", i ? ", " : "", verbs[change->kind],
                 change->ours ? " ours" : "", change->row->rank);
        if (change->kind == HISTORY_REALIGN) {
            buf_addf(&text, " %s=%d", change->description, change->checksum);
        }
    }
    return buf_take(&text);
}

void repair_check(const struct plan_case *c)
{
    AUTO(world_done) struct world w = { 0 };
    AUTO(history_changes_done) struct history_changes changes = { 0 };
    const struct migration_set none = { 0 };

    world_make(c, &w);
    const struct placeholders placeholders = placeholders_of(&w);
    const struct plan_input input = {
        .files = c->no_files ? &none : &w.files,
        .history = &w.history,
        .journal = &w.journal,
        .options = &w.options,
        .placeholders = &placeholders,
        .place = &shop,
    };
    AUTO(err_free_auto) struct err *e = repair_plan(&input, &changes);
    const struct plan nothing = { 0 };
    check_verdict(c, &nothing, e);
    AUTO(free_auto) char *text = changes_text(&changes);
    if (c->actions) {
        check_text(c->rule, text, c->actions);
    }
    check_text(c->rule, changes.kept.count > 0 ? changes.kept.items[0] : NULL, c->kept);
}

void plan_check(const struct plan_case *c)
{
    AUTO(world_done) struct world w = { 0 };
    AUTO(plan_done) struct plan plan = { 0 };

    world_make(c, &w);
    const struct placeholders placeholders = placeholders_of(&w);
    const struct plan_input input = {
        .files = &w.files,
        .history = &w.history,
        .journal = &w.journal,
        .options = &w.options,
        .placeholders = &placeholders,
        .target_id = TARGET_ID,
        .validate_only = c->validate,
        .held_by_failed = c->held,
        .retry_token = c->token ? c->token : "",
        .journal_repeatables = c->by_journal,
        .assume = c->assume ? &w.assume : NULL,
        .wait_for_others = c->wait_for_others,
    };
    AUTO(err_free_auto) struct err *e = plan_make(&input, &plan);
    check_verdict(c, &plan, e);
    if (c->states) {
        check_states(c, &plan);
    }
    if (c->actions) {
        check_actions(c, &plan);
    }
    if (c->ahead) {
        check_ahead(c, &plan);
    }
    if (c->current) {
        check_text(c->rule, plan.current.text, c->current);
    }
    if (c->stores) {
        cr_expect(plan.action_count > 0 && plan.actions[plan.action_count - 1].checksum ==
                                               checksum_text(c->stores, strlen(c->stores)),
                  "%s: the checksum to store", c->rule);
    }
    check_text(c->rule, plan.waits_for, c->waits);
}
