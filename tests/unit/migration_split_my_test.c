/* SPDX-License-Identifier: Apache-2.0 */
/* Where MySQL and MariaDB statements end: every trap of Flyway's splitter is a row. */
#include "migration_split_support.h"

#define P(body) "create procedure p() " body

static const struct split_row rows[] = {
    { "a delimiter ends a statement", "select 1;select 2;", { "select 1", "select 2" } },
    { "the last delimiter may be missing", "select 1; select 2", { "select 1", "select 2" } },
    { "empty statements are not sent", ";; select 1 ; ;\n;", { "select 1" } },
    { "a file of comments has none", "-- x\n# y\n/* z; */\n--\n", { NULL } },
    { "comments before and behind are not sent",
      "# a\nselect 1 /* b */ -- c\n; -- d\n",
      { "select 1" } },
    { "hash comments", "select 1 # ; '\n + 1; select 2", { "select 1 # ; '\n + 1", "select 2" } },
    { "two dashes without a blank are two minuses",
      "select 5--1; select 2",
      { "select 5--1", "select 2" } },
    { "two dashes at a line's end are a comment",
      "select 5 --\n; select 2",
      { "select 5", "select 2" } },
    { "comments do not nest",
      "select 1 /* a /* b */; select 2 /* c */",
      { "select 1", "select 2" } },
    { "strings of both kinds",
      "select 'a;b', \"c;d\"; select 'it''s;', \"\"\";\"",
      { "select 'a;b', \"c;d\"", "select 'it''s;', \"\"\";\"" } },
    { "backslashes escape",
      "select 'a\\';', \"b\\\";\"; select 2",
      { "select 'a\\';', \"b\\\";\"", "select 2" } },
    { "names in back quotes",
      "select `a;b`, `c``;`, `d\\`; select 2",
      { "select `a;b`, `c``;`, `d\\`", "select 2" } },
    { "parentheses hide a delimiter", "select (1;2); select 3", { "select (1;2)", "select 3" } },
    { "NO_BACKSLASH_ESCAPES is followed",
      "set sql_mode='NO_BACKSLASH_ESCAPES'; select 'a\\'; set sql_mode=''; select 'b\\';'; select "
      "3",
      { "set sql_mode='NO_BACKSLASH_ESCAPES'", "select 'a\\'", "set sql_mode=''", "select 'b\\';'",
        "select 3" } },
    { "ANSI_QUOTES is followed",
      "set @@session.sql_mode='ANSI_QUOTES'; select \"a\\\"; set sql_mode=default; select "
      "\"a\\\";\"; select 3",
      { "set @@session.sql_mode='ANSI_QUOTES'", "select \"a\\\"", "set sql_mode=default",
        "select \"a\\\";\"", "select 3" } },
    { "an added mode keeps the others",
      "set sql_mode='NO_BACKSLASH_ESCAPES'; set sql_mode=concat(@@sql_mode, ',STRICT_ALL_TABLES'); "
      "select '\\'; select 2",
      { "set sql_mode='NO_BACKSLASH_ESCAPES'",
        "set sql_mode=concat(@@sql_mode, ',STRICT_ALL_TABLES')", "select '\\'", "select 2" } },
    { "a mode of others is not ours",
      "set global sql_mode='NO_BACKSLASH_ESCAPES'; select 'a\\';'; select 2",
      { "set global sql_mode='NO_BACKSLASH_ESCAPES'", "select 'a\\';'", "select 2" } },
    { "a mode from a dump's variable",
      "SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES'; select '\\'; SET "
      "SQL_MODE=@OLD_SQL_MODE; select 'a\\';b'",
      { "SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES'", "select '\\'",
        "SET SQL_MODE=@OLD_SQL_MODE", "select 'a\\';b'" } },
};

Test(split_my, statements)
{
    support_check_splits(ENGINE_MARIADB, rows, COUNT_OF(rows));
    support_check_splits(ENGINE_MYSQL, rows, COUNT_OF(rows));
}

