/* SPDX-License-Identifier: Apache-2.0 */
/* crds/migrationplans.yaml is the decode table, and the status that is written, both ways: every key, type,
 * bound, default and word. */
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/yaml.h"
#include "manifest/fields.h"
#include "model/options.h"
#include "model/status.h"
#include "model/version.h"
#include "tests/unit/rows.h"

TestSuite(mplan_crd, .timeout = 60);

static struct yaml_docs crd;

static const struct json *at(const struct json *node, const char *path)
{
    AUTO(free_auto) char *copy = mem_strdup(path);
    char *rest = copy;
    for (char *part = strsep(&rest, "/"); part && node; part = strsep(&rest, "/")) {
        node = json_type(node) == JSON_ARRAY ? json_first(node) : json_get(node, part);
    }
    return node;
}

static const struct json *version(void)
{
    AUTO(buf_done) struct buf text = BUF((size_t)1024 * 1024);
    struct err *e = NULL;
    if (crd.count == 0) {
        e = file_read("crds/migrationplans.yaml", &text);
        e = e ? e : yaml_parse(buf_text(&text), text.len, "crds/migrationplans.yaml", &crd);
    }
    cr_assert(!e && crd.count == 1, "%s", e ? e->message : "one document");
    const struct json *found = at(crd.docs[0], "spec/versions/0");
    cr_assert(found && json_count(at(crd.docs[0], "spec/versions")) == 1);
    return found;
}

static const struct json *schema_of(const char *key)
{
    AUTO(free_auto) char *path = mem_printf("schema/openAPIV3Schema/properties/%s", key);
    return at(version(), path);
}

static bool rule_with(const struct json *node, const char *piece)
{
    const struct json *rules = json_get(node, "x-kubernetes-validations");
    for (const struct json *r = json_first(rules); r; r = json_next(r)) {
        if (strstr(json_get_string(r, "rule"), piece)) {
            return true;
        }
    }
    return false;
}

/* ---- any schema -------------------------------------------------------------------------------- */

static const char common[] = " type description default x-kubernetes-validations ";

/* No keyword but the common ones and these: a bound that only the schema knows shows here. */
static void only_keys(const char *where, const struct json *node, const char *more)
{
    for (const struct json *m = json_first(node); m; m = json_next(m)) {
        AUTO(free_auto) char *word = mem_printf(" %s ", json_key(m));
        cr_expect(strstr(common, word) || strstr(more, word), "%s: %s is not in the table", where,
                  json_key(m));
    }
}

static void is_text(const char *where, const struct json *node, const char *key, const char *want)
{
    AUTO(free_auto) char *row = mem_printf("%s %s", where, key);
    check_text(row, json_get_string(node, key), want);
}

static void is_number(const char *where, const struct json *node, const char *key, int64_t want)
{
    int64_t got = json_get_int64(node, key, INT64_MIN);
    cr_expect(got == want, "%s: %s is %lld, want %lld", where, key, (long long)got,
              (long long)want);
}

/* Absent stands for 0. */
static void is_least(const char *where, const struct json *node, const char *key, int64_t want)
{
    if (want) {
        is_number(where, node, key, want);
    } else {
        cr_expect(!json_get(node, key), "%s: %s", where, key);
    }
}

/* What every node must have, down to the leaves. */
static void check_node(const char *where, const struct json *node)
{
    static const char *const types[] = { "object", "array", "string", "integer", "boolean" };
    const char *type = json_get_string(node, "type");
    const char *description = json_get_string(node, "description");
    bool known = json_get(node, "x-kubernetes-int-or-string") != NULL;
    for (size_t i = 0; i < ROWS(types); i++) {
        known = known || str_eq(type, types[i]);
    }
    cr_expect(known, "%s: type %s", where, type ? type : "(none)");
    if (!str_ends(where, "[]") && !str_ends(where, "{}")) {
        cr_expect(description && strlen(description) > 3 && str_ends(description, "."),
                  "%s: kubectl explain must say a sentence about it", where);
    }
    if (str_eq(type, "string") && !str_eq(json_get_string(node, "format"), "date-time")) {
        cr_expect(json_get(node, "maxLength") || json_get(node, "enum"), "%s: no bound", where);
    }
    if (str_eq(type, "array")) {
        cr_expect(json_get(node, "maxItems") && json_get(node, "x-kubernetes-list-type"),
                  "%s: a list needs maxItems and a list type", where);
    }
    const struct json *rules = json_get(node, "x-kubernetes-validations");
    for (const struct json *r = json_first(rules); r; r = json_next(r)) {
        cr_expect(json_get_string(r, "message"), "%s: a rule without a message", where);
    }
}

