/* SPDX-License-Identifier: Apache-2.0 */
/* MigrationPlan, Secret and ConfigMap: every field, every bound, every default, with its path. */
#include <stdlib.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/yaml.h"
#include "manifest/fields.h"
#include "manifest/manifest.h"
#include "model/mplan.h"
#include "tests/unit/rows.h"

TestSuite(mplan, .timeout = 60);
TestSuite(secrets, .timeout = 60);

static struct json *yaml_object(const char *text)
{
    struct yaml_docs docs = { 0 };
    struct err *e = yaml_parse(text, strlen(text), "test", &docs);
    cr_assert(!e && docs.count == 1, "%s\n%s", e ? e->message : "", text);
    struct json *object = TAKE(docs.docs[0]);
    docs.count = 0;
    yaml_docs_done(&docs);
    return object;
}

static struct json *plan_object(const char *spec)
{
    AUTO(free_auto) char *text = mem_printf(
        "apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: shop}\nspec: %s\n",
        spec);
    return yaml_object(text);
}

static struct err *decode_spec(const char *spec, struct mplan *out)
{
    AUTO(json_free_auto) struct json *object = plan_object(spec);
    return mplan_decode(object, out);
}

static void check_json(const char *name, const struct json *node, const char *want)
{
    AUTO(free_auto) char *text = node ? json_text(node) : NULL;
    check_text(name, text, want);
}

/* Every field that there is. */
static const char full[] =
    "{source: {url: 'https://git.example.com/shop.git', ref: {tag: v1}, paths: [a, "
    "'b/${database}'], interval: 2m,"
    " timeout: 30s, allowRewrite: true, secretRef: {name: git-auth}, webhook: {secretRef: {name: "
    "hook}}},"
    " revision: 0123456789012345678901234567890123456789f,"
    " databases: [{name: orders, secretRef: {name: orders-db},"
    "   connection: {type: mariadb, host: db, port: 3307, database: o},"
    "   tls: {mode: verify-ca, caRef: {kind: Secret, name: ca, key: bundle.pem}, "
    "clientCertSecretRef: {name: cc}},"
    "   schema: app, paths: [x], labels: {tier: canary, example.com/region: eu},"
    "   migrations: {target: '7', baselineOnMigrate: true, baselineVersion: '3', "
    "baselineDescription: mine,"
    "     placeholders: {tenant: a, region: us}}},"
    "   {name: billing_01, secretRef: {name: billing-db}}],"
    " migrations: {format: Flyway, table: history, target: '14?', outOfOrder: true, "
    "baselineOnMigrate: false,"
    "   baselineVersion: '2', baselineDescription: all, ignoreMigrationPatterns: ['*:missing', "
    "'versioned:future'],"
    "   placeholders: {region: eu}, placeholderReplacement: false, sqlMigrationPrefix: '',"
    "   repeatableSqlMigrationPrefix: rep, sqlMigrationSeparator: '-', sqlMigrationSuffixes: "
    "[.ddl, .sql], validateMigrationNaming: true},"
    " strategy: {type: Canary, maxParallel: 2, maxFailures: 1, waves: ["
    "   {name: first, select: {names: [orders]}, soak: 10m, gates: [{name: ok, sql: {query: select "
    "1,"
    "     engine: postgresql, interval: 5s, count: 3, failureLimit: 2}}]},"
    "   {name: second, select: {matchLabels: {tier: canary}}}, {name: third, select: {count: 2}},"
    "   {name: fourth, select: {percent: 50}}]},"
    " execution: {lockTimeout: 2s, lockRetryFor: 1m, statementTimeout: 3s, deadline: 2h, "
    "startTimeout: 4m,"
    "   oldSessions: Terminate, allowSuperuser: true, showValues: true, job: {resources: {limits: "
    "{memory: 256Mi}},"
    "     nodeSelector: {disk: ssd}, tolerations: [{key: migrations, operator: Exists}],"
    "     affinity: {nodeAffinity: {x: [1]}}, priorityClassName: high, imagePullSecrets: [{name: "
    "reg}],"
    "     terminationGracePeriodSeconds: 86400, ttlSecondsAfterFinished: 60, labels: {team: a},"
    "     annotations: {example.com/note: 'any text'}}},"
    " serviceAccountName: migrator,"
    " interval: 1m, retryInterval: 7s, timeout: 2h, deletionPolicy: Cancel, suspend: true}";

static char *full_spec(void)
{
    char *text = mem_strdup(full);
    char *at = strstr(text, "6789f");
    memcpy(at, "6789 ", 5); /* 40 digits; a plain number would be refused by the YAML reader */
    at = strstr(text, "revision: ");
    char *quoted = mem_printf("%.*srevision: '%.40s'%s", (int)(at - text), text, at + 10, at + 51);
    free(text);
    return quoted;
}

