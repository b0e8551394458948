// SPDX-License-Identifier: Apache-2.0
// Going on in the middle of a file outside a transaction: what an earlier attempt's session took with it must not be
// needed any more, or a statement would meet another table of that name (docs/explanation/engine.md 4).
#include <strings.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

// Anywhere in its text: a name may stand in a string that is executed.
static bool mentions(const struct statement *s, const char *name)
{
    const size_t length = strlen(name);
    for (const char *p = s->text; (p = strcasestr(p, name)); p++) {
        if ((p == s->text || !is_name_char(p[-1])) && !is_name_char(p[length])) {
            return true;
        }
    }
    return false;
}

static bool begins(const struct statement *s, const char *word)
{
    return strncasecmp(s->text, word, strlen(word)) == 0;
}

// What it left in its session can be missed by a later statement? A name that is gone is an error of its own, but
// for a temporary object's: another one may bear it.
static bool needs(const struct statement *gone, const struct statement *later)
{
    bool named = false;
    for (size_t i = 0; i < gone->object_count; i++) {
        if (str_eq(gone->objects[i].type, "temporary")) {
            named = true;
            if (mentions(later, gone->objects[i].name)) {
                return true;
            }
        }
    }
    // A block, or a name in pg_temp: nobody knows which.
    return !named && (begins(gone, "do") || mentions(gone, "pg_temp"));
}

struct err *pgdb_check_resume(const struct run *run, const struct migration *file,
                              const struct script *script, const bool *done)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct statement *gone = script_at(script, i);
        for (size_t k = i + 1; done[i] && gone->touches_session && k < script->count; k++) {
            const struct statement *later = script_at(script, k);
            if (!done[k] && later->class != STEP_SESSION && needs(gone, later)) {
                return run_changed(
                    run, file, REASON_MIGRATION_FAILED,
                    "%s:%d:%d: statement %zu may need what statement %zu (line %d) left "
                    "in the session of an interrupted attempt, which is gone with it: "
                    "move the rest into a new file",
                    file->path, later->line, later->column, k + 1, i + 1, gone->line);
            }
        }
    }
    return NULL;
}
