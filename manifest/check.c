/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars of MigrationPlan's strings, and the rules between its lists. */
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "manifest/fields.h"
#include "model/mplan.h"
#include "model/naming.h"
#include "model/reason.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool only(const char *text, const char *chars)
{
    return text[strspn(text, chars)] == '\0';
}

static bool in_set(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool ends_alphanumeric(const char *text, const char *set)
{
    return in_set(text[0], set) && in_set(text[strlen(text) - 1], set);
}

/* DNS subdomain: labels of lower-case letters, digits and '-', joined by dots. */
static bool is_name(const char *text)
{
    if (!only(text, LOWER DIGITS "-.") || strstr(text, "..") || strstr(text, ".-") ||
        strstr(text, "-.")) {
        return false;
    }
    return ends_alphanumeric(text, LOWER DIGITS);
}

static bool is_label_value(const char *text)
{
    return strlen(text) <= 63 && only(text, LOWER UPPER DIGITS "-_.") &&
           ends_alphanumeric(text, LOWER UPPER DIGITS);
}

static const char *url_problem(const char *text)
{
    static const char *const schemes[] = { "https://", "ssh://", "http://", "file://", NULL };
    bool known = false;
    for (int i = 0; schemes[i]; i++) {
        known = known || str_starts(text, schemes[i]);
    }
    if (!known) {
        return strchr(text, '@') && strchr(text, ':') && !strstr(text, "://")
                   ? "write ssh://git@HOST/PATH instead of git@HOST:PATH"
                   : "must begin with https:// or ssh://";
    }
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f) {
            return "must not hold blanks or control characters";
        }
    }
    const char *rest = strstr(text, "://") + 3;
    const char *at = memchr(rest, '@', strcspn(rest, "/?#"));
    if (at && memchr(rest, ':', (size_t)(at - rest))) {
        return "must not hold a password: put it into secretRef";
    }
    return *rest ? NULL : "names no repository";
}

static const char *ref_problem(const char *text)
{
    static const char problem[] = "not a name that git allows for a branch or tag";
    size_t n = strlen(text);
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p <= 0x20 || in_set(*p, "~^:?*[\\\x7f")) {
            return problem;
        }
    }
    if (strstr(text, "..") || strstr(text, "@{") || strstr(text, "//") || strstr(text, "/.") ||
        text[0] == '-' || text[0] == '/' || text[0] == '.' || in_set(text[n - 1], "/.") ||
        str_ends(text, ".lock")) {
        return problem;
    }
    return NULL;
}

static const char *path_problem(const char *text)
{
    if (text[0] == '/') {
        return "must be relative to the repository's root";
    }
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\') {
            return "must not hold control characters or backslashes";
        }
    }
    for (const char *p = text; (p = strstr(p, "${")); p += 2) {
        if (!str_starts(p, "${database}")) {
            return "knows no placeholder but ${database}";
        }
    }
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "/");
        bool dots = (n == 1 && p[0] == '.' && strcmp(text, ".") != 0) ||
                    (n == 2 && p[0] == '.' && p[1] == '.');
        if (n == 0 || dots) {
            return "must not hold empty parts, \".\" or \"..\"";
        }
        p += n;
        p += *p == '/';
    }
    return NULL;
}

static const char *host_problem(const char *text)
{
    if (text[0] == '/') {
        return NULL;
    }
    return only(text, LOWER UPPER DIGITS "-_.:%")
               ? NULL
               : "must be a host name, an address, or the absolute folder of a socket";
}

static const char *schedule_problem(const char *text)
{
    return cron_parse(text, &(struct cron){ 0 });
}

static const char *time_zone_problem(const char *text)
{
    if (zone_get(text)) {
        return NULL;
    }
    return zone_database_exists()
               ? "is not a time zone: write a name of the IANA database, such as "
                 "Europe/Prague"
               : "is not known: this machine has no time zone database, install "
                 "the package tzdata";
}

