/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables of the enums, the table of reasons, options, results. */
#include <ctype.h>
#include <stdlib.h>
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/assignment.h"
#include "model/engine.h"
#include "model/history.h"
#include "model/migration.h"
#include "model/options.h"
#include "model/reason.h"
#include "model/result.h"
#include "model/target.h"
#include "tests/unit/rows.h"

TestSuite(texts, .timeout = 60);
TestSuite(reasons, .timeout = 60);
TestSuite(options, .timeout = 60);
TestSuite(results, .timeout = 60);

Test(texts, every_value_survives_the_round_trip)
{
    for (int i = ENGINE_POSTGRESQL; i < ENGINE_MAX_; i++) {
        cr_expect(engine_parse(engine_text((enum engine)i)) == (enum engine)i);
    }
    for (int i = MIGRATION_VERSIONED; i < MIGRATION_KIND_MAX_; i++) {
        enum migration_kind k = (enum migration_kind)i;
        cr_expect(*migration_kind_text(k) && migration_kind_parse(migration_kind_text(k)) == k);
    }
    for (int i = JOURNAL_INTENT; i <= JOURNAL_RESOLVED; i++) {
        enum journal_state s = (enum journal_state)i;
        cr_expect(*journal_state_text(s) && journal_state_parse(journal_state_text(s)) == s);
    }
    for (int i = VERDICT_APPLIED; i <= VERDICT_NOT_APPLIED; i++) {
        cr_expect(verdict_parse(verdict_text((enum verdict)i)) == (enum verdict)i);
    }
    for (int i = OUTCOME_DONE; i < OUTCOME_MAX_; i++) {
        enum outcome o = (enum outcome)i;
        cr_expect(*outcome_text(o) && outcome_parse(outcome_text(o)) == o);
    }
    for (int i = TLS_VERIFY_FULL; i <= TLS_DISABLE; i++) {
        cr_expect(tls_mode_parse(tls_mode_text((enum tls_mode)i)) == (enum tls_mode)i);
    }
    check_text("ownership", ownership_text(OWNERSHIP_TAKE_OVER), "TakeOver");
    check_text("verdict", verdict_text(VERDICT_NOT_APPLIED), "not-applied");
}

Test(texts, unknown_words_are_zero)
{
    static const char *const words[] = { NULL, "", "x", "Done ", "POSTGRESQL", "DONE" };
    for (size_t i = 0; i < ROWS(words); i++) {
        cr_expect(engine_parse(words[i]) == ENGINE_UNKNOWN);
        cr_expect(migration_kind_parse(words[i]) == MIGRATION_NONE);
        cr_expect(journal_state_parse(words[i]) == JOURNAL_NONE);
        cr_expect(verdict_parse(words[i]) == VERDICT_NONE);
        cr_expect(outcome_parse(words[i]) == OUTCOME_NONE);
        cr_expect(tls_mode_parse(words[i]) == TLS_UNSET);
    }
    cr_expect(engine_parse("postgres") == ENGINE_POSTGRESQL &&
              engine_parse("pgsql") == ENGINE_POSTGRESQL);
    check_text("unknown engine", engine_text(ENGINE_UNKNOWN), "");
}

/* ---- reasons ------------------------------------------------------------------------------- */

Test(reasons, are_unique_and_say_what_to_do)
{
    for (size_t i = 0; i < reason_count; i++) {
        const struct reason *r = &reasons[i];
        cr_expect(isupper((unsigned char)r->name[0]) &&
                      strspn(r->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "abcdefghijklmnopqrstuvwxyz") == strlen(r->name),
                  "%s: CamelCase", r->name);
        bool sentence =
            isupper((unsigned char)r->meaning[0]) && !isupper((unsigned char)r->meaning[1]);
        cr_expect(*r->meaning && !sentence && !str_ends(r->meaning, "."), "%s: meaning", r->name);
        cr_expect(r->remedy && *r->remedy && !str_ends(r->remedy, "."), "%s: remedy", r->name);
        cr_expect((r->exit_code >= 0 && r->exit_code <= 10) || r->exit_code == 143, "%s: exit code",
                  r->name);
        cr_expect(reason_find(r->name) == r, "%s: twice in the table", r->name);
    }
    cr_expect(reason_find("Nonsense") == NULL && reason_find(NULL) == NULL);
    cr_expect(reason_exit_code("Nonsense") == 1);
}