Test(mplan, every_field_reaches_its_place)
{
    AUTO(free_auto) char *spec = full_spec();
    AUTO(mplan_done) struct mplan p;
    check_error("full", decode_spec(spec, &p), NULL);

    check_text("url", p.source.url, "https://git.example.com/shop.git");
    cr_expect(p.source.ref_kind == REF_TAG && str_eq(p.source.ref, "v1"));
    cr_expect(p.source.paths.count == 2 && str_eq(p.source.paths.items[1], "b/${database}"));
    cr_expect(p.source.interval_ms == 120000 && p.source.timeout_ms == 30000 &&
              p.source.allow_rewrite);
    check_text("secret", p.source.secret_name, "git-auth");
    check_text("webhook", p.source.webhook_secret_name, "hook");
    check_text("revision", p.revision, "0123456789012345678901234567890123456789");

    cr_assert(p.database_count == 2);
    const struct mplan_database *d = &p.databases[0];
    check_text("name", d->name, "orders");
    check_text("database secret", d->secret_name, "orders-db");
    cr_expect(str_eq(d->connection.type, "mariadb") && str_eq(d->connection.host, "db") &&
              d->connection.port == 3307 && str_eq(d->connection.database, "o") &&
              d->connection.tls == TLS_VERIFY_CA);
    cr_expect(str_eq(d->ca_kind, "Secret") && str_eq(d->ca_name, "ca") &&
              str_eq(d->ca_key, "bundle.pem") && str_eq(d->client_cert_secret, "cc"));
    cr_expect(str_eq(d->schema, "app") && str_eq(d->migrations.schema, "app"));
    cr_expect(d->paths.count == 1 && str_eq(kvlist_get(&d->labels, "example.com/region"), "eu"));

    const struct migrations_options *m = &d->migrations;
    cr_expect(m->target == TARGET_VERSION && str_eq(m->target_version.text, "7") &&
              !m->target_optional);
    cr_expect(m->baseline_on_migrate && str_eq(m->baseline_version.text, "3") &&
              str_eq(m->baseline_description, "mine"));
    cr_expect(str_eq(kvlist_get(&m->placeholders, "region"), "us") &&
                  str_eq(kvlist_get(&m->placeholders, "tenant"), "a"),
              "an entry's placeholders override");
    cr_expect(str_eq(m->table, "history") && m->out_of_order && !m->placeholder_replacement,
              "the rest is the plan's");
    cr_expect(m->ignore_count == 2 && m->ignore[0].state == IGNORE_MISSING &&
              m->ignore[1].type == IGNORE_VERSIONED);

    cr_expect(str_eq(naming_prefix(&m->naming), "") &&
                  str_eq(naming_repeatable_prefix(&m->naming), "rep") &&
                  str_eq(naming_separator(&m->naming), "-") &&
                  naming_suffix_count(&m->naming) == 2 && m->naming.validate,
              "so are the names of files");

    m = &p.databases[1].migrations;
    cr_expect(m->target == TARGET_VERSION && m->target_optional &&
              str_eq(m->target_version.text, "14"));
    cr_expect(!m->baseline_on_migrate && str_eq(m->baseline_version.text, "2") &&
              m->schema == NULL);
    cr_expect(str_eq(kvlist_get(&m->placeholders, "region"), "eu") &&
              !kvlist_get(&m->placeholders, "tenant"));
    cr_expect(p.databases[1].connection.tls == TLS_UNSET && p.databases[1].paths.count == 0);

    cr_expect(p.strategy == STRATEGY_CANARY && p.max_parallel == 2 && p.max_failures == 1 &&
              p.wave_count == 4);
    const struct mplan_wave *w = p.waves;
    cr_expect(w[0].select == SELECT_NAMES && str_eq(w[0].names.items[0], "orders") &&
              w[0].soak_ms == 600000);
    cr_expect(w[1].select == SELECT_LABELS && str_eq(kvlist_get(&w[1].labels, "tier"), "canary"));
    cr_expect(w[2].select == SELECT_COUNT && w[2].amount == 2 && w[3].select == SELECT_PERCENT &&
              w[3].amount == 50);
    cr_assert(w[0].gate_count == 1 && w[1].gate_count == 0 && w[1].soak_ms == 0);
    const struct mplan_gate *g = w[0].gates;
    cr_expect(str_eq(g->name, "ok") && str_eq(g->query, "select 1") &&
              g->engine == ENGINE_POSTGRESQL && g->interval_ms == 5000 && g->count == 3 &&
              g->failure_limit == 2);

    const struct execution_options *x = &p.execution;
    cr_expect(x->lock_timeout_ms == 2000 && x->lock_retry_for_ms == 60000 &&
              x->statement_timeout_ms == 3000 && x->deadline_ms == 7200000 &&
              x->old_sessions == OLD_SESSIONS_TERMINATE && x->allow_superuser && x->show_values);
    cr_expect(p.job.grace_seconds == 86400 && p.job.ttl_seconds == 60 &&
              str_eq(p.job.priority_class, "high") && str_eq(p.service_account, "migrator"));
    check_json("resources", p.job.resources, "{\"limits\":{\"memory\":\"256Mi\"}}");
    check_json("node selector", p.job.node_selector, "{\"disk\":\"ssd\"}");
    check_json("tolerations", p.job.tolerations,
               "[{\"key\":\"migrations\",\"operator\":\"Exists\"}]");
    check_json("affinity", p.job.affinity, "{\"nodeAffinity\":{\"x\":[1]}}");
    check_json("pull secrets", p.job.image_pull_secrets, "[{\"name\":\"reg\"}]");
    check_json("labels", p.job.labels, "{\"team\":\"a\"}");
    check_json("annotations", p.job.annotations, "{\"example.com/note\":\"any text\"}");
    cr_expect(p.start_timeout_ms == 240000 && p.interval_ms == 60000 &&
              p.retry_interval_ms == 7000 && p.timeout_ms == 7200000 &&
              p.deletion_policy == DELETION_CANCEL && p.suspend);
}