static void check_tree(const char *where, const struct json *node)
{
    check_node(where, node);
    const struct json *properties = json_get(node, "properties");
    for (const struct json *p = json_first(properties); p; p = json_next(p)) {
        AUTO(free_auto) char *deeper = mem_printf("%s.%s", where, json_key(p));
        check_tree(deeper, p);
    }
    if (json_get(node, "items")) {
        AUTO(free_auto) char *deeper = mem_printf("%s[]", where);
        check_tree(deeper, json_get(node, "items"));
    }
    if (json_get(node, "additionalProperties")) {
        AUTO(free_auto) char *deeper = mem_printf("%s{}", where);
        check_tree(deeper, json_get(node, "additionalProperties"));
    }
}

Test(mplan_crd, every_field_is_bounded_and_explained)
{
    check_tree("spec", schema_of("spec"));
    check_tree("status", schema_of("status"));
    yaml_docs_done(&crd);
}

/* ---- the decode table -------------------------------------------------------------------------- */

#define NAME "[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
#define VALUE "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
#define KEY "(" NAME "/)?" VALUE
#define KEY_LENGTHS "^([^/]{1,253}/)?[^/]{1,63}$"
#define VERSION "[0-9]+([._][0-9]+)*"
#define DURATION "^([0-9]+([.][0-9]{1,6})?(ms|s|m|h))+$"
#define QUANTITY "^([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$"

#define KEY_RULE                                                                                   \
    "self.all(k, k.matches('^" KEY "$') && (size(k) <= 63 || k.matches('" KEY_LENGTHS "')))"

/* How a grammar is written in a schema: a pattern, or pieces of rules. */
static const struct grammar_row {
    enum mplan_grammar grammar;
    const char *pattern;
    const char *rules[4];
    int64_t longest; /* of a list's entry or a map's value */
} grammars[] = {
    { GRAMMAR_ANY, NULL, { "bytes(self).size() <= " }, 0 },
    { GRAMMAR_NAME, "^" NAME "$", { NULL }, 0 },
    { GRAMMAR_LABEL_VALUE, "^" VALUE "$", { NULL }, 63 },
    { GRAMMAR_LABEL_KEY,
      "^" KEY "$",
      { "size(self) <= 63 || self.matches('" KEY_LENGTHS "')" },
      0 },
    { GRAMMAR_LABELS, "^(" VALUE ")?$", { KEY_RULE }, 63 },
    { GRAMMAR_JOB_LABELS,
      "^(" VALUE ")?$",
      { KEY_RULE, "k != 'app.kubernetes.io/managed-by'" },
      63 },
    { GRAMMAR_JOB_ANNOTATIONS,
      NULL,
      { KEY_RULE, "!k.startsWith('sluice.dev/')",
        "container.apparmor.security.beta.kubernetes.io/" },
      LIMIT_QUERY },
    { GRAMMAR_KEY, "^[-._a-zA-Z0-9]+$", { NULL }, 0 },
    { GRAMMAR_URL,
      NULL,
      { "self.matches('^(https|ssh|http|file)://')", "!self.endsWith('://')", "x00-",
        "[^/?#@]*:[^/?#@]*@" },
      0 },
    { GRAMMAR_REF, NULL, { "[.]lock$" }, 0 },
    { GRAMMAR_FULL_REF, NULL, { "self.startsWith('refs/')", "[.]lock$" }, 0 },
    { GRAMMAR_COMMIT, "^([0-9a-f]{40}|[0-9a-f]{64})$", { NULL }, 0 },
    { GRAMMAR_HOST, "^(/|[-A-Za-z0-9_.:%]+$)", { NULL }, 0 },
    { GRAMMAR_FILE_NAME, NULL, { "[/\\\\x00-", "bytes(self).size() <= 64" }, NAMING_TEXT_MAX },
    { GRAMMAR_SCHEDULE, NULL, { "(?i)^[ ", "|sun|mon|tue|wed|thu|fri|sat)" }, 0 },
    { GRAMMAR_TIME_ZONE, "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", { NULL }, 0 },
    { GRAMMAR_TIME, NULL, { NULL }, 0 },
    { GRAMMAR_PLACEHOLDERS, NULL, { "size(k) <= 128", "!k.startsWith('flyway:')" }, LIMIT_QUERY },
};