Test(reasons, every_name_of_the_header_is_in_the_table)
{
    size_t names = 0;
#define R(name)                                                                                    \
    do {                                                                                           \
        cr_expect(reason_find(name) != NULL, "%s", name);                                          \
        names++;                                                                                   \
    } while (0)
    R(REASON_RECONCILIATION_SUCCEEDED);
    R(REASON_SUCCEEDED);
    R(REASON_FAILED);
    R(REASON_PROGRESSING);
    R(REASON_PROGRESSING_WITH_RETRY);
    R(REASON_SUSPENDED);
    R(REASON_INVALID_SPEC);
    R(REASON_SOURCE_UNAVAILABLE);
    R(REASON_SOURCE_FETCH_FAILED);
    R(REASON_SOURCE_TOO_LARGE);
    R(REASON_REVISION_NOT_FOUND);
    R(REASON_HISTORY_REWRITTEN);
    R(REASON_HOST_KEY_MISMATCH);
    R(REASON_SECRET_INVALID);
    R(REASON_NO_DATABASES);
    R(REASON_INVALID_MIGRATION);
    R(REASON_TRANSACTION_CONTROL);
    R(REASON_DUPLICATE_VERSION);
    R(REASON_CHECKSUM_MISMATCH);
    R(REASON_DESCRIPTION_MISMATCH);
    R(REASON_MIGRATION_MISSING);
    R(REASON_OUT_OF_ORDER);
    R(REASON_BASELINE_REQUIRED);
    R(REASON_FAILED_HISTORY_ROW);
    R(REASON_HISTORY_REGRESSED);
    R(REASON_HISTORY_TAMPERED);
    R(REASON_HISTORY_TOO_LARGE);
    R(REASON_TARGET_CHANGED);
    R(REASON_TARGET_ID_CONFLICT);
    R(REASON_TARGET_READ_ONLY);
    R(REASON_ROLE_TOO_POWERFUL);
    R(REASON_POOLER_UNSUPPORTED);
    R(REASON_UNSUPPORTED_TOPOLOGY);
    R(REASON_UNSUPPORTED_SERVER);
    R(REASON_DATABASE_UNAVAILABLE);
    R(REASON_DATABASE_BUSY);
    R(REASON_ACCESS_DENIED);
    R(REASON_TLS_VERIFICATION_FAILED);
    R(REASON_DATABASE_DISK_FULL);
    R(REASON_LOCK_TIMEOUT);
    R(REASON_DEADLOCK);
    R(REASON_WAITING_FOR_OLD_SESSION);
    R(REASON_MIGRATION_FAILED);
    R(REASON_OUTCOME_UNKNOWN);
    R(REASON_CANARY_FAILED);
    R(REASON_GATE_FAILED);
    R(REASON_ANALYSIS_UNAVAILABLE);
    R(REASON_SOAKING);
    R(REASON_JOB_REJECTED);
    R(REASON_RUNNER_NOT_STARTED);
    R(REASON_ATTEMPT_INTERRUPTED);
    R(REASON_NAME_CONFLICT);
    R(REASON_DEADLINE_EXCEEDED);
    R(REASON_ASSIGNMENT_STALE);
    R(REASON_FORMAT_TOO_NEW);
    R(REASON_RECOVERED_FROM_HISTORY);
    R(REASON_OUTCOME_RESOLVED);
    R(REASON_TAG_MOVED);
    R(REASON_FILES_PASSED_OVER);
    R(REASON_AWAITING_WINDOW);
    R(REASON_WINDOW_MISSED);
    R(REASON_PAUSED);
    R(REASON_USAGE);
    R(REASON_INTERNAL);
    R(REASON_NOT_FOUND);
    R(REASON_TIMED_OUT);
    R(REASON_API_UNAVAILABLE);
    R(REASON_FORBIDDEN);
    R(REASON_CONTROLLER_RUNNING);
    R(REASON_ADDRESS_IN_USE);
    R(REASON_PENDING);
    R(REASON_INTERRUPTED);
    cr_expect(names == reason_count, "%zu names, %zu rows", names, reason_count);
}