Test(mplan, the_least_plan_gets_every_default)
{
    AUTO(mplan_done) struct mplan p;
    check_error(
        "least",
        decode_spec("{source: {url: 'https://g/x'}, databases: [{name: a, secretRef: {name: s},"
                    " tls: {}}]}",
                    &p),
        NULL);
    AUTO(free_auto) char *text = json_text_sorted(p.defaulted);
    check_text(
        "defaulted", text,
        "{\"databases\":[{\"name\":\"a\",\"secretRef\":{\"name\":\"s\"},\"tls\":{\"mode\":\"verify-"
        "full\"}}],"
        "\"deletionPolicy\":\"Wait\",\"execution\":{\"allowSuperuser\":false,\"deadline\":\"24h\","
        "\"job\":{\"terminationGracePeriodSeconds\":300,\"ttlSecondsAfterFinished\":172800},"
        "\"lockRetryFor\":\"10m\",\"lockTimeout\":\"1s\",\"oldSessions\":\"Wait\","
        "\"showValues\":false,\"startTimeout\":"
        "\"10m\","
        "\"statementTimeout\":\"0s\"},\"interval\":\"5m\",\"migrations\":{\"baselineDescription\":"
        "\"<< Flyway Baseline "
        ">>\",\"baselineOnMigrate\":false,\"baselineVersion\":\"1\",\"format\":\"Flyway\","
        "\"ignoreMigrationPatterns\":[\"*:future\"],\"outOfOrder\":false,"
        "\"placeholderReplacement\":true,"
        "\"table\":\"flyway_schema_history\",\"target\":\"latest\"},\"retryInterval\":\"30s\","
        "\"source\":{\"allowRewrite\":false,\"interval\":\"1m\","
        "\"ref\":{\"branch\":\"main\"},\"timeout\":\"60s\",\"url\":\"https://g/x\"},"
        "\"strategy\":{\"maxFailures\":0,\"maxParallel\":4,\"type\":\"Canary\"},\"suspend\":false,"
        "\"timeout\":\"1h\"}");
    cr_expect(p.source.ref_kind == REF_BRANCH && str_eq(p.source.ref, "main"));
    cr_expect(p.source.paths.count == 1 && str_eq(p.source.paths.items[0], "sql/${database}"));
    cr_expect(!p.selector.set && !p.service_account && p.job.grace_seconds == 300 &&
              p.job.ttl_seconds == 172800 && !p.job.resources && !p.job.labels);
    cr_expect(p.strategy == STRATEGY_CANARY && p.wave_count == 0 && p.max_parallel == 4);
    cr_expect(p.timeout_ms == 3600000 && p.interval_ms == 300000 && p.retry_interval_ms == 30000 &&
              p.start_timeout_ms == 600000);
    cr_expect(p.databases[0].connection.tls == TLS_VERIFY_FULL);
    struct execution_options want;
    execution_options_init(&want);
    cr_expect(p.execution.lock_timeout_ms == want.lock_timeout_ms &&
              p.execution.lock_retry_for_ms == want.lock_retry_for_ms &&
              p.execution.deadline_ms == want.deadline_ms &&
              p.execution.old_sessions == want.old_sessions);
}

Test(mplan, a_selector_stands_for_databases)
{
    AUTO(mplan_done) struct mplan p;
    check_error("selector",
                decode_spec("{source: {url: 'https://g/x', paths: [sql]}, databaseSelector:"
                            " {matchLabels: {sluice.dev/plan: shop}, allowEmpty: true}, strategy:"
                            " {waves: [{name: w, select: {names: [known-later]}}]}}",
                            &p),
                NULL);
    cr_expect(p.selector.set && p.selector.allow_empty && p.database_count == 0 &&
              str_eq(kvlist_get(&p.selector.match_labels, "sluice.dev/plan"), "shop"));
    cr_expect(p.source.paths.count == 1 && str_eq(p.source.paths.items[0], "sql"));
}

#define FLEET                                                                                      \
    "{source: {url: 'https://g/x', paths: [sql]}, databaseSelector: {matchLabels: {fleet: a}}"

static struct err *decode_fleet(const char *spec, const char *secrets, struct mplan *out)
{
    AUTO(json_free_auto) struct json *object = plan_object(spec);
    AUTO(json_free_auto) struct json *list = yaml_object(secrets);
    return mplan_decode_selected(object, json_get(list, "secrets"), out);
}

Test(mplan, secrets_that_a_selector_finds_are_entries)
{
    AUTO(mplan_done) struct mplan p;
    check_error(
        "fleet",
        decode_fleet(FLEET ", strategy: {waves: [{name: w, select: {matchLabels: {size: small}}}, "
                           "{name: v, select: {names: [not-there]}}]}}",
                     "secrets:\n"
                     "- {name: db-1, labels: {fleet: a, sluice.dev/database: Tenant_1, size: small,"
                     " tier: canary}, annotations: {sluice.dev/schema: app,"
                     " sluice.dev/paths: 'a, b/${database} ,'}}\n"
                     "- {name: db-2, labels: {fleet: a}}\n",
                     &p),
        NULL);
    cr_assert(p.database_count == 2);
    const struct mplan_database *d = p.databases;
    cr_expect(str_eq(d[0].name, "Tenant_1") && str_eq(d[0].secret_name, "db-1") &&
              str_eq(d[0].schema, "app") && str_eq(d[0].migrations.schema, "app"));
    cr_expect(d[0].paths.count == 2 && str_eq(d[0].paths.items[0], "a") &&
              str_eq(d[0].paths.items[1], "b/${database}"));
    cr_expect(d[0].labels.count == 2 && str_eq(kvlist_get(&d[0].labels, "size"), "small") &&
              str_eq(kvlist_get(&d[0].labels, "tier"), "canary"));
    cr_expect(str_eq(d[1].name, "db-2") && d[1].paths.count == 0 && d[1].labels.count == 0);
    cr_expect(p.source.paths.count == 1 && p.selector.set);
}