static const struct split_row delimiters[] = {
    { "DELIMITER changes the end",
      "delimiter //\nselect 1; select 2//\nselect 3 //\nDELIMITER ;\nselect 4;",
      { "select 1; select 2", "select 3", "select 4" } },
    { "a dollar delimiter touches a word",
      "DELIMITER $$\n" P("begin select 1; end$$") "\nselect 2$$",
      { P("begin select 1; end"), "select 2" } },
    { "DELIMITER; without a blank",
      "delimiter //\nselect 1//\ndelimiter;\nselect 2;",
      { "select 1", "select 2" } },
    { "the delimiter may stand in the next line",
      "delimiter\n\n//\nselect 1; //\nselect 2",
      { "select 1;", "select 2" } },
    { "a delimiter in quotes is none",
      "delimiter //\nselect '//', `//`, \"//\" /* // */ -- //\n//\nselect 2",
      { "select '//', `//`, \"//\"", "select 2" } },
    { "long delimiters",
      "delimiter END_OF_STATEMENT\nselect 1; END_OF_STATEMENT select 2",
      { "select 1;", "select 2" } },
    { "numeric delimiters",
      "delimiter 99\nselect 199, 990 99 select 2",
      { "select 199, 990", "select 2" } },
    { "a delimiter of letters is a word",
      "delimiter go\nselect category, go1 go\nselect 2 GO",
      { "select category, go1", "select 2 GO" } },
    { "a hash delimiter is no comment",
      "delimiter ##\nselect 1; ## select 2 ##",
      { "select 1;", "select 2" } },
    { "with a delimiter blocks do not count",
      "delimiter //\nselect begin //\nselect 2",
      { "select begin", "select 2" } },
    { "words behind the delimiter are not part of it",
      "delimiter // -- x\nselect 1; //",
      { "select 1;" } },
    { "a column called delimiter",
      "create table t (\n  delimiter char(1),\n delimiter2 int); select\n delimiter from t",
      { "create table t (\n  delimiter char(1),\n delimiter2 int)", "select\n delimiter from t" } },
    { "a column called delimiter before the end",
      "select a,\ndelimiter\n;select 2",
      { "select a,\ndelimiter", "select 2" } },
};

Test(split_my, delimiters)
{
    support_check_splits(ENGINE_MARIADB, delimiters, COUNT_OF(delimiters));
    support_check_splits(ENGINE_MYSQL, delimiters, COUNT_OF(delimiters));
}

/* Each is one statement; a second one follows. */
static const char *const programs[] = {
    P("begin select 1; select 2; end"),
    P("begin end"),
    P("outer_block: begin select 1; end outer_block"),
    P("begin if a then select 1; elseif b then select 2; else select 3; end if; end"),
    P("begin loop leave l; end loop; end"),
    P("begin l: loop iterate l; end loop l; end"),
    P("begin while x do set x = 1; end while; repeat set x = 2; until x end repeat; end"),
    P("begin case x when 1 then select 1; else begin end; end case; end"),
    P("begin select case when a then 1 else 2 end, case b when 1 then 2 end; end"),
    P("begin select case when a then case when b then 1 end end; end"),
    P("begin select `begin`, `case`, `end`, 'end', t.end, t.case from t; end"),
    P("begin select 1 as end, 2 as begin, @end, @begin; end"),
    P("begin insert into t (start, end) values (1, 2); update t set begin = 1, end = 2; end"),
    P("begin select begin, end from t; end"),
    P("begin select if(a, b, c), repeat('a', 3), replace(a, b, c); end"),
    P("begin declare x int; declare exit handler for sqlexception begin rollback; resignal; end; "
      "select 1; end"),
    P("begin declare continue handler for not found begin set done = 1; end; select 1; end"),
    P("begin declare exit handler for 1051 begin end; declare exit handler for sqlstate '23000' "
      "begin end; end"),
    P("begin begin begin select 1; end; end; end"),
    P("begin if not exists (select 1) then drop table if exists t; end if; end"),
    P("begin -- end;\n /* end; */ # end;\n select 1; end"),
    P("sql security invoker comment 'a;b' begin select 1; end"),
    P("reads sql data begin select 1; end"),
    P("select 1"),
    P("if a then select 1; else select 2; end if"),
    P("if (a) then select 1; if b then select 2; end if; end if"),
    P("if a then begin select 1; end; end if"),
    P("while a do select 1; while b do select 2; end while; end while"),
    P("repeat select 1; until a end repeat"),
    P("l: loop select 1; leave l; end loop"),
    P("case a when 1 then select 1; when 2 then if b then select 2; end if; end case"),
    "create procedure if not exists p(in a int, out b decimal(10, 2)) begin select 1; end",
    "create or replace procedure p() begin select 1; end",
    "create definer=`root`@`localhost` procedure p() begin select 1; end",
    "create definer = 'a;b'@'%' function f() returns int deterministic begin return 1; end",
    "create or replace definer=current_user() trigger t before insert on x for each row begin set "
    "new.a = 1; end",
    "create trigger t after update on x for each row if new.a <> old.a then insert into y values "
    "(1); end if",
    "create trigger t after update on x for each row set new.a = if(a, b, c)",
    "create trigger if not exists t before insert on x for each row follows u begin set new.a = 1; "
    "end",
    "create event e on schedule every 1 day do begin select 1; end",
    "create event e on schedule every 1 day starts now() do delete from t",
    "create event if not exists e on schedule at now() on completion preserve do drop table if "
    "exists t",
    "alter event e on schedule every 2 day do begin select 1; end",
    "create function f(a int) returns varchar(10) charset utf8mb4 begin return repeat('x', a); end",
    "create aggregate function if not exists f(x int) returns int begin loop fetch group next row; "
    "end loop; end",
    "/*!50003 create*/ /*!50017 definer=`a`@`b`*/ /*!50003 trigger t before insert on x for each "
    "row begin select 1; end */",
    "/*!50003 create trigger t before insert on x for each row set new.a = 1; */",
    "begin not atomic select 1; select 2; end",
    "begin not atomic end",
};