/* Who runs a command on one database has no plan: no field, Secret, Job or push helps, and nobody tries it again. A plan has
 * no options. */
Test(reasons, each_has_a_remedy_for_a_command_and_one_for_a_plan)
{
    static const char *const of_plans[] = { "spec.",      "Secret",       "execution.", "by itself",
                                            "annotation", "caRef",        "Job",        "and push",
                                            "source.",    "`sluice retry" };
    static const char *const of_commands[] = { "--", "$SLUICE", "?ssl" };
    /* What only a controller, or a command about a plan, ends with. */
    static const char *const never_here[] = {
        REASON_NO_DATABASES,
        REASON_TARGET_CHANGED,
        REASON_GATE_FAILED,
        REASON_CANARY_FAILED,
        REASON_ANALYSIS_UNAVAILABLE,
        REASON_SOAKING,
        REASON_JOB_REJECTED,
        REASON_RUNNER_NOT_STARTED,
        REASON_ATTEMPT_INTERRUPTED,
        REASON_NAME_CONFLICT,
        REASON_DEADLINE_EXCEEDED,
        REASON_SUSPENDED,
        REASON_PROGRESSING,
        REASON_FAILED,
        REASON_PROGRESSING_WITH_RETRY,
        REASON_TARGET_ID_CONFLICT,
        REASON_HISTORY_REWRITTEN,
        REASON_HISTORY_REGRESSED,
        REASON_ROLE_TOO_POWERFUL, /* a command warns */
    };
    for (size_t i = 0; i < reason_count; i++) {
        const struct reason *r = &reasons[i];
        const char *here = reason_here(r->name) ? reason_here(r->name) : r->remedy;
        bool plans_own = false;
        cr_expect(r->remedy && *r->remedy && *here, "%s has no remedy", r->name);
        for (size_t n = 0; n < ROWS(never_here); n++) {
            plans_own |= strcmp(r->name, never_here[n]) == 0;
        }
        for (size_t w = 0; !plans_own && w < ROWS(of_plans); w++) {
            cr_expect_null(strstr(here, of_plans[w]), "%s: \"%s\" is of no use to a command: %s",
                           r->name, of_plans[w], here);
        }
        for (size_t w = 0; r->class != REASON_CLASS_COMMAND && w < ROWS(of_commands); w++) {
            cr_expect_null(strstr(r->remedy, of_commands[w]),
                           "%s: \"%s\" is of no use to a plan: %s", r->name, of_commands[w],
                           r->remedy);
        }
    }
}

