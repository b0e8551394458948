/* SPDX-License-Identifier: Apache-2.0 */
/* Resolves the options of the database commands: target, options, files. */
#include "cli/dbargs.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/repo.h"
#include "model/reason.h"

#define LOCK_WAIT_MS 51000 /* Flyway's 51 tries, one second apart */

void db_args_init(struct db_args *args)
{
    *args = (struct db_args){ .fetch_timeout_ms = -1,
                              .lock_wait_ms = -1,
                              .lock_timeout_ms = -1,
                              .lock_retry_for_ms = -1,
                              .statement_timeout_ms = -1,
                              .connect_timeout_ms = -1 };
}

struct err *db_args_parse(const struct cli_spec *spec, int argc, char **argv, struct db_args *args,
                          void *values, bool *help, bool *json)
{
    db_args_init(args);
    TRY(cli_parse(spec, argc, argv, values, NULL, help));
    *json = str_eq(args->output, "json");
    return NULL;
}

void db_args_done(struct db_args *args)
{
    strlist_done(&args->dirs);
    strlist_done(&args->paths);
    strlist_done(&args->suffixes);
    strlist_done(&args->ignore);
    kvlist_done(&args->placeholders);
    kvlist_done(&args->assume);
}

static struct err *usage(const char *sentence, const char *text)
{
    return err_new(ERR_TERMINAL, REASON_USAGE, "%s%s", sentence, text);
}

static struct err *read_password(const struct db_args *args, struct target *target)
{
    const char *environment = getenv("SLUICE_PASSWORD");

    if (args->password_file) {
        AUTO(secret_buf_done) struct buf text = BUF(4096);
        TRY(file_read(args->password_file, &text));
        size_t length = text.len;
        while (length > 0 && (text.data[length - 1] == '\n' || text.data[length - 1] == '\r')) {
            length--;
        }
        secret_done(&target->password);
        target->password = secret_make(buf_text(&text), length);
    } else if (environment && !secret_set(&target->password)) {
        target->password = secret_make(environment, strlen(environment));
    }
    return NULL;
}

static struct err *make_target(const struct db_args *args, struct target *out)
{
    const char *url = args->url ? args->url : getenv("SLUICE_URL");

    if (!url || !*url) {
        return usage("no database is given: add --url postgresql://user@host/database", "");
    }
    TRY(err_reason(target_parse_uri(url, out), REASON_USAGE)); // no Secret is involved here
    return read_password(args, out);
}

static struct err *make_ignore(const struct strlist *patterns, struct migrations_options *out)
{
    const int most = (int)(sizeof out->ignore / sizeof *out->ignore);

    if (patterns->count == 0) {
        return NULL;
    }
    out->ignore_count = 0;
    for (size_t i = 0; i < patterns->count; i++) {
        if (out->ignore_count == most) {
            return usage("too many --ignore-pattern", "");
        }
        if (!ignore_pattern_parse(patterns->items[i], &out->ignore[out->ignore_count++])) {
            return usage("--ignore-pattern is not type:state with type * versioned repeatable and "
                         "state * missing pending ignored future: ",
                         patterns->items[i]);
        }
    }
    return NULL;
}

static void replace_text(char **field, const char *text)
{
    if (text) {
        mem_strset(field, text);
    }
}

static struct err *make_name_part(const char *option, const char *text, bool empty, char **out)
{
    const char *problem = text ? naming_text_problem(text) : NULL;

    if (text && !*text && !empty) {
        problem = "must not be empty";
    }
    if (problem) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "%s %s", option, problem);
    }
    replace_text(out, text);
    return NULL;
}

static struct err *make_naming(const struct db_args *args, struct naming *out)
{
    TRY(make_name_part("--sql-migration-prefix", args->prefix, true, &out->prefix));
    TRY(make_name_part("--repeatable-sql-migration-prefix", args->repeatable_prefix, true,
                       &out->repeatable_prefix));
    TRY(make_name_part("--sql-migration-separator", args->separator, false, &out->separator));
    if (args->suffixes.count > NAMING_SUFFIXES_MAX) {
        return usage("too many --sql-migration-suffix", "");
    }
    for (size_t i = 0; i < args->suffixes.count; i++) {
        AUTO(free_auto) char *suffix = NULL;
        TRY(make_name_part("--sql-migration-suffix", args->suffixes.items[i], false, &suffix));
        strlist_add(&out->suffixes, suffix);
    }
    out->validate = args->validate_naming;
    const char *problem = naming_problem(out);
    return problem ? usage(problem, "") : NULL;
}