/* "example.com/tier" or "tier" */
static bool is_label_key(const char *key)
{
    const char *slash = strchr(key, '/');
    AUTO(free_auto) char *prefix = slash ? mem_strndup(key, (size_t)(slash - key)) : NULL;
    const char *name = slash ? slash + 1 : key;
    return *name && is_label_value(name) &&
           (!slash || (*prefix && strlen(prefix) <= 253 && is_name(prefix)));
}

static bool is_placeholder_name(const char *key)
{
    return *key && strlen(key) <= 128 && !key[strcspn(key, "${} \t\r\n")] &&
           !str_starts(key, "flyway:");
}

const char *mplan_grammar_problem(enum mplan_grammar grammar, const char *text)
{
    size_t n = strlen(text);
    switch (grammar) {
    case GRAMMAR_NAME:
        return is_name(text)
                   ? NULL
                   : "must be lower-case letters, digits, '-' and '.', as object names are";
    case GRAMMAR_LABEL_VALUE:
        return n > 0 && is_label_value(text) ? NULL
                                             : "must be at most 63 letters, digits, '-', '_' and "
                                               "'.', with a letter or digit at both ends";
    case GRAMMAR_KEY:
        return only(text, LOWER UPPER DIGITS "-_.") ? NULL
                                                    : "must be letters, digits, '-', '_' and '.'";
    case GRAMMAR_URL:
        return url_problem(text);
    case GRAMMAR_REF:
        return ref_problem(text);
    case GRAMMAR_FULL_REF:
        return str_starts(text, "refs/") ? ref_problem(text) : "must begin with refs/";
    case GRAMMAR_COMMIT:
        return (n == 40 || n == 64) && only(text, DIGITS "abcdef")
                   ? NULL
                   : "must be a whole commit id: 40 or 64 lower-case hex digits";
    case GRAMMAR_PATH:
        return path_problem(text);
    case GRAMMAR_HOST:
        return host_problem(text);
    case GRAMMAR_LABEL_KEY:
        return is_label_key(text) ? NULL : "is not a label key: tier or example.com/tier";
    case GRAMMAR_LABELS:
    case GRAMMAR_JOB_LABELS:
        return n == 0 || is_label_value(text) ? NULL : "is not a label value";
    case GRAMMAR_FILE_NAME:
        return naming_text_problem(text);
    case GRAMMAR_SCHEDULE:
        return schedule_problem(text);
    case GRAMMAR_TIME_ZONE:
        return time_zone_problem(text);
    case GRAMMAR_TIME:
        return time_parse(text, &(int64_t){ 0 })
                   ? NULL
                   : "is not a time: write it as 2026-12-18T00:00:00Z";
    case GRAMMAR_ANY:
    case GRAMMAR_PLACEHOLDERS:
    case GRAMMAR_JOB_ANNOTATIONS:
    default:
        return NULL;
    }
}

static bool has_prefix(const char *text, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (str_starts(text, *prefixes)) {
            return true;
        }
    }
    return false;
}

static const char *job_key_problem(enum mplan_grammar grammar, const char *key)
{
    static const char *const own[] = { "sluice.dev/", "batch.kubernetes.io/", NULL };
    static const char *const weak[] = { "container.apparmor.security.beta.kubernetes.io/",
                                        "container.seccomp.security.alpha.kubernetes.io/",
                                        "seccomp.security.alpha.kubernetes.io/", NULL };
    if (has_prefix(key, own) ||
        (grammar == GRAMMAR_JOB_LABELS && str_eq(key, "app.kubernetes.io/managed-by"))) {
        return "is set by the controller: choose another key";
    }
    return grammar == GRAMMAR_JOB_ANNOTATIONS && has_prefix(key, weak)
               ? "would weaken the pod: its security settings are not the plan's"
               : NULL;
}