Test(reasons, exit_codes_and_classes_are_those_of_the_design)
{
    static const struct {
        int code;
        const char *names[24];
    } rows[] = {
        { 1, { "InvalidSpec", "SecretInvalid" } },
        { 2, { "DeadlineExceeded", "LockTimeout" } },
        { 3, { "MigrationFailed", "TransactionControlInMigration", "CanaryFailed", "GateFailed" } },
        { 4, { "RevisionNotFound", "NoDatabases" } },
        { 5, { "AccessDenied", "TLSVerificationFailed", "HostKeyMismatch", "RoleTooPowerful" } },
        { 6,
          { "InvalidMigration", "DuplicateVersion", "ChecksumMismatch", "DescriptionMismatch",
            "MigrationMissing", "OutOfOrder", "BaselineRequired", "FailedHistoryRow",
            "HistoryRewritten", "HistoryRegressed", "HistoryTampered", "HistoryTooLarge",
            "FormatTooNew", "SourceTooLarge", "PoolerUnsupported", "UnsupportedTopology",
            "UnsupportedServer" } },
        { 7, { "DatabaseBusy", "WaitingForOldSession" } },
        { 8, { "OutcomeUnknown" } },
        { 9,
          { "SourceUnavailable", "SourceFetchFailed", "DatabaseUnavailable", "DatabaseDiskFull",
            "Deadlock", "TargetReadOnly" } },
        { 10, { "TargetChanged", "TargetIdConflict", "AssignmentStale" } },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t n = 0; rows[i].names[n]; n++) {
            cr_expect(reason_exit_code(rows[i].names[n]) == rows[i].code, "%s", rows[i].names[n]);
        }
    }
    static const char *const sticky[] = { "MigrationFailed", "CanaryFailed", "GateFailed",
                                          "OutcomeUnknown", "TargetChanged" };
    size_t count = 0;
    for (size_t i = 0; i < reason_count; i++) {
        count += reasons[i].class == REASON_CLASS_STICKY;
    }
    cr_expect(count == ROWS(sticky), "only a commit, spec or token clears these five");
    for (size_t i = 0; i < ROWS(sticky); i++) {
        cr_expect(reason_find(sticky[i])->class == REASON_CLASS_STICKY, "%s", sticky[i]);
    }
}

/* ---- options ------------------------------------------------------------------------------- */

Test(options, defaults_are_flyways)
{
    AUTO(migrations_options_done) struct migrations_options m = { 0 };
    migrations_options_init(&m);
    AUTO(json_free_auto) struct json *o = migrations_options_json(&m);
    AUTO(free_auto) char *text = json_text(o);
    check_text("migrations", text,
               "{\"format\":\"Flyway\",\"table\":\"flyway_schema_history\",\"target\":\"latest\","
               "\"outOfOrder\":false,\"baselineOnMigrate\":false,\"baselineVersion\":\"1\","
               "\"baselineDescription\":\"<< Flyway Baseline "
               ">>\",\"ignoreMigrationPatterns\":[\"*:future\"],"
               "\"placeholders\":{},\"placeholderReplacement\":true}");
    struct execution_options x;
    execution_options_init(&x);
    cr_expect(x.lock_timeout_ms == 1000 && x.lock_retry_for_ms == 600000 &&
              x.statement_timeout_ms == 0 && x.deadline_ms == 86400000 &&
              x.old_sessions == OLD_SESSIONS_WAIT && !x.allow_superuser && !x.show_values);
}

Test(options, a_copy_shares_nothing)
{
    AUTO(migrations_options_done) struct migrations_options a = { 0 };
    AUTO(migrations_options_done) struct migrations_options b = { 0 };
    migrations_options_init(&a);
    a.schema = mem_strdup("app");
    kvlist_set(&a.placeholders, "k", "v");
    migrations_options_copy(&a, &b);
    kvlist_set(&a.placeholders, "k", "w");
    a.table[0] = 'X';
    check_text("placeholder", kvlist_get(&b.placeholders, "k"), "v");
    check_text("table", b.table, "flyway_schema_history");
    check_text("schema", b.schema, "app");
}