static struct err *make_migrations(const struct db_args *args, struct migrations_options *out)
{
    migrations_options_init(out);
    replace_text(&out->schema, args->schema);
    replace_text(&out->table, args->table);
    replace_text(&out->baseline_description, args->baseline_description);
    out->out_of_order = args->out_of_order;
    out->baseline_on_migrate = args->baseline_on_migrate;
    out->placeholder_replacement = !args->no_placeholders;
    if (args->target && !migrations_target_parse(args->target, out)) {
        return usage("--target is not latest, current, next or a version: ", args->target);
    }
    if (args->baseline_version && !version_parse(args->baseline_version, &out->baseline_version)) {
        return usage("--baseline-version is not a version: ", args->baseline_version);
    }
    if (args->placeholders.count > LIMIT_PLACEHOLDERS) {
        return usage("too many --placeholder", "");
    }
    for (size_t i = 0; i < args->placeholders.count; i++) {
        if (str_starts(args->placeholders.items[i].key, "flyway:")) {
            return usage("a placeholder of ours may not start with flyway: ",
                         args->placeholders.items[i].key);
        }
    }
    kvlist_copy(&args->placeholders, &out->placeholders);
    TRY(make_naming(args, &out->naming));
    return make_ignore(&args->ignore, out);
}

static void make_execution(const struct db_args *args, struct execution_options *out)
{
    execution_options_init(out);
    out->deadline_ms = 0; /* a person at a terminal has Ctrl-C */
    if (args->lock_timeout_ms >= 0) {
        out->lock_timeout_ms = args->lock_timeout_ms;
    }
    if (args->lock_retry_for_ms >= 0) {
        out->lock_retry_for_ms = args->lock_retry_for_ms;
    }
    if (args->statement_timeout_ms >= 0) {
        out->statement_timeout_ms = args->statement_timeout_ms;
    }
}

static struct err *parse_schemes(const char *list, unsigned *allow)
{
    *allow = 0;
    for (const char *at = list; at && *at;) {
        size_t length = strcspn(at, ",");
        if (length == 4 && memcmp(at, "http", 4) == 0) {
            *allow |= REPO_ALLOW_HTTP;
        } else if (length == 4 && memcmp(at, "file", 4) == 0) {
            *allow |= REPO_ALLOW_FILE;
        } else {
            return usage("--allow-source-scheme takes http and file, not: ", at);
        }
        at += length + (at[length] == ',');
    }
    return NULL;
}

/* The folder has the keys of a source Secret as files, as a mounted Secret does. */
static struct err *read_git_credentials(const char *dir, const char *url,
                                        struct repo_credentials *out)
{
    static const char *const names[] = { "username",    "password", "bearerToken", "identity",
                                         "known_hosts", "ca.crt",   "tls.crt",     "tls.key" };
    AUTO(kvlist_done) struct kvlist data = { 0 };

    for (size_t i = 0; dir && i < sizeof names / sizeof *names; i++) {
        AUTO(free_auto) char *path = mem_printf("%s/%s", dir, names[i]);
        AUTO(buf_done) struct buf text = BUF(256 * 1024);
        if (!file_exists(path)) {
            continue;
        }
        TRY(file_read(path, &text));
        kvlist_set(&data, names[i], buf_text(&text));
    }
    return repo_credentials_parse(&data, url, out);
}

static struct err *fetch_tree(const struct db_args *args, const struct naming *naming,
                              struct tree *out)
{
    AUTO(repo_credentials_done) struct repo_credentials credentials = { 0 };
    AUTO(repo_result_done) struct repo_result result = { 0 };
    AUTO(strlist_done) struct strlist paths = { 0 };
    struct repo_request request = {
        .source = { .url = args->repo, .credentials = &credentials },
        .ref = { .kind = REPO_REF_ANY, .name = args->ref ? args->ref : "main" },
        .sets = &paths,
        .set_count = 1,
        .naming = naming,
    };

