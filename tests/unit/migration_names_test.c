/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a statement that a server's message may show: no literal, number or comment is among them. */
#include <criterion/criterion.h>
#include "reconcile/migration/names.h"

static const struct {
    const char *name;
    enum engine engine;
    const char *text, *names, *words; /* blank-separated */
} rows[] = {
    { "literals and comments", ENGINE_POSTGRESQL,
      "select a, \"B c\" from t -- CANARY\n where x = 'CANARY' and y = 4711 /* CANARY */",
      "select a B c from t where x and y", "" },
    { "a dollar quote is a value", ENGINE_POSTGRESQL, "alter role x password $$CANARY$$",
      "alter role x password", "" },
    { "but code in DO", ENGINE_POSTGRESQL,
      "do $x$ begin insert into t values ('CANARY'); raise notice 'so many: %', 'CANARY'; end $x$",
      "do begin insert into t values raise notice end", "so many" },
    { "and in a function, not deeper than code goes", ENGINE_POSTGRESQL,
      "create or replace function f() returns text as $$ select 'CANARY' $$ language sql",
      "create or replace function f returns text as select language sql", "" },
    { "a message that is computed is none of its words", ENGINE_POSTGRESQL,
      "do $$ begin raise using message = 'plain ' || 'CANARY'; end $$",
      "do begin raise using message end", "plain" },
    { "both quotes are literals", ENGINE_MARIADB,
      "insert into `t` values (\"CANARY\", 'CANARY', x'41') # CANARY", "insert into t values x",
      "" },
    { "a signal", ENGINE_MARIADB, "signal sqlstate '45000' set message_text = 'no order'",
      "signal sqlstate set message_text", "no order" },
    { "a password", ENGINE_MARIADB, "create user u@'CANARY' identified by 'CANARY'",
      "create user u identified by", "" },
    { "escapes", ENGINE_MARIADB, "select 'a\\'CANARY' from t", "select from t", "" },
};

static void joined(const struct strlist *list, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "", list->items[i]);
    }
}

Test(names, hold_no_value)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct identity server = { .engine = rows[i].engine };
        const struct statement s = { .text = (char *)(uintptr_t)rows[i].text,
                                     .text_length = strlen(rows[i].text) };
        struct strlist names = { 0 }, words = { 0 };
        char got[512];
        statement_names(&server, &s, &names, &words);
        joined(&names, got, sizeof got);
        cr_expect_str_eq(got, rows[i].names, "%s: names: %s", rows[i].name, got);
        joined(&words, got, sizeof got);
        cr_expect_str_eq(got, rows[i].words, "%s: words: %s", rows[i].name, got);
        strlist_done(&names);
        strlist_done(&words);
    }
}
