/* SPDX-License-Identifier: Apache-2.0 */
/* ${name}: what is replaced, what is not, and the way back to the file. */
#include "migration_support.h"

static struct kvlist user_values(void)
{
    struct kvlist user = { 0 };

    kvlist_set(&user, "env", "dev");
    kvlist_set(&user, "Tenant", "a");
    kvlist_set(&user, "empty", "");
    kvlist_set(&user, "multi", "a\nb");
    kvlist_set(&user, "nested", "${env}");
    return user;
}

static struct placeholders all_values(const struct kvlist *user)
{
    return (struct placeholders){
        .replacement = true,
        .user = user,
        .default_schema = "app",
        .db_user = "migrator",
        .database = "shop",
        .timestamp = "2026-11-22 10:00:00",
        .table = "flyway_schema_history",
        .working_directory = "/srv",
        .environment = "default",
    };
}

struct replacement {
    const char *rule;
    const char *text;
    const char *expected;
};

static const struct replacement replacements[] = {
    { "a placeholder is replaced", "a ${env} b", "a dev b" },
    { "a doubled dollar guards it", "$${env}", "$${env}" },
    { "three dollars do not", "$$${env}", "$$dev" },
    { "the guard works inside a word", "x$${env}y", "x$${env}y" },
    { "names ignore case", "${ENV} ${Env} ${tenant}", "dev dev a" },
    { "values may be empty", "${empty}${env}", "dev" },
    { "values may hold line breaks", "${multi};", "a\nb;" },
    { "values are not scanned again", "${nested}", "${env}" },
    { "a broken prefix is left alone", "$\n{env}", "$\n{env}" },
    { "a mark is dropped", "\xef\xbb\xbf${env}", "dev" },
    { "a mark is dropped without placeholders", "\xef\xbb\xbfx", "x" },
    { "dollar quotes do not hide it", "'$$ ${env} $$'", "'$$ dev $$'" },
    { "comments do not hide it", "-- ${env}", "-- dev" },
    { "there is no escape", "\\${env}", "\\dev" },
    { "a dollar may end the text", "x$", "x$" },
    { "default schema", "${flyway:defaultSchema}", "app" },
    { "user", "${flyway:user}", "migrator" },
    { "database", "${flyway:database}", "shop" },
    { "timestamp", "${flyway:timestamp}", "2026-11-22 10:00:00" },
    { "file name without its folder", "${flyway:filename}", "V1__x.sql" },
    { "working directory", "${flyway:workingDirectory}", "/srv" },
    { "table, any case", "${FLYWAY:TABLE}", "flyway_schema_history" },
    { "environment", "${flyway:environment}", "default" },
};

Test(placeholder, what_is_replaced)
{
    struct kvlist user = user_values();
    struct placeholders p = all_values(&user);

    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        const struct replacement *r = &replacements[i];
        struct migration m = support_migration("sub/V1__x.sql", r->text, strlen(r->text));
        struct script script = { 0 };
        support_expect_ok(placeholders_apply(&m, &p, &script), r->rule);
        cr_expect_str_eq(script.expanded, r->expected, "%s: '%s'", r->rule, script.expanded);
        cr_expect_eq(script.expanded_length, strlen(r->expected), "%s", r->rule);
        script_done(&script);
    }
    kvlist_done(&user);
}

struct refusal {
    const char *rule;
    const char *text;
    const char *message;
};

static const struct refusal refusals[] = {
    { "an undefined placeholder", "select 1;\n  ${nope}",
      "V1__x.sql:2:3: no value for placeholder ${nope}" },
    { "columns count characters", "'\xc5\xbe' ${nope}", "V1__x.sql:1:5: " },
    { "a mark has no width", "\xef\xbb\xbf${nope}", "V1__x.sql:1:1: " },
    { "an unknown default placeholder", "${flyway:nope}", "${flyway:nope}" },
    { "blanks belong to the name", "${ env }", "${ env }" },
    { "a missing brace", "select\r\n${env",
      "V1__x.sql:2:1: the placeholder that begins here has no }" },
    { "an empty name", "${}", "${}" },
};

Test(placeholder, what_is_refused)
{
    struct kvlist user = user_values();
    struct placeholders p = all_values(&user);

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        struct migration m = support_migration("V1__x.sql", r->text, strlen(r->text));
        struct script script = { 0 };
        support_expect_error(placeholders_apply(&m, &p, &script), r->rule, REASON_INVALID_MIGRATION,
                             r->message);
    }
    kvlist_done(&user);
}

Test(placeholder, switched_off_the_text_stays)
{
    struct placeholders p = { .replacement = false };
    struct migration m = support_migration("V1__x.sql", "${nope} $${x", 12);
    struct script script = { 0 };

    support_expect_ok(placeholders_apply(&m, &p, &script), "off");
    cr_expect_str_eq(script.expanded, "${nope} $${x");
    cr_expect_eq(script_map_source(&script, 5, false), 5);
    script_done(&script);
}

Test(placeholder, names_are_remembered_sorted_and_once)
{
    struct kvlist user = user_values();
    struct placeholders p = all_values(&user);
    const char *text = "${tenant} ${ENV} ${TENANT} ${flyway:user}";
    struct migration m = support_migration("V1__x.sql", text, strlen(text));
    struct script script = { 0 };

    support_expect_ok(placeholders_apply(&m, &p, &script), "names");
    cr_assert_eq(script.placeholders_used.count, 2);
    cr_expect_str_eq(script.placeholders_used.items[0], "Tenant");
    cr_expect_str_eq(script.placeholders_used.items[1], "env");
    script_done(&script);
    kvlist_done(&user);
}

Test(placeholder, the_map_leads_back_to_the_file)
{
    struct kvlist user = user_values();
    struct placeholders p = all_values(&user);
    const char *text = "\xef\xbb\xbf"
                       "a${env}b${empty}c"; /* expanded: a dev b c */
    struct migration m = support_migration("V1__x.sql", text, strlen(text));
    struct script script = { 0 };

    support_expect_ok(placeholders_apply(&m, &p, &script), "map");
    cr_expect_str_eq(script.expanded, "adevbc");
    const struct {
        size_t expanded;
        bool at_end;
        size_t source;
    } rows[] = {
        { 0, false, 3 },  { 1, false, 4 }, { 1, true, 4 },   { 2, false, 4 }, { 2, true, 10 },
        { 4, false, 10 }, { 4, true, 10 }, { 5, false, 19 }, { 6, true, 20 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(script_map_source(&script, rows[i].expanded, rows[i].at_end), rows[i].source,
                     "byte %zu", rows[i].expanded);
    }
    script_done(&script);
    kvlist_done(&user);
}

Test(placeholder, the_verify_query_is_replaced_too)
{
    struct kvlist user = user_values();
    struct placeholders p = all_values(&user);
    struct migration m = support_migration("V1__x.sql", "", 0);
    char *query = NULL;

    support_expect_ok(placeholders_verify(&m, &p, &query), "none");
    cr_expect_null(query);
    m.directives.verify = mem_strdup("select '${env}'");
    support_expect_ok(placeholders_verify(&m, &p, &query), "verify");
    cr_expect_str_eq(query, "select 'dev'");
    free(query);
    p.replacement = false;
    support_expect_ok(placeholders_verify(&m, &p, &query), "off");
    cr_expect_str_eq(query, "select '${env}'");
    free(query);
    free(m.directives.verify);
    kvlist_done(&user);
}