Test(options, ignore_patterns_have_a_type_and_a_state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "*:future", "*:future" },
        { "*:*", "*:*" },
        { "Versioned:MISSING", "versioned:missing" },
        { "repeatable:pending", "repeatable:pending" },
        { "*:ignored", "*:ignored" },
        { "future", NULL },
        { "*:failed", NULL },
        { "v:missing", NULL },
        { "*:", NULL },
        { ":", NULL },
        { "*:future ", NULL },
        { "", NULL },
        { NULL, NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct ignore_pattern p = { 0 };
        char text[IGNORE_TEXT_LEN] = "";
        bool ok = ignore_pattern_parse(rows[i].text, &p);
        cr_expect(ok == (rows[i].want != NULL), "%s", rows[i].text);
        if (ok) {
            ignore_pattern_format(&p, text);
            check_text(rows[i].text, text, rows[i].want);
        }
    }
}

Test(options, a_target_is_a_word_or_a_version)
{
    static const struct {
        const char *text, *want;
        bool optional;
    } rows[] = {
        { "latest", "latest", false }, { "Current", "current", false },
        { "NEXT", "next", false },     { "2.1", "2.1", false },
        { "2_1", "2.1", false },       { "2.1?", "2.1?", true },
        { "2.1??", NULL, false },      { "?", NULL, false },
        { "latest?", NULL, false },    { "v2", NULL, false },
        { "", NULL, false },           { NULL, NULL, false },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct migrations_options m = { 0 };
        char text[VERSION_MAX + 2];
        bool ok = migrations_target_parse(rows[i].text, &m);
        cr_expect(ok == (rows[i].want != NULL), "%s", rows[i].text);
        if (ok) {
            migrations_target_format(&m, text);
            check_text(rows[i].text, text, rows[i].want);
            cr_expect(m.target_optional == rows[i].optional);
        }
    }
}

/* ---- results ------------------------------------------------------------------------------- */

static struct result full_result(void)
{
    struct result r = { .nonce = "00112233445566778899aabbccddeeff",
                        .attempt = 4,
                        .code = 3,
                        .outcome = OUTCOME_FAILED,
                        .target = "1f0c2a9b-0000-4000-8000-000000000000",
                        .epoch = 9,
                        .head = { .rank = 14, .journal_seq = 57, .journal_hash = "ab" },
                        .ms = { 1, 2, 3 } };
    r.reason = mem_strdup("MigrationFailed");
    r.message = mem_strdup("column \"x\" does not exist");
    r.applied.count = 2;
    r.applied.first = mem_strdup("13");
    r.applied.last = mem_strdup("14");
    r.failed.version = mem_strdup("15");
    r.failed.script = mem_strdup("V15__x.sql");
    r.failed.line = 7;
    r.failed.column = 8;
    r.failed.statement = 2;
    memcpy(r.failed.sqlstate, "42703", 6);
    return r;
}

Test(results, the_line_is_the_documented_one)
{
    AUTO(result_done) struct result r = full_result();
    AUTO(free_auto) char *text = result_format(&r);
    check_text(
        "failed", text,
        "{\"format\":1,\"nonce\":\"00112233445566778899aabbccddeeff\",\"attempt\":4,\"code\":3,"
        "\"outcome\":\"Failed\",\"reason\":\"MigrationFailed\","
        "\"message\":\"column \\\"x\\\" does not exist\","
        "\"applied\":{\"count\":2,\"first\":\"13\",\"last\":\"14\"},"
        "\"failed\":{\"version\":\"15\",\"script\":\"V15__x.sql\",\"line\":7,\"column\":8,"
        "\"statement\":2,"
        "\"sqlstate\":\"42703\",\"errno\":null},\"target\":\"1f0c2a9b-0000-4000-8000-"
        "000000000000\","
        "\"epoch\":9,\"head\":{\"rank\":14,\"journalSeq\":57,\"journalHash\":\"ab\"},"
        "\"ms\":{\"lock\":1,\"apply\":2,\"total\":3}}");
    AUTO(result_done) struct result back = { 0 };
    check_error("parsed", result_parse(text, strlen(text), &back), NULL);
    AUTO(free_auto) char *again = result_format(&back);
    check_text("round trip", again, text);
}