Test(mplan, a_secret_that_makes_no_entry_is_named)
{
    static const struct {
        const char *name, *secrets, *want;
    } rows[] = {
        { "one name twice",
          "secrets:\n- {name: a, labels: {sluice.dev/database: x}}\n- {name: x, labels: {}}\n",
          "spec.databaseSelector finds Secret x, which gives: spec.databases[1].name: \"x\" is "
          "used twice" },
        { "a bad path", "secrets:\n- {name: a, annotations: {sluice.dev/paths: /etc}}\n",
          "spec.databaseSelector finds Secret a, which gives: spec.databases[0].paths[0]: "
          "\"/etc\"" },
        { "no Secret", "secrets: []\n", NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(mplan_done) struct mplan p;
        check_error(rows[i].name, decode_fleet(FLEET "}", rows[i].secrets, &p), rows[i].want);
    }
}

Test(mplan, a_defaulted_spec_decodes_to_itself)
{
    AUTO(free_auto) char *spec = full_spec();
    AUTO(mplan_done) struct mplan p;
    AUTO(mplan_done) struct mplan q;
    check_error("once", decode_spec(spec, &p), NULL);
    AUTO(free_auto) char *text = json_text(p.defaulted);
    check_error("twice", decode_spec(text, &q), NULL);
    cr_expect(json_equal(p.defaulted, q.defaulted));
}

#define DB "databases: [{name: a, secretRef: {name: s}}]"
#define SRC "source: {url: 'https://g/x'}"
#define WAVES(waves) "{" SRC ", " DB ", strategy: {waves: [" waves "]}}"
#define ENTRY(entry) "{" SRC ", databases: [{name: a, secretRef: {name: s}, " entry "}]}"
#define SOURCE(source) "{source: {url: 'https://g/x', " source "}, " DB "}"
#define URL(url) "{source: {url: '" url "'}, " DB "}"
#define SPEC(rest) "{" SRC ", " DB ", " rest "}"

Test(mplan, what_is_wrong_is_named_by_its_path)
{
    static const struct {
        const char *name, *spec, *want;
    } rows[] = {
        /* shape */
        { "spec is a list", "[]", "spec: must be an object" },
        { "no source", "{" DB "}", "spec.source: is required" },
        { "no url", "{source: {}, " DB "}", "spec.source.url: is required" },
        { "no databases", "{" SRC "}", "spec: needs exactly one of databases, databaseSelector" },
        { "an empty list of databases is for the controller to judge", "{" SRC ", databases: []}",
          NULL },
        { "null is absent", SPEC("suspend: null, strategy: null"), NULL },
        { "null is absent where a value is required", "{source: null, " DB "}",
          "spec.source: is required" },
        { "an unknown field", SPEC("colour: red"), "spec.colour: unknown field" },
        { "a misspelt field", SPEC("suspended: true"),
          "spec.suspended: unknown field: did you mean suspend" },
        { "wrong capitals", SPEC("retryinterval: 5s"),
          "spec.retryinterval: unknown field: did you mean retryInterval" },
        { "Flyway's name of a field of ours", SOURCE("path: [a]"),
          "spec.source.path: unknown field: did you mean paths" },
        { "an unknown field deep inside",
          WAVES("{name: w, select: {count: 1}, gates: [{name: g, sql: {query: q, cuont: 1}}]}"),
          "spec.strategy.waves[0].gates[0].sql.cuont: unknown field: did you mean count" },
        { "a field of a later version", SPEC("dependsOn: []"),
          "spec.dependsOn: this field is not supported by this version" },
        { "a gate of a later version",
          WAVES("{name: w, select: {count: 1}, gates: [{name: g, prometheus: {}}]}"),
          "spec.strategy.waves[0].gates[0].prometheus: this field is not supported" },
        { "semver", SOURCE("ref: {semver: '1.x'}"),
          "spec.source.ref.semver: this field is not supported" },
        /* scalars */
        { "a number for a string", "{source: {url: 5}, " DB "}",
          "spec.source.url: must be a string: put it in quotes" },
        { "a version without quotes", SPEC("migrations: {baselineVersion: 1}"),
          "spec.migrations.baselineVersion: must be a string: put it in quotes" },
        { "a string for a boolean", SPEC("suspend: 'true'"),
          "spec.suspend: must be true or false, without quotes" },
        { "a string for a number", SPEC("strategy: {maxParallel: '2'}"),
          "spec.strategy.maxParallel: must be a whole number, without quotes" },
        { "a fraction", SPEC("strategy: {maxParallel: 2.5}"), "must be a whole number" },
        { "a number below its bound", SPEC("strategy: {maxParallel: 0}"),
          "spec.strategy.maxParallel: must be from 1 to 1000" },
        { "a number above its bound", SPEC("strategy: {maxParallel: 1001}"),
          "must be from 1 to 1000" },
        { "a huge number", SPEC("strategy: {maxFailures: 5000000000}"), "must be from 0 to 2000" },
        { "a duration that is a number", SPEC("interval: 60"),
          "spec.interval: must be a duration such as 30s, 5m or 1h30m" },
        { "a duration with another unit", SPEC("interval: 1d"), "must be a duration" },
        { "a negative duration", SPEC("interval: '-5m'"), "must be a duration" },
        { "a duration below its bound", SPEC("timeout: 10ms"),
          "spec.timeout: must be from 1s to 8760h0m0s" },
        { "a lock timeout of zero would wait for ever", SPEC("execution: {lockTimeout: 0s}"),
          "spec.execution.lockTimeout: must be from" },
        { "an unknown word", SPEC("deletionPolicy: Abandon"),
          "spec.deletionPolicy: must be one of Wait, Cancel" },
        { "wrong capitals of a word", SPEC("strategy: {type: canary}"),
          "spec.strategy.type: must be one of AllAtOnce, Canary" },
        { "a strategy of a later version", SPEC("strategy: {type: BlueGreen}"),
          "BlueGreen is not supported by this version" },
        { "another format", SPEC("migrations: {format: Liquibase}"),
          "spec.migrations.format: must be Flyway" },
        /* source */
        { "an empty url", URL(""), "spec.source.url: must not be empty" },
        { "an scp-like url", URL("git@g:x.git"), "write ssh://git@HOST/PATH" },
        { "an unknown scheme", URL("ftp://g/x"), "must begin with https:// or ssh://" },
        { "ssh", URL("ssh://git@g/x.git"), NULL },
        { "http and file are the controller's to allow", URL("http://g/x"), NULL },
        { "a password in the url", URL("https://u:p@g/x"),
          "must not hold a password: put it into secretRef" },
        { "a blank in the url", URL("https://g/a b"), "must not hold blanks" },
        { "an empty ref", SOURCE("ref: {}"),
          "spec.source.ref: needs exactly one of branch, tag, commit, name" },
        { "two refs", SOURCE("ref: {branch: a, tag: b}"), "spec.source.ref: needs exactly one of" },
        { "a short commit", SOURCE("ref: {commit: '0123abc'}"),
          "spec.source.ref.commit: must have at least 40" },
        { "a commit in capitals",
          SOURCE("ref: {commit: 'ABCDEF0123456789ABCDEF0123456789ABCDEF01'}"),
          "must be a whole commit id" },
        { "a name that is no full ref", SOURCE("ref: {name: heads/main}"),
          "spec.source.ref.name: \"heads/main\" must begin with refs/" },
        { "a branch that looks like an option", SOURCE("ref: {branch: --upload-pack=x}"),
          "not a name that git allows" },
        { "a branch with two dots", SOURCE("ref: {branch: a..b}"), "not a name that git allows" },
        { "no path at all", SOURCE("paths: []"), "spec.source.paths: must have at least 1 entry" },
        { "an absolute path", SOURCE("paths: [/etc]"),
          "spec.source.paths[0]: \"/etc\" must be relative" },
        { "a path that leads out", SOURCE("paths: [ok, ../x]"),
          "spec.source.paths[1]: \"../x\" must not hold" },
        { "a path with an empty part", SOURCE("paths: [a//b]"), "must not hold empty parts" },
        { "the repository's root as a path", SOURCE("paths: [.]"), NULL },
        { "an unknown placeholder in a path", SOURCE("paths: ['sql/${tenant}']"),
          "knows no placeholder but ${database}" },
        { "a secret with a bad name", SOURCE("secretRef: {name: Git_Auth}"),
          "spec.source.secretRef.name: \"Git_Auth\" must be lower-case" },
        { "a secret without a name", SOURCE("secretRef: {}"),
          "spec.source.secretRef.name: is required" },
        { "a webhook without a secret", SOURCE("webhook: {}"),
          "spec.source.webhook.secretRef: is required" },
        { "a short revision", SPEC("revision: 4f2c9e"),
          "spec.revision: must have at least 40 characters" },
        /* databases */
        { "an underscore in a database's name",
          "{" SRC ", databases: [{name: database_01, secretRef: {name: s}}]}", NULL },
        { "a slash in a database's name",
          "{" SRC ", databases: [{name: a/b, secretRef: {name: s}}]}",
          "spec.databases[0].name: \"a/b\" must be at most 63 letters" },
        { "a name with a dash at its end",
          "{" SRC ", databases: [{name: a-, secretRef: {name: s}}]}",
          "with a letter or digit at both ends" },
        { "no secret", "{" SRC ", databases: [{name: a}]}",
          "spec.databases[0].secretRef: is required" },
        { "the same name twice",
          "{" SRC ", databases: [{name: b, secretRef: {name: s}}, {name: a, secretRef: {name: s}},"
          " {name: b, secretRef: {name: s}}]}",
          "spec.databases[2].name: \"b\" is used twice" },
        { "names that differ in case",
          "{" SRC
          ", databases: [{name: a, secretRef: {name: s}}, {name: A, secretRef: {name: s}}]}",
          NULL },
        { "an unknown engine", ENTRY("connection: {type: oracle}"),
          "spec.databases[0].connection.type: must be one of postgresql, mysql, mariadb" },
        { "port 0", ENTRY("connection: {port: 0}"),
          "spec.databases[0].connection.port: must be from 1 to 65535" },
        { "a url for a host", ENTRY("connection: {host: 'tcp://x'}"), "must be a host name" },
        { "a socket's folder for a host", ENTRY("connection: {host: /run/pg}"), NULL },
        { "prefer", ENTRY("tls: {mode: prefer}"),
          "spec.databases[0].tls.mode: must be one of verify-full, verify-ca, require, disable" },
        { "a CA without a kind", ENTRY("tls: {caRef: {name: x}}"),
          "spec.databases[0].tls.caRef.kind: is required" },
        { "a CA of another kind", ENTRY("tls: {caRef: {kind: Pod, name: x}}"),
          "must be one of ConfigMap, Secret" },
        { "a label value with a blank", ENTRY("labels: {a: 'b c'}"),
          "spec.databases[0].labels.a: \"b c\" is not a label value" },
        { "a label key with a blank", ENTRY("labels: {'a b': c}"), "is not a label key" },
        { "a table per database", ENTRY("migrations: {table: x}"),
          "spec.databases[0].migrations.table: unknown field" },
        { "a bad target per database", ENTRY("migrations: {target: soon}"),
          "spec.databases[0].migrations.target: \"soon\" is not latest" },
        /* migrations */
        { "a bad pattern", SPEC("migrations: {ignoreMigrationPatterns: ['*:future', 'x']}"),
          "spec.migrations.ignoreMigrationPatterns[1]: must be TYPE:STATE" },
        { "no pattern at all is allowed", SPEC("migrations: {ignoreMigrationPatterns: []}"), NULL },
        { "a placeholder that is a number", SPEC("migrations: {placeholders: {num: 5}}"),
          "spec.migrations.placeholders.num: must be a string: put it in quotes" },
        { "a placeholder of Flyway's own", SPEC("migrations: {placeholders: {'flyway:user': x}}"),
          "is not a placeholder name" },
        { "a bad baseline", SPEC("migrations: {baselineVersion: 'v1'}"),
          "\"v1\" is not a version" },
        { "an empty table", SPEC("migrations: {table: ''}"),
          "spec.migrations.table: must not be empty" },
        /* strategy */
        { "a wave without a name", WAVES("{select: {count: 1}}"),
          "spec.strategy.waves[0].name: is required" },
        { "a wave without a selection", WAVES("{name: w}"),
          "spec.strategy.waves[0].select: is required" },
        { "an empty selection", WAVES("{name: w, select: {}}"),
          "spec.strategy.waves[0].select: needs exactly one of names, matchLabels, count, "
          "percent" },
        { "two selections", WAVES("{name: w, select: {count: 1, percent: 5}}"),
          "needs exactly one of" },
        { "a selection of no names", WAVES("{name: w, select: {names: []}}"),
          "spec.strategy.waves[0].select.names: must have at least 1 entry" },
        { "101 percent", WAVES("{name: w, select: {percent: 101}}"),
          "spec.strategy.waves[0].select.percent: must be from 1 to 100" },
        { "an unknown database in a wave", WAVES("{name: w, select: {names: [a, nope]}}"),
          "spec.strategy.waves[0].select.names: \"nope\" is not a name in spec.databases" },
        { "two waves of one name",
          WAVES("{name: w, select: {count: 1}}, {name: w, select: {count: 1}}"),
          "spec.strategy.waves[1].name: \"w\" is used twice" },
        { "the reserved name", WAVES("{name: rest, select: {count: 1}}"),
          "spec.strategy.waves[0].name: \"rest\" is the name of the last, implicit wave" },
        { "two gates of one name",
          WAVES("{name: w, select: {count: 1}, gates: [{name: g, sql: {query: q}}, {name: g, sql: "
                "{query: q}}]}"),
          "spec.strategy.waves[0].gates: \"g\" is used twice" },
        { "one gate name in two waves",
          WAVES("{name: v, select: {count: 1}, gates: [{name: g, sql: {query: q}}]},"
                "{name: w, select: {count: 1}, gates: [{name: g, sql: {query: q}}]}"),
          NULL },
        { "a gate without a query",
          WAVES("{name: w, select: {count: 1}, gates: [{name: g, sql: {}}]}"),
          "gates[0].sql.query: is required" },
        { "a gate without a kind", WAVES("{name: w, select: {count: 1}, gates: [{name: g}]}"),
          "gates[0].sql: is required" },
        { "a bad soak", WAVES("{name: w, select: {count: 1}, soak: long}"),
          "spec.strategy.waves[0].soak: must be a duration" },
        { "waves with AllAtOnce",
          SPEC("strategy: {type: AllAtOnce, waves: [{name: w, select: {count: 1}}]}"),
          "spec.strategy: waves need type Canary" },
        { "AllAtOnce", SPEC("strategy: {type: AllAtOnce, maxParallel: 9}"), NULL },
        { "a list entry that is no object", WAVES("w"),
          "spec.strategy.waves[0]: must be an object" },
        { "waves that are no list", SPEC("strategy: {waves: {name: w}}"),
          "spec.strategy.waves: must be a list" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(mplan_done) struct mplan p;
        struct err *e = decode_spec(rows[i].spec, &p);
        cr_expect(!e || (str_eq(e->reason, "InvalidSpec") && e->kind == ERR_TERMINAL), "%s",
                  rows[i].name);
        check_error(rows[i].name, e, rows[i].want);
        check_text(rows[i].name, p.name, "shop");
    }
}

/* ---- by the table itself ------------------------------------------------------------------- */

static void wrong_types(struct json *root, struct json *object, const struct mplan_table *table,
                        int *tried)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct mplan_field *f = &table->fields[i];
        bool there = json_get(object, f->key) != NULL;
        bool map = f->type == MPLAN_OBJECT || f->type == MPLAN_MAP || f->type == MPLAN_QUANTITIES ||
                   f->type == MPLAN_OPAQUE;
        struct json *wrong = map ? json_array() : json_object();
        AUTO(json_free_auto) struct json *saved = json_copy(json_get(object, f->key));
        json_set(object, f->key, wrong);
        struct mplan p;
        struct err *e = mplan_decode(root, &p);
        cr_expect(e && strstr(e->message, f->key),
                  "%s: a wrong type is refused by name, not \"%s\"", f->key, e ? e->message : "");
        err_free(e);
        mplan_done(&p);
        json_remove(object, f->key);
        if (there) {
            json_set(object, f->key, TAKE(saved));
            (*tried)++;
            struct json *child = json_get_mut(object, f->key);
            if (f->table) {
                wrong_types(root, f->type == MPLAN_LIST ? json_at_mut(child, 0) : child, f->table,
                            tried);
            }
        }
    }
}

