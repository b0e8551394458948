/* SPDX-License-Identifier: Apache-2.0 */
/* Locations and names, without any reading. */
#include "git/paths.h"
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/casefold.h"
#include "model/reason.h"

#define BAD(...) err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, __VA_ARGS__)

struct err *paths_normalize(const char *path, char **out)
{
    if (path[0] == '/') {
        return BAD("path '%.256s' is absolute: write it relative to the root of the repository",
                   path);
    }
    AUTO(buf_done) struct buf text = BUF(LIMIT_PATH);
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        if (length == 2 && at[0] == '.' && at[1] == '.') {
            return BAD("path '%.256s' must not contain '..'", path);
        }
        if (length > 0 && !(length == 1 && at[0] == '.')) {
            buf_adds(&text, text.len > 0 ? "/" : "");
            buf_add(&text, at, length);
        }
        at += length;
        at += strspn(at, "/");
    }
    if (text.failed) {
        return BAD("path '%.64s...' is longer than %d bytes", path, LIMIT_PATH);
    }
    *out = mem_strdup(text.len > 0 ? buf_text(&text) : ".");
    return NULL;
}

struct err *paths_normalize_all(const struct strlist *paths, struct strlist *out)
{
    for (size_t i = 0; i < paths->count; i++) {
        AUTO(free_auto) char *path = NULL;
        TRY(paths_normalize(paths->items[i], &path));
        strlist_add(out, path);
    }
    return NULL;
}

static bool below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strcmp(folder, ".") == 0 || (strncmp(path, folder, length) == 0 && path[length] == '/');
}

bool paths_covered(const struct strlist *paths, size_t index)
{
    const char *path = paths->items[index];
    for (size_t i = 0; i < paths->count; i++) {
        const char *other = paths->items[i];
        bool same = strcmp(path, other) == 0;
        if (same ? i < index : below(path, other)) {
            return true;
        }
    }
    return false;
}

bool paths_wants_content(const char *name, const struct naming *naming)
{
    static const char conf[] = ".conf";
    const size_t length = strlen(name);
    return naming_suffix_of(naming, name, length) ||
           (length >= sizeof conf - 1 && str_ieq(name + length - (sizeof conf - 1), conf));
}

struct folded {
    char *text; /* owned */
    const char *name;
};

static int folded_compare(const void *a, const void *b)
{
    const struct folded *left = a;
    const struct folded *right = b;
    int order = strcmp(left->text, right->text);
    return order ? order : strcmp(left->name, right->name);
}

struct err *paths_check_siblings(const struct strlist *names, const char *folder)
{
    struct folded *sorted = mem_array(names->count + 1, sizeof *sorted);
    for (size_t i = 0; i < names->count; i++) {
        sorted[i] = (struct folded){ .text = casefold(names->items[i]), .name = names->items[i] };
    }
    mem_sort(sorted, names->count, sizeof *sorted, folded_compare);
    struct err *error = NULL;
    for (size_t i = 1; i < names->count && !error; i++) {
        const char *a = sorted[i - 1].name;
        const char *b = sorted[i].name;
        if (strcmp(sorted[i - 1].text, sorted[i].text) == 0) {
            error = strcmp(a, b) == 0
                        ? BAD("%s: the name '%s' is there twice", folder, a)
                        : BAD("%s: '%s' and '%s' differ only in upper and lower case: rename one",
                              folder, a, b);
        }
    }
    for (size_t i = 0; i < names->count; i++) {
        free(sorted[i].text);
    }
    free(sorted);
    return error;
}

char *paths_join(const char *folder, const char *name)
{
    return strcmp(folder, ".") == 0 || folder[0] == '\0' ? mem_strdup(name)
                                                         : mem_printf("%s/%s", folder, name);
}