static const struct grammar_row *grammar_of(enum mplan_grammar grammar)
{
    for (size_t i = 0; i < ROWS(grammars); i++) {
        if (grammars[i].grammar == grammar) {
            return &grammars[i];
        }
    }
    cr_assert_fail("no row for grammar %d", (int)grammar);
    return NULL;
}

static void check_grammar(const char *where, enum mplan_grammar grammar, const struct json *node,
                          const struct json *value)
{
    const struct grammar_row *g = grammar_of(grammar);
    is_text(where, value, "pattern", g->pattern);
    for (size_t i = 0; i < ROWS(g->rules) && g->rules[i]; i++) {
        cr_expect(rule_with(node, g->rules[i]), "%s: lacks the rule %s", where, g->rules[i]);
    }
}

static void check_string(const char *where, const struct mplan_field *f, const struct json *node)
{
    bool time = f->grammar == GRAMMAR_TIME;
    only_keys(where, node, " minLength maxLength pattern format ");
    is_text(where, node, "type", "string");
    is_text(where, node, "format", time ? "date-time" : NULL);
    is_number(where, node, "minLength", f->min);
    is_number(where, node, "maxLength", f->max);
    check_grammar(where, f->grammar, node, node);
    /* Only what may hold other than ASCII needs to be counted in bytes, too. */
    AUTO(free_auto) char *bytes = mem_printf("bytes(self).size() <= %lld", (long long)f->max);
    bool counted = grammar_of(f->grammar)->pattern == NULL && !time;
    cr_expect(rule_with(node, bytes) == counted, "%s: %s", where, bytes);
}

static void check_int(const char *where, const struct mplan_field *f, const struct json *node)
{
    only_keys(where, node, " format minimum maximum ");
    is_text(where, node, "type", "integer");
    is_text(where, node, "format", f->type == MPLAN_INT ? "int32" : "int64");
    is_number(where, node, "minimum", f->min);
    is_number(where, node, "maximum", f->max);
}

/* The text between two pieces of the one rule, as a duration. */
static int64_t bound_in(const char *rule, const char *before)
{
    const char *start = rule ? strstr(rule, before) : NULL;
    const char *text = start ? start + strlen(before) : "";
    AUTO(free_auto) char *copy = mem_strndup(text, strcspn(text, "'"));
    int64_t ms = -1;
    return duration_parse(copy, &ms) ? ms : -1;
}

static void check_duration(const char *where, const struct mplan_field *f, const struct json *node)
{
    const char *rule = json_string(at(node, "x-kubernetes-validations/0/rule"));
    only_keys(where, node, " maxLength pattern ");
    is_text(where, node, "type", "string");
    is_number(where, node, "maxLength", MPLAN_DURATION_TEXT);
    is_text(where, node, "pattern", DURATION);
    cr_expect(bound_in(rule, "duration(self) >= duration('") == f->min, "%s: least", where);
    cr_expect(bound_in(rule, "duration(self) <= duration('") == f->max, "%s: most", where);
}

static void check_enum(const char *where, const struct mplan_field *f, const struct json *node)
{
    AUTO(json_free_auto) struct json *words = json_array();
    for (const struct mplan_word *w = f->words; w->text; w++) {
        json_push_string(words, w->text);
    }
    only_keys(where, node, " enum ");
    is_text(where, node, "type", "string");
    cr_expect(json_equal(words, json_get(node, "enum")), "%s: enum", where);
}

/* A list of strings: items by grammar; paths by rules, or where those cost too much by patterns. */
static void check_strings(const char *where, const struct mplan_field *f, const struct json *node)
{
    const struct json *items = json_get(node, "items");
    only_keys(where, node, " items minItems maxItems x-kubernetes-list-type ");
    is_text(where, node, "type", "array");
    is_least(where, node, "minItems", f->min);
    is_number(where, node, "maxItems", f->max);
    is_text(where, node, "x-kubernetes-list-type", "set");
    only_keys(where, items, " minLength maxLength pattern anyOf ");
    is_text(where, items, "type", "string");
    is_number(where, items, "minLength", 1);
    if (f->grammar == GRAMMAR_PATH) {
        is_number(where, items, "maxLength", LIMIT_PATH);
        cr_expect((rule_with(items, "self.replace('${database}', 'x')") &&
                   rule_with(items, "(^|/)[.][.]?(/|$)")) ||
                      (json_get(items, "pattern") && at(items, "anyOf/0/pattern")),
                  "%s: paths", where);
    } else {
        is_number(where, items, "maxLength", grammar_of(f->grammar)->longest);
        check_grammar(where, f->grammar, items, items);
    }
}