Test(split_my, stored_programs_need_no_delimiter)
{
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        for (int engine = ENGINE_MARIADB; engine <= ENGINE_MYSQL; engine++) {
            char *text = mem_printf("%s;\nselect 'behind';", programs[i]);
            struct script script = { 0 };
            support_expect_ok(support_script((enum engine)engine, text, &script), programs[i]);
            cr_expect_eq(script.count, 2, "%s: %zu statements", programs[i], script.count);
            cr_expect_str_eq(script.statements[0].text, programs[i]);
            script_done(&script);
            free(text);
        }
    }
}

/* MariaDB runs compound statements outside of programs. */
static const struct split_row compounds[] = {
    { "IF",
      "if @a then select 1; end if; select 2",
      { "if @a then select 1; end if", "select 2" } },
    { "CASE",
      "case @a when 1 then select 1; end case; select 2",
      { "case @a when 1 then select 1; end case", "select 2" } },
    { "WHILE",
      "while @a do select 1; end while; select 2",
      { "while @a do select 1; end while", "select 2" } },
    { "REPEAT",
      "repeat select 1; until 1 end repeat; select 2",
      { "repeat select 1; until 1 end repeat", "select 2" } },
    { "LOOP with a label",
      "l: loop leave l; end loop; select 2",
      { "l: loop leave l; end loop", "select 2" } },
    { "FOR",
      "for i in 1..3 do select i; end for; select 2",
      { "for i in 1..3 do select i; end for", "select 2" } },
};

Test(split_my, compound_statements_stand_alone)
{
    support_check_splits(ENGINE_MARIADB, compounds, COUNT_OF(compounds));
}

static const struct split_row conditional[] = {
    { "a conditional comment is code",
      "/*!40101 set names utf8 */; select 1",
      { "/*!40101 set names utf8 */", "select 1" } },
    { "one without a version, too",
      "/*! set @a=1 */; select 1",
      { "/*! set @a=1 */", "select 1" } },
    { "code and text",
      "create /*!50001 algorithm=merge */ view v as select 1; select 2",
      { "create /*!50001 algorithm=merge */ view v as select 1", "select 2" } },
    { "a delimiter inside ends nothing",
      "/*!50001 select 1; */; select 2",
      { "/*!50001 select 1; */", "select 2" } },
    { "strings inside",
      "/*!50001 select '*/;' */; select 2",
      { "/*!50001 select '*/;' */", "select 2" } },
    { "a version that no server has is a comment",
      "/*!999999\\- enable the sandbox mode */\nselect 1",
      { "select 1" } },
    { "a hint is a comment",
      "select /*+ no_merge(t) ; */ 1; select 2",
      { "select /*+ no_merge(t) ; */ 1", "select 2" } },
    { "a plain comment inside",
      "/*!50001 select /* ; */ 1 */; select 2",
      { "/*!50001 select /* ; */ 1 */", "select 2" } },
};

static const struct split_row of_mariadb[] = {
    { "MariaDB's own",
      "/*M! set @a=1 */; /*M!100100 set @b=1 */; select 1",
      { "/*M! set @a=1 */", "/*M!100100 set @b=1 */", "select 1" } },
    { "a version that only MySQL has", "/*!80000 set @a=1 */; select 1", { "select 1" } },
    { "a sandbox comment", "/*M!999999\\- enable the sandbox mode */ \nselect 1;", { "select 1" } },
};

