/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the database engines. */
#include "model/engine.h"
#include <stddef.h>
#include "base/str.h"

static const struct {
    const char *name;
    enum engine engine;
} names[] = {
    /* The first name of an engine is the one that is written. */
    { "postgresql", ENGINE_POSTGRESQL }, { "postgres", ENGINE_POSTGRESQL },
    { "pgsql", ENGINE_POSTGRESQL },      { "mariadb", ENGINE_MARIADB },
    { "mysql", ENGINE_MYSQL },
};

const char *engine_text(enum engine engine)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].engine == engine) {
            return names[i].name;
        }
    }
    return "";
}

enum engine engine_parse(const char *text)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq(names[i].name, text)) {
            return names[i].engine;
        }
    }
    return ENGINE_UNKNOWN;
}
