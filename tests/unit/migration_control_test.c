/* SPDX-License-Identifier: Apache-2.0 */
/* BEGIN and COMMIT that a file brings along, and what tools write around their dumps: passed over with a notice, or
 * refused where one transaction would become two. */
#include "migration_split_support.h"

#define PG ENGINE_POSTGRESQL
#define MY ENGINE_MARIADB

static const struct control_case {
    enum engine engine;
    const char *text;
    const char *statements; /* joined by " | "; NULL: refused */
    const char *said;       /* notices joined by " | ", or the error; NULL: not looked at */
} cases[] = {
    { PG, "begin;\ninsert a;\ninsert b;\ncommit;", "insert a | insert b",
      "V1__x.sql:1: BEGIN is passed over | V1__x.sql:4: COMMIT is passed over" },
    { PG, "START TRANSACTION READ WRITE; insert a; END WORK;", "insert a",
      "V1__x.sql:1: START TRANSACTION is passed over | V1__x.sql:1: END is passed over" },
    { PG, "begin transaction; insert a; commit and no chain", "insert a",
      "V1__x.sql:1: BEGIN is passed over | V1__x.sql:1: COMMIT is passed over" },
    { PG, "set a = 1; begin; insert a; commit; reset a;", "set a = 1 | insert a | reset a",
      "V1__x.sql:1: BEGIN is passed over | V1__x.sql:1: COMMIT is passed over" },
    { PG, "insert a; begin; insert b; commit;", NULL,
      "V1__x.sql:1:11: BEGIN in a migration: every file" },
    { PG, "begin; insert a; commit; insert b;", NULL,
      "V1__x.sql:1:26: a statement behind COMMIT in a migration: every file runs in one "
      "transaction" },
    { PG, "begin; insert a; commit; begin; insert b; commit;", NULL,
      "V1__x.sql:1:26: BEGIN in a migration" },
    { PG, "begin; begin; insert a; commit;", NULL, "V1__x.sql:1:8: BEGIN in a migration" },
    { PG, "begin; insert a;", NULL, "the transaction that the file begins has no COMMIT" },
    { PG, "insert a; commit;", NULL, "V1__x.sql:1:11: COMMIT in a migration" },
    { PG, "begin isolation level serializable; insert a; commit;", NULL,
      "BEGIN in a migration: its options would be lost: delete it, and begin the file with SET "
      "TRANSACTION" },
    { PG, "begin; insert a; commit and chain;", NULL,
      "COMMIT in a migration: its options would be lost" },
    { PG, "begin; insert a; rollback;", NULL, "V1__x.sql:1:18: ROLLBACK in a migration" },
    { PG, "begin; insert a; prepare transaction 'x';", NULL, "PREPARE TRANSACTION in a migration" },
    { PG, "begin;\ncreate index concurrently i on t (a);\ncommit;", NULL,
      "V1__x.sql:2:1: a statement that cannot run in a transaction stands in a BEGIN ... COMMIT "
      "block" },
    { PG, "begin; create function f() returns int begin atomic select 1; end; commit;",
      "create function f() returns int begin atomic select 1; end",
      "V1__x.sql:1: BEGIN is passed over | V1__x.sql:1: COMMIT is passed over" },
    { PG, "\\restrict abc\nselect 1;\n\\unrestrict abc\n", "select 1",
      "V1__x.sql:1: \\restrict is passed over | V1__x.sql:3: \\unrestrict is passed over" },
    { PG, "-- head\n\n\\restrict abc\r\n-- more\nselect 1;\n\\unrestrict", "select 1",
      "V1__x.sql:3: \\restrict is passed over | V1__x.sql:6: \\unrestrict is passed over" },
    { MY, "start transaction; insert a; insert b; commit;", "insert a | insert b",
      "V1__x.sql:1: START TRANSACTION is passed over | V1__x.sql:1: COMMIT is passed over" },
    { MY, "begin; insert a; commit; begin work; insert b; commit no release;",
      "insert a | insert b",
      "V1__x.sql:1: BEGIN is passed over | V1__x.sql:1: COMMIT is passed over | V1__x.sql:1: BEGIN "
      "is passed over | "
      "V1__x.sql:1: COMMIT is passed over" },
    { MY, "start transaction with consistent snapshot; create table a (b int); insert a; commit;",
      "create table a (b int) | insert a",
      "V1__x.sql:1: START TRANSACTION is passed over | V1__x.sql:1: COMMIT is passed over" },
    { MY,
      "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;\ninsert a;\nCOMMIT;\nSET "
      "AUTOCOMMIT=@OLD_AUTOCOMMIT;",
      "insert a",
      "V1__x.sql:1: SET autocommit is passed over | V1__x.sql:3: COMMIT is passed over | "
      "V1__x.sql:4: SET "
      "autocommit is passed over" },
    { MY, "/*!40000 set session autocommit = off */; insert a;", "insert a",
      "V1__x.sql:1: SET autocommit is passed over" },
    { MY, "start transaction; insert a;", NULL,
      "the transaction that the file begins has no COMMIT" },
    { MY, "start transaction; start transaction; insert a; commit;", NULL,
      "V1__x.sql:1:20: START TRANSACTION in a migration: the one before it has no COMMIT" },
    { MY, "start transaction; insert a; call p(); commit;", NULL,
      "V1__x.sql:1:30: a statement that is recorded by itself, in one transaction with other "
      "changes" },
    { MY, "set autocommit = 0; insert a; call p(); commit;", NULL,
      "V1__x.sql:1:31: a statement that is recorded by itself" },
    { MY, "start transaction; call p(); insert a; commit;", NULL,
      "V1__x.sql:1:20: a statement that is recorded by itself" },
    { MY, "start transaction; call p(); call q(); commit;", NULL,
      "V1__x.sql:1:30: a statement that is recorded by itself" },
    { MY, "start transaction; call p(); commit; start transaction; insert a; commit;",
      "call p() | insert a", NULL },
    { MY, "start transaction; insert a; /*!50003 call p() */; commit;", NULL,
      "V1__x.sql:1:30: a statement that is recorded by itself" },
    { MY, "start transaction; insert a; load data infile 'f' into table t; commit;", NULL,
      "V1__x.sql:1:30: a statement that is recorded by itself" },
    { MY, "start transaction; insert a; set global x = 1; commit;", NULL,
      "V1__x.sql:1:30: a statement that is recorded by itself" },
    { MY, "start transaction; set global x = 1; insert a; insert b; commit;",
      "set global x = 1 | insert a | insert b", NULL },
    { MY,
      "start transaction; insert a; set session transaction isolation level serializable; "
      "show warnings; set @g = @@global.x; insert b; commit;",
      "insert a | set session transaction isolation level serializable | show warnings | set @g = "
      "@@global.x | insert b",
      NULL },
    { MY, "start transaction; insert a; set transaction isolation level serializable; commit;",
      NULL, "V1__x.sql:1:30: a statement that is recorded by itself" },
    { MY, "start transaction; insert a; set @@tx_isolation = 'SERIALIZABLE'; commit;", NULL,
      "V1__x.sql:1:30: a statement that is recorded by itself" },
    { MY, "start transaction; insert a; set @@session.tx_isolation = 'SERIALIZABLE'; commit;",
      "insert a | set @@session.tx_isolation = 'SERIALIZABLE'", NULL },
    { MY, "start transaction; insert a; alter table t add b int; call p(); commit;",
      "insert a | alter table t add b int | call p()", NULL },
    { MY, "start transaction; insert a; /*!40000 alter table t disable keys */; call p(); commit;",
      "insert a | /*!40000 alter table t disable keys */ | call p()", NULL },
    { MY, "set autocommit = 0; insert a; alter table t add b int; insert c; call p(); commit;",
      NULL, "V1__x.sql:1:66: a statement that is recorded by itself" },
    { MY, "set autocommit = 0; insert a; create temporary table t (a int); call p(); commit;", NULL,
      "V1__x.sql:1:65: a statement that is recorded by itself" },
    { MY, "set autocommit = 0; insert a; set autocommit = 1; call p();", "insert a | call p()",
      NULL },
    { MY, "start transaction; insert a; set autocommit = 0; call p(); commit;", NULL,
      "V1__x.sql:1:50: a statement that is recorded by itself" },
    { MY, "start transaction; insert a; set autocommit = 1; call p(); commit;", NULL,
      "V1__x.sql:1:50: a statement that is recorded by itself" },
    { MY, "set autocommit = 0; insert a; lock tables t write; call p(); unlock tables; commit;",
      "insert a | lock tables t write | call p() | unlock tables", NULL },
    { MY, "set autocommit = 0; insert a; unlock tables; call p(); commit;", NULL,
      "V1__x.sql:1:46: a statement that is recorded by itself" },
    { MY,
      "set autocommit = 0; insert a; set statement lock_wait_timeout = 1 for optimize table t; "
      "call p();",
      "insert a | set statement lock_wait_timeout = 1 for optimize table t | call p()", NULL },
    { MY, "insert a; call p(); insert b;", "insert a | call p() | insert b", NULL },
    { MY, "set autocommit = 0; insert a; commit; set autocommit = 1; call p();",
      "insert a | call p()",
      "V1__x.sql:1: SET autocommit is passed over | V1__x.sql:1: COMMIT is passed over | "
      "V1__x.sql:1: SET autocommit "
      "is passed over" },
    { MY, "start transaction; insert a; truncate t; commit;", "insert a | truncate t",
      "V1__x.sql:1: START TRANSACTION is passed over | V1__x.sql:1: COMMIT is passed over" },
    { MY, "start transaction read only; insert a; commit;", NULL,
      "START TRANSACTION in a migration: its options" },
    { MY, "set autocommit = 0, sql_mode = '';", NULL, "SET autocommit in a migration" },
    { MY, "begin; insert a; rollback;", NULL, "ROLLBACK in a migration" },
    { MY, "begin; insert a; rollback to savepoint s;", NULL, "a savepoint in a migration" },
    { MY, "begin not atomic select 1; end; commit;", "begin not atomic select 1; end",
      "V1__x.sql:1: COMMIT is passed over" },
};