Test(results, success_has_nulls)
{
    struct result r = { .nonce = "n", .outcome = OUTCOME_NOTHING_TO_DO };
    AUTO(free_auto) char *text = result_format(&r);
    cr_expect(strstr(text, "\"reason\":null,\"message\":null") && strstr(text, "\"failed\":null") &&
                  strstr(text, "\"target\":null"),
              "%s", text);
    AUTO(result_done) struct result back = { 0 };
    check_error("parsed", result_parse(text, strlen(text), &back), NULL);
    cr_expect(!back.reason && !back.failed.script && back.outcome == OUTCOME_NOTHING_TO_DO);
}

Test(results, the_line_never_passes_its_limit)
{
    AUTO(result_done) struct result r = full_result();
    AUTO(free_auto) char *huge = mem_alloc(20001);
    for (int i = 0; i < 20000; i++) {
        huge[i] = "\x01\"\\"[i % 3]; /* doubles and sextuples when escaped */
    }
    char **const texts[] = { &r.message, &r.applied.first, &r.applied.last, &r.failed.version,
                             &r.failed.script };
    for (size_t i = 0; i < ROWS(texts); i++) {
        free(*texts[i]);
        *texts[i] = mem_strdup(huge);
        AUTO(free_auto) char *text = result_format(&r);
        cr_expect(strlen(text) <= LIMIT_RESULT, "%zu huge texts: %zu bytes", i + 1, strlen(text));
        AUTO(result_done) struct result back = { 0 };
        check_error("still a result", result_parse(text, strlen(text), &back), NULL);
        cr_expect(back.epoch == 9 && str_eq(back.head.journal_hash, "ab"));
    }
    free(r.message);
    r.message = mem_strdup("0123456789012345678901234567890123456789");
    AUTO(free_auto) char *plain = result_format(&(struct result){ .message = r.message });
    cr_expect(strstr(plain, r.message), "a short message is whole");
}

Test(results, a_reader_takes_what_it_knows)
{
    static const struct {
        const char *name, *text, *want, *reason;
    } rows[] = {
        { "unknown keys are ignored",
          "{\"format\":1,\"nonce\":\"n\",\"attempt\":1,\"code\":0,\"outcome\":\"Done\",\"new\":{"
          "\"x\":[1]}}",
          NULL, NULL },
        { "absent parts are empty",
          "{\"format\":1,\"nonce\":\"n\",\"attempt\":1,\"code\":0,\"outcome\":\"Done\"}\n", NULL,
          NULL },
        { "a later format is refused",
          "{\"format\":2,\"nonce\":\"n\",\"attempt\":1,\"code\":0,\"outcome\":\"Done\"}",
          "format 2", "FormatTooNew" },
        { "no JSON", "panic: out of cheese", "line 1", "InternalError" },
        { "nothing", "", "unexpected end", "InternalError" },
        { "half a line", "{\"format\":1,\"nonce\":\"n\"", "unexpected end", "InternalError" },
        { "no format", "{\"nonce\":\"n\"}", "no format", "InternalError" },
        { "a list", "[]", "no format", "InternalError" },
        { "no nonce", "{\"format\":1,\"attempt\":1,\"code\":0,\"outcome\":\"Done\"}", "nonce",
          "InternalError" },
        { "a code out of range",
          "{\"format\":1,\"nonce\":\"n\",\"attempt\":1,\"code\":300,\"outcome\":\"Done\"}", "code",
          "InternalError" },
        { "an unknown outcome",
          "{\"format\":1,\"nonce\":\"n\",\"attempt\":1,\"code\":0,\"outcome\":\"Great\"}",
          "outcome", "InternalError" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(result_done) struct result r = { 0 };
        struct err *e = result_parse(rows[i].text, strlen(rows[i].text), &r);
        cr_expect(str_eq(e ? e->reason : NULL, rows[i].reason), "%s: reason", rows[i].name);
        check_error(rows[i].name, e, rows[i].want);
    }
}