static const struct split_row of_mysql[] = {
    { "MariaDB's own is a comment",
      "/*M! it's */; /*M!100100 set @b=1 */; select 1",
      { "select 1" } },
    { "a version of MySQL 8",
      "/*!80000 set @a=1 */; select 1",
      { "/*!80000 set @a=1 */", "select 1" } },
};

Test(split_my, conditional_comments)
{
    support_check_splits(ENGINE_MARIADB, conditional, COUNT_OF(conditional));
    support_check_splits(ENGINE_MYSQL, conditional, COUNT_OF(conditional));
    support_check_splits(ENGINE_MARIADB, of_mariadb, COUNT_OF(of_mariadb));
    support_check_splits(ENGINE_MYSQL, of_mysql, COUNT_OF(of_mysql));
}

static const struct split_error errors[] = {
    { "a string without an end", "select 1;\nselect 'a;\nb",
      "V1__x.sql:2:8: the string that begins here has no closing quote" },
    { "an escaped quote ends nothing", "select 'a\\';", "V1__x.sql:1:8: the string" },
    { "a name without an end", "select `a;",
      "V1__x.sql:1:8: the quoted name that begins here has no closing quote" },
    { "a comment without an end", "select 1; /* a",
      "V1__x.sql:1:11: the comment that begins here has no */" },
    { "code without an end", "select 1; /*!40101 set names utf8;",
      "V1__x.sql:1:11: the comment that begins here has no */" },
    { "a parenthesis without an end", "insert into t values (1;\nselect 2;",
      "V1__x.sql:1:22: the parenthesis that opens here is never closed" },
    { "a block without an end", "create procedure p()\nbegin select 1;\nselect 2;",
      "V1__x.sql:2:1: the block that begins here has no END" },
    { "a CASE without an end", P("begin\n select case when a then 1; end"),
      "V1__x.sql:1:22: the block that begins here has no END" },
    { "an IF without an end", P("if a then select 1;"),
      "V1__x.sql:1:22: the block that begins here has no END" },
    { "a forgotten delimiter",
      "delimiter $$\ncreate procedure p()\nbegin end\ndelimiter ;\nselect 1;",
      "V1__x.sql:4:1: DELIMITER inside the statement of line 2: end that with $$ first" },
    { "a forgotten semicolon", "select 1\ndelimiter //\n",
      "V1__x.sql:2:1: DELIMITER inside the statement of line 1: end that with ; first" },
    { "a forgotten semicolon, and other blanks behind the delimiter",
      "select 1\ndelimiter //\f\v\n",
      "V1__x.sql:2:1: DELIMITER inside the statement of line 1: end that with ; first" },
    { "DELIMITER without one", "delimiter  \n", "V1__x.sql:1:1: DELIMITER must be followed by" },
    { "a quote as delimiter", "delimiter '\n",
      "V1__x.sql:1:11: a delimiter may not contain quotes or a backslash" },
    { "a backslash as delimiter", "delimiter \\\\\n", "V1__x.sql:1:11: a delimiter may not" },
    { "two dashes without a blank at the start", "select 1;\n--comment\nselect 2;",
      "V1__x.sql:2:1: -- needs a blank behind it" },
    { "a directive behind the head", "select 1;\n  -- sluice: idempotent=true\n",
      "V1__x.sql:2:3: a directive must stand before the first statement" },
};

Test(split_my, errors_name_the_place)
{
    support_check_errors(ENGINE_MARIADB, errors, COUNT_OF(errors), REASON_INVALID_MIGRATION);
    support_check_errors(ENGINE_MYSQL, errors, COUNT_OF(errors), REASON_INVALID_MIGRATION);
}

Test(split_my, deep_nesting_is_refused_not_crashed)
{
    char *text = mem_alloc(6 * 400 + 64);
    size_t used = 0;
    memcpy(text, P(""), sizeof P("") - 1);
    used = sizeof P("") - 1;
    for (int i = 0; i < 400; i++) {
        memcpy(text + used, "begin ", 6);
        used += 6;
    }
    struct script script = { 0 };
    support_expect_error(support_script(ENGINE_MARIADB, text, &script), "deep",
                         REASON_INVALID_MIGRATION, "blocks are nested deeper than 256");
    free(text);
}
