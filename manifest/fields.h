/* SPDX-License-Identifier: Apache-2.0 */
/* The decode table of MigrationPlan's spec: one row per field with its type, bounds, default and place in
 * the structs. The decoder walks it; a test compares it with crds/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"

enum mplan_type {
    MPLAN_STRING = 1, /* char *; min..max bytes */
    MPLAN_BOOL,       /* bool */
    MPLAN_INT,        /* int32_t; min..max */
    MPLAN_INT64,      /* int64_t; min..max */
    MPLAN_DURATION,   /* int64_t ms, text as Go writes durations; min..max ms */
    MPLAN_ENUM,       /* int; one of words */
    MPLAN_STRINGS,    /* struct strlist; min..max entries, each by grammar, none twice */
    MPLAN_MAP,        /* struct kvlist; min..max entries, keys and values by grammar */
    MPLAN_QUANTITIES, /* no place; at most max entries, each a Kubernetes quantity */
    MPLAN_OPAQUE,     /* no place; an object that only Kubernetes looks into */
    MPLAN_OBJECT,     /* fields of table, offsets from this field's offset */
    MPLAN_LIST,       /* array of structs, each an object of table; min..max entries */
    MPLAN_VERSION,    /* struct version */
    MPLAN_TARGET,     /* struct migrations_options: its target fields */
    MPLAN_PATTERNS,   /* struct migrations_options: its ignore fields */
    MPLAN_LATER,      /* known to the design, refused by this version; not in the CRD */
};

enum mplan_grammar { /* of strings and of lists' and maps' entries */
    GRAMMAR_ANY,
    GRAMMAR_NAME,        /* object name: DNS subdomain */
    GRAMMAR_LABEL_VALUE, /* letters, digits, - _ . ; not empty */
    GRAMMAR_LABEL_KEY,   /* example.com/tier or tier */
    GRAMMAR_LABELS,      /* map: label keys to label values */
    GRAMMAR_JOB_LABELS,  /* the same without those that the controller and the Job controller set */
    GRAMMAR_JOB_ANNOTATIONS, /* map: label keys to any text; none that would weaken the pod */
    GRAMMAR_KEY,             /* key in a Secret or ConfigMap */
    GRAMMAR_URL,
    GRAMMAR_REF,          /* branch or tag */
    GRAMMAR_FULL_REF,     /* refs/... */
    GRAMMAR_COMMIT,       /* 40 or 64 hex digits */
    GRAMMAR_PATH,         /* relative, may hold ${database} */
    GRAMMAR_HOST,         /* host name, address, or absolute folder of a socket */
    GRAMMAR_FILE_NAME,    /* a part of one */
    GRAMMAR_SCHEDULE,     /* five fields of cron */
    GRAMMAR_TIME_ZONE,    /* a name of the IANA database that this machine has */
    GRAMMAR_TIME,         /* RFC 3339 */
    GRAMMAR_PLACEHOLDERS, /* map: placeholder names to any text */
};

#define MPLAN_PATHS_MAX 16
#define MPLAN_DURATION_TEXT 32  /* bytes of a duration's text */
#define MPLAN_LABEL_KEY_MAX 317 /* bytes: prefix 253, '/', name 63 */
#define MPLAN_NO_PLACE SIZE_MAX /* an offset: checked, read by the table's check if at all */

struct mplan_word {
    const char *text;
    int value;
};

struct mplan_table;

struct mplan_field {
    const char *key;
    enum mplan_type type;
    enum mplan_grammar grammar;
    bool required;
    int64_t min, max;
    const char *fallback;            /* default as JSON text; NULL: none */
    const struct mplan_word *words;  /* up to one with text NULL */
    size_t offset;                   /* MPLAN_NO_PLACE: nowhere */
    const struct mplan_table *table; /* OBJECT and LIST */
    size_t count_offset;             /* LIST: size_t */
    size_t item_size;                /* LIST: bytes of one struct */
};

struct mplan;
struct mplan_table {
    const struct mplan_field *fields;
    size_t count;
    /* A list's new, zeroed item; NULL: nothing to do. */
    void (*init)(void *item, const struct mplan *plan);
    /* Rules between fields, after all were read. NULL or what is wrong with the object (static). */
    const char *(*check)(const struct json *object, void *base);
};

/* mplan_decode(); `expanded`: databases were made of a databaseSelector, which is there beside them. */
struct err *mplan_decode_spec(const struct json *object, bool expanded, struct mplan *out)
    ERR_MUST_USE;
const struct mplan_table *mplan_fields(void);    /* of spec */
extern const struct mplan_table mplan_job_table; /* of spec.execution.job; base: struct mplan_job */

/* Checks spec by the table, adds defaults to it and fills plan. ERR_TERMINAL InvalidSpec. */
struct err *mplan_walk(struct json *spec, struct mplan *plan) ERR_MUST_USE;
/* What is wrong with text, or with a map's key (static), or NULL. */
const char *mplan_grammar_problem(enum mplan_grammar grammar, const char *text);
const char *mplan_key_problem(enum mplan_grammar grammar, const char *key);
bool mplan_is_quantity(const char *text);
/* Rules between lists: names that must exist or be unique. ERR_TERMINAL InvalidSpec. */
struct err *mplan_check(const struct mplan *plan) ERR_MUST_USE;