Test(mplan, every_field_of_the_table_refuses_a_wrong_type)
{
    AUTO(free_auto) char *spec = full_spec();
    AUTO(json_free_auto) struct json *root = plan_object(spec);
    int tried = 0;
    wrong_types(root, json_get_mut(root, "spec"), mplan_fields(), &tried);
    cr_expect(tried >= 80, "%d fields", tried);
}

static void check_row(const struct mplan_table *table, const char *where)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct mplan_field *f = &table->fields[i];
        for (size_t k = 0; k < i; k++) {
            cr_expect(!str_eq(table->fields[k].key, f->key), "%s.%s: twice", where, f->key);
        }
        cr_expect(f->type == MPLAN_LATER || f->min <= f->max, "%s.%s: bounds", where, f->key);
        cr_expect((f->type == MPLAN_ENUM) == (f->words != NULL), "%s.%s: words", where, f->key);
        cr_expect((f->type == MPLAN_OBJECT || f->type == MPLAN_LIST) == (f->table != NULL),
                  "%s.%s: table", where, f->key);
        cr_expect(!(f->required && f->fallback), "%s.%s: required and defaulted", where, f->key);
        bool counted = f->type == MPLAN_STRING || f->type == MPLAN_STRINGS ||
                       f->type == MPLAN_MAP || f->type == MPLAN_LIST || f->type == MPLAN_PATTERNS;
        cr_expect(!counted || f->max > 0, "%s.%s: has no upper bound", where, f->key);
        if (f->table) {
            check_row(f->table, f->key);
        }
    }
}