static void check_map(const char *where, const struct mplan_field *f, const struct json *node)
{
    const struct json *values = json_get(node, "additionalProperties");
    only_keys(where, node,
              " additionalProperties minProperties maxProperties x-kubernetes-map-type ");
    is_text(where, node, "type", "object");
    is_least(where, node, "minProperties", f->min);
    is_number(where, node, "maxProperties", f->max);
    if (f->type == MPLAN_QUANTITIES) {
        only_keys(where, values, " x-kubernetes-int-or-string anyOf minimum maxLength pattern ");
        cr_expect(json_bool(json_get(values, "x-kubernetes-int-or-string"), false), "%s", where);
        is_number(where, values, "minimum", 0);
        is_text(where, values, "pattern", QUANTITY);
        return;
    }
    only_keys(where, values, " maxLength pattern ");
    is_text(where, values, "type", "string");
    is_number(where, values, "maxLength", grammar_of(f->grammar)->longest);
    check_grammar(where, f->grammar, node, values);
}

static void check_object(const char *where, const struct mplan_table *table,
                         const struct json *node, const char *more);

static void check_list(const char *where, const struct mplan_field *f, const struct json *node)
{
    bool map = str_eq(where, "spec.databases");
    only_keys(where, node,
              " items minItems maxItems x-kubernetes-list-type x-kubernetes-list-map-keys ");
    is_text(where, node, "type", "array");
    is_least(where, node, "minItems", f->min);
    is_number(where, node, "maxItems", f->max);
    is_text(where, node, "x-kubernetes-list-type", map ? "map" : "atomic");
    cr_expect(!map || str_eq(json_string(at(node, "x-kubernetes-list-map-keys/0")), "name"));
    AUTO(free_auto) char *deeper = mem_printf("%s[]", where);
    check_object(deeper, f->table, json_get(node, "items"), "");
}

static void check_fixed(const char *where, const struct mplan_field *f, const struct json *node)
{
    switch (f->type) {
    case MPLAN_BOOL:
        only_keys(where, node, "");
        is_text(where, node, "type", "boolean");
        break;
    case MPLAN_OPAQUE:
        only_keys(where, node, " x-kubernetes-preserve-unknown-fields ");
        is_text(where, node, "type", "object");
        cr_expect(json_bool(json_get(node, "x-kubernetes-preserve-unknown-fields"), false));
        break;
    case MPLAN_VERSION:
        only_keys(where, node, " minLength maxLength pattern ");
        is_text(where, node, "type", "string");
        is_number(where, node, "minLength", 1);
        is_number(where, node, "maxLength", VERSION_MAX);
        is_text(where, node, "pattern", "^" VERSION "$");
        break;
    case MPLAN_TARGET:
        only_keys(where, node, " minLength maxLength pattern ");
        is_text(where, node, "type", "string");
        is_number(where, node, "minLength", 1);
        is_number(where, node, "maxLength", VERSION_MAX + 1);
        is_text(where, node, "pattern", "^(latest|current|next|" VERSION "[?]?)$");
        cr_expect(rule_with(node, "self.endsWith('?') || size(self) <= 50"), "%s", where);
        break;
    case MPLAN_PATTERNS:
        is_text(where, node, "x-kubernetes-list-type", "set");
        is_number(where, node, "maxItems", f->max);
        only_keys(where, node, " items maxItems x-kubernetes-list-type ");
        is_number(where, json_get(node, "items"), "maxLength", IGNORE_TEXT_LEN);
        is_text(where, json_get(node, "items"), "pattern",
                "^([*]|repeatable|versioned):([*]|missing|pending|ignored|future)$");
        break;
    default:
        cr_expect_fail("%s: type %d is compared with nothing", where, (int)f->type);
    }
}

static void check_field(const char *where, const struct mplan_field *f, const struct json *node)
{
    switch (f->type) {
    case MPLAN_STRING:
        check_string(where, f, node);
        break;
    case MPLAN_INT:
    case MPLAN_INT64:
        check_int(where, f, node);
        break;
    case MPLAN_DURATION:
        check_duration(where, f, node);
        break;
    case MPLAN_ENUM:
        check_enum(where, f, node);
        break;
    case MPLAN_STRINGS:
        check_strings(where, f, node);
        break;
    case MPLAN_MAP:
    case MPLAN_QUANTITIES:
        check_map(where, f, node);
        break;
    case MPLAN_OBJECT:
        check_object(where, f->table, node, "");
        break;
    case MPLAN_LIST:
        check_list(where, f, node);
        break;
    default:
        check_fixed(where, f, node);
    }
}