    TRY(parse_schemes(args->allow_scheme, &request.source.allow));
    TRY(repo_url_check(args->repo, request.source.allow));
    TRY(read_git_credentials(args->git_secret_dir, args->repo, &credentials));
    request.source.timeout_ms = args->fetch_timeout_ms > 0 ? args->fetch_timeout_ms : 60000;
    request.source.proxy = getenv("https_proxy");
    request.source.no_proxy = getenv("no_proxy");
    strlist_copy(&args->paths, &paths);
    if (paths.count == 0) {
        strlist_add(&paths, "sql");
    }
    TRY(repo_fetch(&request, &result));
    if (result.trees[0].error) {
        return TAKE(result.trees[0].error);
    }
    *out = result.trees[0].tree;
    result.trees[0].tree = (struct tree){ 0 };
    return NULL;
}

static struct err *read_dirs(const struct db_args *args, const struct naming *naming,
                             struct tree *out)
{
    AUTO(tree_done) struct tree tree = { 0 };

    for (size_t i = 0; i < args->dirs.count; i++) {
        TRY(repo_read_dir(args->dirs.items[i], naming, &tree));
    }
    TRY(tree_finish(&tree));
    *out = tree;
    tree = (struct tree){ 0 };
    return NULL;
}

static struct err *make_files(const struct db_args *args, struct db_context *context)
{
    if (!args->repo == (args->dirs.count == 0)) {
        return usage("no migrations are given: add --dir DIR, or --repo URL with --ref and --path",
                     "");
    }
    if (args->dirs.count > 0 && (args->ref || args->paths.count > 0)) {
        return usage("--ref and --path go with --repo, not with --dir", "");
    }
    context->from_git = args->repo != NULL;
    const struct naming *naming = &context->migrations.naming;
    TRY(args->repo ? fetch_tree(args, naming, &context->tree)
                   : read_dirs(args, naming, &context->tree));
    return migration_set_parse(&context->tree, naming, &context->files);
}

static void make_people(struct db_context *context)
{
    char host[256] = "localhost";
    struct passwd *user = getpwuid(getuid());

    time_format_local(context->timestamp);
    gethostname(host, sizeof host - 1);
    context->holder = mem_printf("%s@%s", user ? user->pw_name : "unknown", host);
    context->working_directory = getcwd(NULL, 0);
    context->label = target_label(&context->target);
}

/* What leads a pasted command to where this one went. Values of placeholders may be secrets and are left out. */
static void make_place(const struct db_args *args, struct db_context *context)
{
    AUTO(buf_done) struct buf url = BUF(65536);
    AUTO(buf_done) struct buf files = BUF(65536);
    AUTO(free_auto) char *target = command_url(&context->target, args->url != NULL);

    buf_adds(&url, target);
    if (args->password_file) {
        command_option(&url, "password-file", args->password_file);
    }
    for (size_t i = 0; i < args->dirs.count; i++) {
        command_option(&files, "dir", args->dirs.items[i]);
    }
    if (args->repo) {
        command_option(&files, "repo", args->repo);
    }
    if (args->ref) {
        command_option(&files, "ref", args->ref);
    }
    for (size_t i = 0; i < args->paths.count; i++) {
        command_option(&files, "path", args->paths.items[i]);
    }
    if (args->git_secret_dir) {
        command_option(&files, "git-credentials", args->git_secret_dir);
    }
    if (args->allow_scheme) {
        command_option(&files, "allow-source-scheme", args->allow_scheme);
    }
    naming_options(&context->migrations.naming, &files);
    for (size_t i = 0; i < args->ignore.count; i++) {
        command_option(&files, "ignore-pattern", args->ignore.items[i]);
    }
    context->url = buf_take(&url);
    context->file_options = buf_take(&files);
    context->place =
        (struct command_place){ .url = context->url,
                                .files = args->dirs.count > 0 || args->repo ? context->file_options
                                                                            : NULL };
}

struct err *db_context_make(const struct db_args *args, bool with_files, struct db_context *out)
{
    AUTO(db_context_done) struct db_context context = { 0 };