Test(mplan, the_table_is_whole)
{
    check_row(mplan_fields(), "spec");
}

/* Rows of later versions must not be promised, all others must be explained. */
static void check_page(const struct mplan_table *table, const char *page)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct mplan_field *f = &table->fields[i];
        AUTO(free_auto) char *quoted = mem_printf("`%s`", f->key);
        AUTO(free_auto) char *dotted = mem_printf(".%s", f->key);
        bool named = strstr(page, quoted) || strstr(page, dotted);
        /* Containers are named with their parts; format has one value: nothing to explain. */
        bool fixed = f->table || str_eq(f->key, "format");
        cr_expect(f->type == MPLAN_LATER || fixed || named,
                  "docs/reference/migrationplan.md lacks %s", f->key);
        cr_expect(f->type != MPLAN_LATER || !strstr(page, quoted),
                  "docs/reference/migrationplan.md promises %s", f->key);
        if (f->table) {
            check_page(f->table, page);
        }
    }
}

Test(mplan, the_documentation_names_every_field)
{
    AUTO(buf_done) struct buf page = BUF(1000000);
    check_error("page", file_read("docs/reference/migrationplan.md", &page), NULL);
    check_page(mplan_fields(), buf_text(&page));
}

Test(mplan, lists_have_their_bounds)
{
    static const struct {
        const char *name, *head, *item, *tail;
        int most;
        const char *want;
    } rows[] = {
        { "databases", "{" SRC ", databases: [", "{name: a%d, secretRef: {name: s}}", "]}",
          LIMIT_DATABASES, "spec.databases: must not have more than 2000 entries" },
        { "waves", "{" SRC ", " DB ", strategy: {waves: [", "{name: w%d, select: {count: 1}}",
          "]}}", LIMIT_WAVES, "spec.strategy.waves: must not have more than 32 entries" },
        { "gates", "{" SRC ", " DB ", strategy: {waves: [{name: w, select: {count: 1}, gates: [",
          "{name: g%d, sql: {query: q}}", "]}]}}", LIMIT_GATES,
          "gates: must not have more than 16 entries" },
        { "placeholders", "{" SRC ", " DB ", migrations: {placeholders: {", "p%d: x", "}}}",
          LIMIT_PLACEHOLDERS, "spec.migrations.placeholders: must not have more than 128 entries" },
        { "labels", "{" SRC ", databases: [{name: a, secretRef: {name: s}, labels: {", "l%d: x",
          "}}]}", LIMIT_LABELS, "spec.databases[0].labels: must not have more than 16 entries" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (int extra = 0; extra <= 1; extra++) {
            AUTO(buf_done) struct buf spec = BUF(1000000);
            buf_adds(&spec, rows[i].head);
            const char *percent = strchr(rows[i].item, '%');
            for (int n = 0; n < rows[i].most + extra; n++) {
                buf_addf(&spec, "%s%.*s%d%s", n ? ", " : "", (int)(percent - rows[i].item),
                         rows[i].item, n, percent + 2);
            }
            buf_adds(&spec, rows[i].tail);
            AUTO(mplan_done) struct mplan p;
            check_error(rows[i].name, decode_spec(buf_text(&spec), &p),
                        extra ? rows[i].want : NULL);
        }
    }
    AUTO(free_auto) char *url = mem_alloc(LIMIT_URL + 2);
    memset(url, 'x', LIMIT_URL + 1);
    AUTO(free_auto) char *spec = mem_printf("{source: {url: 'https://%s'}, " DB "}", url);
    AUTO(mplan_done) struct mplan p;
    check_error("url", decode_spec(spec, &p),
                "spec.source.url: must not be longer than 2048 bytes");
    AUTO(free_auto) char *query = mem_alloc(LIMIT_QUERY + 2);
    memset(query, 'x', LIMIT_QUERY + 1);
    AUTO(free_auto) char *gate = mem_printf(
        WAVES("{name: w, select: {count: 1}, gates: [{name: g, sql: {query: %s}}]}"), query);
    AUTO(mplan_done) struct mplan q;
    check_error("query", decode_spec(gate, &q), "query: must not be longer than 4096 bytes");
}

Test(mplan, placeholders_of_plan_and_entry_count_together)
{
    AUTO(buf_done) struct buf a = BUF(100000);
    AUTO(buf_done) struct buf b = BUF(100000);
    for (int i = 0; i < 100; i++) {
        buf_addf(&a, "%sp%d: x", i ? ", " : "", i);
        buf_addf(&b, "%sq%d: x", i ? ", " : "", i);
    }
    AUTO(free_auto) char *spec = mem_printf(
        "{" SRC ", migrations: {placeholders: {%s}}, databases: [{name: a, secretRef: {name: s},"
        " migrations: {placeholders: {%s}}}]}",
        buf_text(&a), buf_text(&b));
    AUTO(mplan_done) struct mplan p;
    check_error("200", decode_spec(spec, &p), "spec.databases[0]: more than 128 placeholders");
}

/* ---- metadata ------------------------------------------------------------------------------ */

Test(mplan, metadata_is_read_even_when_the_spec_is_bad)
{
    AUTO(json_free_auto) struct json *o = yaml_object(
        "apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: shop, namespace: "
        "team, uid: u1,"
        " generation: 7, creationTimestamp: '2026-11-22T10:00:00Z', deletionTimestamp: "
        "'2026-11-22T11:00:00Z',"
        " annotations: {sluice.dev/retry: now}, labels: {a: b}, resourceVersion: '5'}\nspec: 5\n");
    AUTO(mplan_done) struct mplan p;
    check_error("bad spec", mplan_decode(o, &p), "spec: must be an object");
    cr_expect(str_eq(p.name, "shop") && str_eq(p.namespace_, "team") && str_eq(p.uid, "u1"));
    cr_expect(p.generation == 7 && p.created_ms == 1795341600000 && p.deleting);
    check_text("annotation", kvlist_get(&p.annotations, "sluice.dev/retry"), "now");
}

Test(mplan, the_head_must_be_ours)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "another version",
          "{apiVersion: sluice.dev/v1, kind: MigrationPlan, metadata: {name: a}, spec: {}}",
          "apiVersion: must be sluice.dev/v1alpha1" },
        { "another kind",
          "{apiVersion: sluice.dev/v1alpha1, kind: Plan, metadata: {name: a}, spec: {}}",
          "kind: must be MigrationPlan" },
        { "no spec", "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: a}}",
          "spec: is required" },
        { "no name",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {}, spec: {}}",
          "metadata.name: is required" },
        { "no metadata", "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, spec: {}}",
          "metadata.name: is required" },
        { "a bad name",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: A_b}, spec: {}}",
          "metadata.name: must be lower-case" },
        { "a name that climbs",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: ../x}, spec: "
          "{}}",
          "metadata.name: must be" },
        { "a bad namespace",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: a, namespace: "
          "b.c}, spec: {}}",
          "metadata.namespace: must be at most 63" },
        { "an annotation that is a number",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: a, annotations: "
          "{x: 1}}, spec: {}}",
          "metadata.annotations.x: must be a string" },
        { "an unknown part",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: a}, spec: {}, "
          "extra: 1}",
          "extra: unknown field" },
        { "a status is the controller's and left alone",
          "{apiVersion: sluice.dev/v1alpha1, kind: MigrationPlan, metadata: {name: a}, status: {x: "
          "1}, spec: {" SRC ", " DB "}}",
          NULL },
        { "a scalar", "hello", "metadata.name: is required" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(json_free_auto) struct json *o = yaml_object(rows[i].text);
        AUTO(mplan_done) struct mplan p;
        check_error(rows[i].name, mplan_decode(o, &p), rows[i].want);
    }
}