static void check_default(const char *where, const struct mplan_field *f, const struct json *node)
{
    AUTO(json_free_auto) struct json *want = NULL;
    if (f->fallback) {
        cr_assert_null(json_parse(f->fallback, strlen(f->fallback), where, &want));
    }
    const struct json *got = json_get(node, "default");
    cr_expect(want && got ? json_equal(want, got) : !want && !got, "%s: default %s", where,
              f->fallback ? f->fallback : "(none)");
}

static bool in_list(const struct json *list, const char *text)
{
    for (const struct json *n = json_first(list); n; n = json_next(n)) {
        if (str_eq(json_string(n), text)) {
            return true;
        }
    }
    return false;
}

static int compared;

static void check_object(const char *where, const struct mplan_table *table,
                         const struct json *node, const char *more)
{
    const struct json *properties = json_get(node, "properties");
    size_t fields = 0;
    size_t required = 0;
    AUTO(free_auto) char *keys = mem_printf(" properties required %s", more);
    only_keys(where, node, keys);
    is_text(where, node, "type", "object");
    for (size_t i = 0; i < table->count; i++) {
        const struct mplan_field *f = &table->fields[i];
        AUTO(free_auto) char *deeper = mem_printf("%s.%s", where, f->key);
        const struct json *property = json_get(properties, f->key);
        cr_expect((property == NULL) == (f->type == MPLAN_LATER), "%s: in one of both", deeper);
        if (!property) {
            continue;
        }
        fields++;
        required += f->required;
        compared++;
        cr_expect(in_list(json_get(node, "required"), f->key) == f->required, "%s: required",
                  deeper);
        check_default(deeper, f, property);
        check_field(deeper, f, property);
    }
    cr_expect(json_count(properties) == fields, "%s: the schema has more fields", where);
    cr_expect(json_count(json_get(node, "required")) == required, "%s: more are required", where);
}

Test(mplan_crd, the_schema_of_spec_is_the_decode_table)
{
    check_object("spec", mplan_fields(), schema_of("spec"), "");
    cr_expect(compared > 100, "%d fields", compared);
    yaml_docs_done(&crd);
}