const char *mplan_key_problem(enum mplan_grammar grammar, const char *key)
{
    const char *problem = NULL;
    switch (grammar) {
    case GRAMMAR_LABELS:
        return mplan_grammar_problem(GRAMMAR_LABEL_KEY, key);
    case GRAMMAR_JOB_LABELS:
    case GRAMMAR_JOB_ANNOTATIONS:
        problem = mplan_grammar_problem(GRAMMAR_LABEL_KEY, key);
        return problem ? problem : job_key_problem(grammar, key);
    case GRAMMAR_PLACEHOLDERS:
        return is_placeholder_name(key)
                   ? NULL
                   : "is not a placeholder name: no blanks, braces or $, and not flyway:...";
    default:
        return NULL;
    }
}

static size_t digits(const char *text)
{
    return strspn(text, DIGITS);
}

/* 500m, 1.5Gi, 2e3: what Kubernetes takes, without a sign. */
bool mplan_is_quantity(const char *text)
{
    static const char *const suffixes[] = { "",  "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u",
                                            "m", "k",  "M",  "G",  "T",  "P",  "E",  NULL };
    const char *p = text;
    size_t whole = digits(p);
    p += whole;
    if (*p == '.') {
        size_t fraction = digits(++p);
        p += fraction;
        whole += fraction;
    }
    for (int i = 0; whole && suffixes[i]; i++) {
        if (str_eq(p, suffixes[i])) {
            return true;
        }
    }
    if (!whole || !in_set(*p, "eE")) {
        return false;
    }
    p += 1 + (size_t)in_set(p[1], "+-");
    return digits(p) > 0 && !p[digits(p)];
}

/* ---- rules between lists ------------------------------------------------------------------- */

static struct err *invalid_at(const char *list, size_t index, const char *rest, const char *name,
                              const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "spec.%s[%zu]%s: \"%s\" %s", list, index,
                   rest, name, problem);
}

struct named {
    const char *name;
    size_t index;
};

static int named_compare(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int key_compare(const void *key, const void *item)
{
    return strcmp(key, ((const struct named *)item)->name);
}

static struct err *check_waves(const struct mplan *plan, const struct named *databases)
{
    for (size_t w = 0; w < plan->wave_count; w++) {
        const struct mplan_wave *wave = &plan->waves[w];
        if (str_eq(wave->name, "rest")) {
            return invalid_at("strategy.waves", w, ".name", "rest",
                              "is the name of the last, implicit wave: choose another");
        }
        for (size_t v = 0; v < w; v++) {
            if (str_eq(plan->waves[v].name, wave->name)) {
                return invalid_at("strategy.waves", w, ".name", wave->name, "is used twice");
            }
        }
        /* With the selector the names are known only when the Secrets are. */
        for (size_t i = 0; i < wave->names.count && !plan->selector.set; i++) {
            if (!bsearch(wave->names.items[i], databases, plan->database_count, sizeof *databases,
                         key_compare)) {
                return invalid_at("strategy.waves", w, ".select.names", wave->names.items[i],
                                  "is not a name in spec.databases");
            }
        }
        for (size_t g = 0; g < wave->gate_count; g++) {
            for (size_t h = 0; h < g; h++) {
                if (str_eq(wave->gates[g].name, wave->gates[h].name)) {
                    return invalid_at("strategy.waves", w, ".gates", wave->gates[g].name,
                                      "is used twice");
                }
            }
        }
    }
    return NULL;
}

struct err *mplan_check(const struct mplan *plan)
{
    AUTO(free_auto) struct named *names = mem_array(plan->database_count, sizeof *names);
    for (size_t i = 0; i < plan->database_count; i++) {
        names[i] = (struct named){ plan->databases[i].name, i };
    }
    if (plan->database_count > 1) {
        qsort(names, plan->database_count, sizeof *names, named_compare);
    }
    for (size_t i = 1; i < plan->database_count; i++) {
        if (str_eq(names[i].name, names[i - 1].name)) {
            return invalid_at("databases", names[i].index, ".name", names[i].name, "is used twice");
        }
    }
    return check_waves(plan, names);
}