Test(mplan, a_path_takes_the_databases_name)
{
    static const struct {
        const char *path, *want;
    } rows[] = { { "sql/${database}", "sql/orders" },
                 { "${database}/${database}", "orders/orders" },
                 { "common", "common" },
                 { "", "" } };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(free_auto) char *got = mplan_path(rows[i].path, "orders");
        check_text(rows[i].path, got, rows[i].want);
    }
}

/* ---- Secret and ConfigMap ------------------------------------------------------------------ */

Test(secrets, data_and_string_data_are_merged)
{
    AUTO(json_free_auto) struct json *o =
        yaml_object("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\n"
                    "data:\n  password: aHVudGVyMg==\n  both: b2xk\n  folded: |\n    aHVu\n    "
                    "dGVyMg==\n  empty: ''\n"
                    "stringData: {both: new, uri: 'postgresql://x'}\n");
    AUTO(secret_kvlist_done) struct kvlist got = { 0 };
    check_error("secret", secret_decode(o, &got), NULL);
    cr_expect(got.count == 5);
    check_text("decoded", kvlist_get(&got, "password"), "hunter2");
    check_text("stringData wins", kvlist_get(&got, "both"), "new");
    check_text("line breaks in base64", kvlist_get(&got, "folded"), "hunter2");
    check_text("empty", kvlist_get(&got, "empty"), "");
    check_text("plain", kvlist_get(&got, "uri"), "postgresql://x");
}

