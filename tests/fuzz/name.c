/* SPDX-License-Identifier: Apache-2.0 */
/* Names of migration files, under some settings of Flyway's: a name made of what was read says the same. */
#include "fuzz.h"
#include "model/reason.h"
#include "reconcile/migration/name.h"

/* No text of a setting may be part of what it stands beside, else a name made anew is another one. */
static const struct setting {
    const char *prefix, *repeatable, *separator, *suffix;
} settings[] = {
    { NULL, NULL, NULL, NULL },
    { "", "again", "--", ".ddl" },
    { "Ver", "Ver-", "~", ".pg.sql" },
};

static struct naming naming_of(const struct setting *s)
{
    struct naming naming = { .prefix = mem_strdup(s->prefix),
                             .repeatable_prefix = mem_strdup(s->repeatable),
                             .separator = mem_strdup(s->separator) };
    if (s->suffix) {
        strlist_add(&naming.suffixes, s->suffix);
    }
    return naming;
}

static void check_made_anew(const struct naming *naming, const struct name *name)
{
    const char *prefix = name->kind == MIGRATION_REPEATABLE ? naming_repeatable_prefix(naming)
                         : name->kind == MIGRATION_BASELINE ? "B"
                                                            : naming_prefix(naming);
    AUTO(free_auto) char *description = mem_strdup(name->description);
    for (char *blank = NULL; (blank = strchr(description, ' '));) {
        *blank = '_';
    }
    AUTO(free_auto)
    char *made = mem_printf("%s%s%s%s%s", prefix, name->version.text, naming_separator(naming),
                            description, naming_suffix(naming, 0));
    struct name again = { 0 };
    fuzz_read_again(name_parse(naming, made, made, &again), made);
    assert(again.kind == name->kind);
    fuzz_same(made, again.version.text, name->version.text);
    fuzz_same(made, again.description, name->description);
    free(again.description);
    free(again.misnamed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    AUTO(naming_done) struct naming naming = naming_of(&settings[data[0] % COUNT_OF(settings)]);
    AUTO(free_auto) char *path = fuzz_text(data + 1, size - 1);
    struct name name = { 0 };
    struct err *e = name_parse(&naming, path, path, &name);

    if (e) {
        AUTO(free_auto) char *told = str_printable(path, strlen(path));
        fuzz_refused(e, REASON_INVALID_MIGRATION, strlen(told) < 256 ? told : "");
    } else if (name.kind == MIGRATION_NONE) {
        assert(!name.description && !version_set(&name.version));
    } else {
        struct version again;
        assert(!name.misnamed && name.description && !strchr(name.description, '_'));
        assert(name.kind == MIGRATION_VERSIONED || name.kind == MIGRATION_BASELINE ||
               name.kind == MIGRATION_REPEATABLE);
        assert(version_set(&name.version) == (name.kind != MIGRATION_REPEATABLE));
        assert(name.kind == MIGRATION_REPEATABLE || (version_parse(name.version.text, &again) &&
                                                     version_compare(&again, &name.version) == 0));
        check_made_anew(&naming, &name);
    }
    free(name.description);
    free(name.misnamed);
    return 0;
}