/* What the decoder checks between fields. */
Test(mplan_crd, rules_between_fields_are_the_decoders)
{
    static const struct {
        const char *at, *piece;
    } rows[] = {
        { "", "has(self.databases) != has(self.databaseSelector)" },
        { "", "!has(self.databaseSelector) || has(self.source.paths)" },
        { "/source/ref", "[has(self.branch), has(self.tag), has(self.commit), has(self.name)]" },
        { "/strategy", "self.type == 'Canary' || !has(self.waves)" },
        { "/strategy/waves", "self.exists_one(v, v.name == w.name)" },
        { "/strategy/waves/name", "self != 'rest'" },
        { "/strategy/waves/select",
          "[has(self.names), has(self.matchLabels), has(self.count), has(self.percent)]" },
        { "/strategy/waves/gates", "self.exists_one(h, h.name == g.name)" },
        { "/execution/job/tolerations/", "has(self.key) || (has(self.operator)" },
        { "/execution/job/tolerations/", "!has(self.value) || !has(self.operator)" },
        { "/execution/job/tolerations/", "self.effect == 'NoExecute'" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct json *node = schema_of("spec");
        AUTO(free_auto) char *copy = mem_strdup(rows[i].at);
        char *rest = copy;
        for (char *part = strsep(&rest, "/"); (part = strsep(&rest, "/")) && node;) {
            node = json_get(node, "items") ? json_get(node, "items") : node;
            node = *part ? json_get(json_get(node, "properties"), part) : node;
        }
        cr_expect(node && rule_with(node, rows[i].piece), "spec%s: lacks %s", rows[i].at,
                  rows[i].piece);
    }
    yaml_docs_done(&crd);
}

/* ---- status ------------------------------------------------------------------------------------ */

static struct json *sample(const char *key, const struct json *node);

static struct json *sample_text(const char *key, const struct json *node)
{
    const struct json *words = json_get(node, "enum");
    if (words) {
        const struct json *last = json_first(words);
        for (const struct json *n = last; n; n = json_next(n)) {
            last = n;
        }
        return json_copy(last);
    }
    if (str_eq(json_get_string(node, "format"), "date-time")) {
        return json_string_new("2026-11-22T10:00:00Z");
    }
    if (str_ends(key, "ommit") || str_ends(key, "ommits")) {
        return json_string_new("4f2c9e4f2c9e4f2c9e4f2c9e4f2c9e4f2c9e4f2c");
    }
    /* Those that follow from others. */
    return json_string_new(str_eq(key, "type") ? "Ready" : str_eq(key, "progress") ? "1/1" : "x");
}

static struct json *sample_object(const struct json *node)
{
    struct json *made = json_object();
    const struct json *properties = json_get(node, "properties");
    for (const struct json *p = json_first(properties); p; p = json_next(p)) {
        json_set(made, json_key(p), sample(json_key(p), p));
    }
    return made;
}

static struct json *sample(const char *key, const struct json *node)
{
    const char *type = json_get_string(node, "type");
    if (str_eq(type, "object")) {
        return sample_object(node);
    }
    if (str_eq(type, "array")) {
        struct json *list = json_array();
        json_push(list, sample(key, json_get(node, "items")));
        return list;
    }
    if (str_eq(type, "boolean")) {
        return json_bool_new(true);
    }
    return str_eq(type, "integer") ? json_int64_new(1) : sample_text(key, node);
}

/* Whatever the schema knows is read and written: a key that only one of both has would be lost. */
Test(mplan_crd, the_schema_of_status_is_what_is_read_and_written)
{
    AUTO(json_free_auto) struct json *whole = sample("status", schema_of("status"));
    AUTO(status_done) struct status status;
    status_parse(whole, &status);
    AUTO(json_free_auto) struct json *again = status_format(&status);
    AUTO(free_auto) char *got = json_text_sorted(again);
    AUTO(free_auto) char *want = json_text_sorted(whole);
    check_text("status", got, want);
    yaml_docs_done(&crd);
}

static bool knows(const struct json *node, const char *key)
{
    const struct json *properties = json_get(node, "properties");
    bool found = json_get(properties, key) != NULL;
    for (const struct json *p = json_first(properties); p && !found; p = json_next(p)) {
        found = knows(p, key) || knows(json_get(p, "items"), key);
    }
    return found;
}

Test(mplan_crd, every_key_that_the_source_writes_is_in_the_schema_of_status)
{
    AUTO(buf_done) struct buf text = BUF((size_t)1024 * 1024);
    AUTO(err_free_auto) struct err *e = file_read("model/status_json.c", &text);
    const struct json *status = schema_of("status");
    static const char before[] = "(object, \"";
    int seen = 0;
    cr_assert_null(e);
    for (const char *p = strstr(buf_text(&text), before); p; p = strstr(p, before)) {
        p += strlen(before);
        AUTO(free_auto) char *key = mem_strndup(p, strcspn(p, "\""));
        cr_expect(knows(status, key), "%s is not in the schema", key);
        seen++;
    }
    cr_expect(seen > 50, "%d keys", seen);
    yaml_docs_done(&crd);
}

Test(mplan_crd, a_plan_that_nobody_has_looked_at_says_so)
{
    const struct json *status = schema_of("status");
    cr_expect(json_get_int64(json_get(status, "default"), "observedGeneration", 0) == -1 &&
              json_count(json_get(status, "default")) == 1);
    cr_expect(at(version(), "subresources/status") != NULL);
    yaml_docs_done(&crd);
}

/* A word that the code writes must not be refused: the status would never be stored. */
Test(mplan_crd, every_word_that_is_written_is_allowed)
{
    const struct json *status = schema_of("status");
    for (int i = 1; i < PHASE_MAX_; i++) {
        const char *word = rollout_phase_text((enum rollout_phase)i);
        cr_expect(in_list(at(status, "properties/rollout/properties/phase/enum"), word), "%s",
                  word);
    }
    for (int i = 0; i < DATABASE_STATE_MAX_; i++) {
        const char *word = database_state_text((enum database_state)i);
        cr_expect(in_list(at(status, "properties/databases/items/properties/state/enum"), word),
                  "%s", word);
    }
    for (int i = 1; i < GATE_STATE_MAX_; i++) {
        const char *word = gate_state_text((enum gate_state)i);
        cr_expect(in_list(at(status, "properties/gates/items/properties/state/enum"), word), "%s",
                  word);
    }
    yaml_docs_done(&crd);
}