    TRY(make_target(args, &context.target));
    TRY(make_migrations(args, &context.migrations));
    make_execution(args, &context.execution);
    replace_text(&context.target.schema, args->schema);
    replace_text(&context.target.table, context.migrations.table);
    make_place(args, &context);
    if (with_files) {
        TRY(make_files(args, &context));
    }
    make_people(&context);
    *out = context;
    context = (struct db_context){ 0 };
    return NULL;
}

struct apply_request db_request(const struct db_context *context, const struct db_args *args)
{
    return (struct apply_request){
        .target = &context->target,
        .migrations = &context->migrations,
        .execution = &context->execution,
        .lease = LEASE_COMMAND,
        .ownership = OWNERSHIP_KEEP,
        .holder = context->holder,
        .retry_token = "",
        .connect_timeout_ms = args->connect_timeout_ms > 0 ? args->connect_timeout_ms : 0,
        .lock_wait_ms = args->lock_wait_ms >= 0 ? args->lock_wait_ms : LOCK_WAIT_MS,
        .warn_superuser = true,
        .show_values = true,
        .place = &context->place,
        .files = &context->files,
    };
}

void db_context_done(struct db_context *context)
{
    target_done(&context->target);
    migrations_options_done(&context->migrations);
    migration_set_done(&context->files);
    tree_done(&context->tree);
    free(context->working_directory);
    free(context->holder);
    free(context->label);
    free(context->url);
    free(context->file_options);
    *context = (struct db_context){ 0 };
}

struct err *db_plan(const struct db_context *context, const struct db_args *args,
                    const struct inspection *seen, bool validate_only, struct plan *plan)
{
    const struct placeholders placeholders = placeholders_for(
        &context->migrations, &seen->identity, context->timestamp, context->working_directory);
    struct plan_input input = {
        .files = &context->files,
        .history = &seen->history,
        .journal = &seen->journal,
        .options = &context->migrations,
        .placeholders = &placeholders,
        .target_id = seen->lease.present ? seen->lease.target_id : "",
        .validate_only = validate_only,
        .assume = &args->assume,
        .place = &context->place,
    };
    return plan_make(&input, plan);
}

void db_apply_list(const struct plan *plan, struct apply_list *out)
{
    out->items = mem_array(plan->action_count + 1, sizeof *out->items);
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct action *action = &plan->actions[i];
        out->items[out->count++] = (struct apply_item){
            .baseline_marker = action->kind == ACTION_BASELINE_MARKER,
            .file = action->file,
            .checksum = action->checksum,
        };
    }
}

static struct ask ask_of(const struct db_context *context, const struct db_args *args)
{
    return (struct ask){ .target = &context->target,
                         .application = "sluice",
                         .show_values = true,
                         .place = &context->place,
                         .memory_bytes = args->memory_mib << 20,
                         .connect_timeout_ms =
                             args->connect_timeout_ms > 0 ? args->connect_timeout_ms : 0 };
}

struct err *db_look(const struct db_context *context, const struct db_args *args,
                    struct inspection *out)
{
    const struct ask ask = ask_of(context, args);

    return ask_inspect(&ask, out);
}

struct err *db_look_around(const struct db_context *context, const struct db_args *args,
                           struct inspection *out, struct ask_around *around)
{
    const struct ask ask = ask_of(context, args);

    return ask_look_around(&ask, out, around);
}

struct err *db_look_journal(const struct db_context *context, const struct db_args *args,
                            int64_t *rows)
{
    const struct ask ask = ask_of(context, args);

    return ask_journal(&ask, rows);
}

/* Without the packager's part, as in "PostgreSQL 15.20 (Debian ...)", which clutters the line. */
static size_t server_length(const char *server)
{
    const char *bracket = strstr(server, " (");

    return bracket ? (size_t)(bracket - server) : strlen(server);
}

char *db_headline(const struct db_context *context, const struct identity *identity)
{
    const char *server = identity->server_text ? identity->server_text : "server not known";

    return mem_printf("%s (%.*s), schema %s", context->label, (int)server_length(server), server,
                      identity->schema ? identity->schema : "none");
}