static void join_to(struct buf *out, const char *text)
{
    buf_addf(out, "%s%s", out->len ? " | " : "", text);
}

Test(control, cases)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct control_case *c = &cases[i];
        struct script script = { 0 };
        struct err *e = support_script(c->engine, c->text, &script);
        if (!c->statements) {
            support_expect_error(e, c->text,
                                 strstr(c->said, "PREPARE")     ? REASON_INVALID_MIGRATION
                                 : strstr(c->said, "savepoint") ? REASON_INVALID_MIGRATION
                                                                : REASON_TRANSACTION_CONTROL,
                                 c->said);
            script_done(&script);
            continue;
        }
        support_expect_ok(e, c->text);
        struct buf statements = { .max = 4096 }, said = { .max = 4096 };
        for (size_t k = 0; k < script.count; k++) {
            join_to(&statements, script.statements[k].text);
        }
        for (size_t k = 0; k < script.notices.count; k++) {
            join_to(&said, script.notices.items[k]);
        }
        cr_expect_str_eq(buf_text(&statements), c->statements, "%s", c->text);
        if (c->said) {
            cr_expect_str_eq(buf_text(&said), c->said, "%s: %s", c->text, buf_text(&said));
        }
        buf_done(&statements);
        buf_done(&said);
        script_done(&script);
    }
}