Test(secrets, bad_ones_are_refused_without_their_values)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "no base64", "{apiVersion: v1, kind: Secret, data: {password: S3CRET!}}",
          "data.password: not base64: stringData takes plain text" },
        { "a NUL inside", "{apiVersion: v1, kind: Secret, data: {password: UzNDUkVUAA==}}",
          "data.password: holds a NUL" },
        { "a number", "{apiVersion: v1, kind: Secret, stringData: {port: 5432}}",
          "stringData.port: must be a string: put it in quotes" },
        { "a list", "{apiVersion: v1, kind: Secret, data: [a]}", "data: must be a map" },
        { "a bad key", "{apiVersion: v1, kind: Secret, stringData: {'a/b': S3CRET}}",
          "stringData.a/b: keys are" },
        { "another kind", "{apiVersion: v1, kind: ConfigMap, data: {}}", "not a Secret" },
        { "another version", "{apiVersion: v2, kind: Secret, data: {}}", "apiVersion must be v1" },
        { "a misspelt part", "{apiVersion: v1, kind: Secret, stringdata: {}}",
          "stringdata: unknown field" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(json_free_auto) struct json *o = yaml_object(rows[i].text);
        struct kvlist got = { 0 };
        struct err *e = secret_decode(o, &got);
        cr_expect(e && str_eq(e->reason, "SecretInvalid") && !strstr(e->message, "S3C"), "%s",
                  rows[i].name);
        check_error(rows[i].name, e, rows[i].want);
        cr_expect(got.count == 0, "%s: nothing is given out", rows[i].name);
    }
}

Test(secrets, a_config_map_is_plain_text)
{
    AUTO(json_free_auto) struct json *o =
        yaml_object("{apiVersion: v1, kind: ConfigMap, metadata: {name: ca}, data: {bundle.pem: "
                    "xyz}, binaryData: {b: aGk=}}");
    AUTO(kvlist_done) struct kvlist got = { 0 };
    check_error("config map", configmap_decode(o, &got), NULL);
    check_text("data", kvlist_get(&got, "bundle.pem"), "xyz");
    check_text("binaryData", kvlist_get(&got, "b"), "hi");
    AUTO(json_free_auto) struct json *bad =
        yaml_object("{apiVersion: v1, kind: ConfigMap, stringData: {a: b}}");
    struct kvlist none = { 0 };
    check_error("stringData is a Secret's", configmap_decode(bad, &none),
                "stringData: unknown field");
}

/* Each value within its bound, all of them together beyond what a plan may need. */
Test(mplan, a_spec_of_more_than_one_mebibyte_is_refused_by_itself)
{
    AUTO(free_auto) char *value = mem_alloc(4096);
    memset(value, 'x', 4095);
    for (int databases = 1; databases <= 3; databases++) {
        AUTO(json_free_auto) struct json *object =
            plan_object("{source: {url: 'https://g/x'}, databases: []}");
        struct json *list = json_get_mut(json_get_mut(object, "spec"), "databases");
        for (int d = 0; d < databases; d++) {
            AUTO(free_auto) char *head =
                mem_printf("{name: d%d, secretRef: {name: s}, migrations: {placeholders: {}}}", d);
            struct json *entry = yaml_object(head);
            struct json *map = json_get_mut(json_get_mut(entry, "migrations"), "placeholders");
            for (int p = 0; p < LIMIT_PLACEHOLDERS; p++) {
                char key[16];
                (void)snprintf(key, sizeof key, "p%d", p);
                json_set_string(map, key, value);
            }
            json_push(list, entry);
        }
        struct mplan plan;
        AUTO(err_free_auto) struct err *e = mplan_decode(object, &plan);
        mplan_done(&plan);
        if (databases < 2) {
            cr_expect_null(e, "%s", e ? e->message : "");
        } else if (databases > 2) {
            cr_assert_not_null(e);
            cr_expect_str_eq(e->reason, "InvalidSpec");
            cr_expect_str_eq(e->message, "spec is larger than 1048576 bytes");
        }
    }
}
