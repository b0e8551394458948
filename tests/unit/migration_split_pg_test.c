/* SPDX-License-Identifier: Apache-2.0 */
/* Where PostgreSQL statements end: every trap of Flyway's splitter is a row. */
#include "migration_split_support.h"

static const struct split_row rows[] = {
    { "a delimiter ends a statement", "select 1;select 2;", { "select 1", "select 2" } },
    { "the last delimiter may be missing", "select 1; select 2", { "select 1", "select 2" } },
    { "empty statements are not sent", ";; select 1 ; ;\n;", { "select 1" } },
    { "an empty file has none", "", { NULL } },
    { "a file of comments has none", "-- x\n/* y; */\n", { NULL } },
    { "comments before and behind are not sent",
      "-- a\nselect 1 /* b */ -- c\n; -- d\n",
      { "select 1" } },
    { "comments inside are sent",
      "select /* ; */ 1 -- ;\n + 2;",
      { "select /* ; */ 1 -- ;\n + 2" } },
    { "parentheses hide a delimiter", "select (1;2); select 3;", { "select (1;2)", "select 3" } },
    { "rules with several actions",
      "create rule r as on insert to t do also (insert into a values (1); insert into b values "
      "(2));select 1",
      { "create rule r as on insert to t do also (insert into a values (1); insert into b values "
        "(2))",
        "select 1" } },
    { "strings", "select 'a;b'; select 'it''s;'", { "select 'a;b'", "select 'it''s;'" } },
    { "a backslash is no escape in plain strings",
      "select 'a\\'; select 2",
      { "select 'a\\'", "select 2" } },
    { "E strings escape", "select E'a\\';'; select 2", { "select E'a\\';'", "select 2" } },
    { "e strings escape, too", "select e'\\''; select 2", { "select e'\\''", "select 2" } },
    { "an E string goes on in the next line",
      "select E'a'\n  'b\\';c'; select 2",
      { "select E'a'\n  'b\\';c'", "select 2" } },
    { "an E string goes on behind a comment",
      "select E'a' -- x\n 'b\\';c'; select 2",
      { "select E'a' -- x\n 'b\\';c'", "select 2" } },
    { "in the same line it does not",
      "select E'a' 'b\\'; select 2",
      { "select E'a' 'b\\'", "select 2" } },
    { "a word that ends in e is no prefix",
      "select re'x\\'; select 2",
      { "select re'x\\'", "select 2" } },
    { "bit strings do not escape",
      "select B'1\\'; select x'1\\'; select b'\\'",
      { "select B'1\\'", "select x'1\\'", "select b'\\'" } },
    { "Unicode strings do not escape",
      "select U&'\\'; select u&'d\\0061\\'; select 3",
      { "select U&'\\'", "select u&'d\\0061\\'", "select 3" } },
    { "national strings do not escape", "select N'\\'; select 2", { "select N'\\'", "select 2" } },
    { "quoted names",
      "select \"a;b\"; select \"a\"\";b\"",
      { "select \"a;b\"", "select \"a\"\";b\"" } },
    { "Unicode names", "select U&\"a;\"; select 2", { "select U&\"a;\"", "select 2" } },
    { "dollar quotes",
      "select $$a;b$$; select $x$;$$;$y$;$x$; select 3",
      { "select $$a;b$$", "select $x$;$$;$y$;$x$", "select 3" } },
    { "tags keep their case",
      "select $X$;$x$;$X$; select 2",
      { "select $X$;$x$;$X$", "select 2" } },
    { "parameters are no quotes",
      "prepare p as select $1; select $2::text; select 3",
      { "prepare p as select $1", "select $2::text", "select 3" } },
    { "a dollar inside a name is no quote",
      "select a$b$c; select d$; select 3",
      { "select a$b$c", "select d$", "select 3" } },
    { "a lone dollar is nothing", "select $ ; select 2", { "select $", "select 2" } },
    { "comments nest",
      "select 1 /* a /* b; */ c; */ + 1; select 2",
      { "select 1 /* a /* b; */ c; */ + 1", "select 2" } },
    { "two dashes need no blank", "select 5--1;\n; select 2", { "select 5", "select 2" } },
    { "a quote in a comment is none",
      "-- it's\nselect 1; /* ' */ select 2",
      { "select 1", "select 2" } },
    { "a comment in a string is none",
      "select '--'; select '/*'; select 3",
      { "select '--'", "select '/*'", "select 3" } },
    { "operators", "select 1 <-- x\n 2; select @-1", { "select 1 <-- x\n 2", "select @-1" } },
    { "all line ends",
      "select 1 -- a\r\n; select 2 -- b\r; select 3",
      { "select 1", "select 2", "select 3" } },
    { "a byte order mark is dropped", "\xef\xbb\xbfselect 1;", { "select 1" } },
    { "functions in dollar quotes",
      "create function f() returns int as $$ begin return 1; end; $$ language plpgsql; select 1",
      { "create function f() returns int as $$ begin return 1; end; $$ language plpgsql",
        "select 1" } },
    { "BEGIN ATOMIC bodies",
      "create function f() returns int language sql begin atomic select 1; select 2; end; select 3",
      { "create function f() returns int language sql begin atomic select 1; select 2; end",
        "select 3" } },
    { "CASE inside BEGIN ATOMIC",
      "create or replace procedure p() begin atomic select case when true then 1 else 2 end; "
      "select case 1 when 1 then case when true then 2 end end; end; select 3",
      { "create or replace procedure p() begin atomic select case when true then 1 else 2 end; "
        "select case 1 when 1 then case when true then 2 end end; end",
        "select 3" } },
    { "END as a label inside BEGIN ATOMIC",
      "create function f() returns int begin atomic select 1 as end; select t.end from t; end; "
      "select 2",
      { "create function f() returns int begin atomic select 1 as end; select t.end from t; end",
        "select 2" } },
    { "comments inside BEGIN ATOMIC",
      "create function f() returns int begin atomic /* end; */ select 1; -- end;\n end; select 2",
      { "create function f() returns int begin atomic /* end; */ select 1; -- end;\n end",
        "select 2" } },
    { "atomic elsewhere is a name",
      "create table atomic (x int); select begin from atomic; select 1",
      { "create table atomic (x int)", "select begin from atomic", "select 1" } },
    { "UTF-8 in names and strings",
      "select '\xc5\xbe;' as \xc5\xbelu\xc5\xa5; select 2",
      { "select '\xc5\xbe;' as \xc5\xbelu\xc5\xa5", "select 2" } },
    { "standard_conforming_strings=off is followed",
      "set standard_conforming_strings = off; select 'a\\';b'; set standard_conforming_strings to "
      "on; select 'a\\'; select 2",
      { "set standard_conforming_strings = off", "select 'a\\';b'",
        "set standard_conforming_strings to on", "select 'a\\'", "select 2" } },
    { "RESET ALL ends it",
      "set session standard_conforming_strings to 'off'; reset all; select '\\'; select 2",
      { "set session standard_conforming_strings to 'off'", "reset all", "select '\\'",
        "select 2" } },
};

Test(split_pg, statements)
{
    support_check_splits(ENGINE_POSTGRESQL, rows, COUNT_OF(rows));
}

static const struct split_error errors[] = {
    { "a string without an end", "select 1;\nselect 'a;\nb",
      "V1__x.sql:2:8: the string that begins here has no closing quote" },
    { "an E string whose quote is escaped", "select E'\\';", "V1__x.sql:1:8: the string" },
    { "an E string that goes on without an end", "select E'a'\n'b;", "V1__x.sql:1:8: the string" },
    { "a quoted name without an end", "select \"a;",
      "V1__x.sql:1:8: the quoted name that begins here has no closing quote" },
    { "a dollar quote without an end", "do $x$ begin; $y$;",
      "V1__x.sql:1:4: the dollar quote that begins here has no end" },
    { "a comment without an end", "select 1; /* a /* b */",
      "V1__x.sql:1:11: the comment that begins here has no */" },
    { "a parenthesis without an end", "select 1;\ninsert into t values (1;\nselect 2;",
      "V1__x.sql:2:22: the parenthesis that opens here is never closed" },
    { "a body without an end", "create function f() returns int\nbegin atomic select 1;",
      "V1__x.sql:2:1: the BEGIN ATOMIC that begins here has no END" },
    { "psql commands", "\\set x 1\nselect 1;",
      "V1__x.sql:1:1: psql's \\set is not SQL: remove it" },
    { "\\restrict inside a statement", "select 1\n\\restrict abc\n;",
      "V1__x.sql:2:1: psql's \\restrict is not SQL" },
    { "another word that begins so", "\\restricted abc\n", "V1__x.sql:1:1: psql's \\restricted" },
    { "a psql command behind a statement", "select 1 \\gexec\n", "V1__x.sql:1:10: psql's \\gexec" },
    { "a lone end of data", "select 1;\n\\.\n", "V1__x.sql:2:1: psql's \\. is not SQL" },
    { "COPY data without an end", "select 1;\ncopy t from stdin;\n1\n2\n",
      "V1__x.sql:2:1: the data of this COPY ... FROM STDIN has no end: add a line \\." },
    { "COPY without any data", "copy t from stdin", "V1__x.sql:1:1: the data of this COPY" },
    { "text behind COPY", "copy t from stdin; select 1;\n\\.\n",
      "V1__x.sql:1:20: text behind COPY ... FROM STDIN;" },
    { "COPY TO STDOUT", "copy t to stdout;", "V1__x.sql:1:11: COPY ... TO STDOUT has no reader" },
    { "a directive behind the head", "select 1;\n  -- sluice: transaction=none\n",
      "V1__x.sql:2:3: a directive must stand before the first statement" },
    { "what would be one with a colon", "select 1;\n  -- sluice transaction=none\n",
      "V1__x.sql:2:3: a directive must stand before the first statement" },
    { "a directive inside a statement", "select 1 -- sluice: idempotent=true\n;",
      "V1__x.sql:1:10: a directive must stand" },
    { "columns count characters", "select '\xc5\xbe\xc5\xbe'; select 'x",
      "V1__x.sql:1:21: the string" },
    { "set_config cannot be followed",
      "select set_config('standard_conforming_strings', 'off', false)",
      "V1__x.sql:1:1: set_config() of standard_conforming_strings" },
};

Test(split_pg, errors_name_the_place)
{
    support_check_errors(ENGINE_POSTGRESQL, errors, COUNT_OF(errors), REASON_INVALID_MIGRATION);
}

struct copy_row {
    const char *rule;
    const char *text;
    const char *data;
};

static const struct copy_row copies[] = {
    { "data follow the statement", "copy t from stdin;\n1\ta\n2\tb;\n\\.\nselect 1;",
      "1\ta\n2\tb;\n" },
    { "options", "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER);\na,b\n\\.\nselect 1;",
      "a,b\n" },
    { "no rows", "copy t from stdin;\n\\.\nselect 1;", "" },
    { "CRLF", "copy t from stdin;\r\n1\r\n\\.\r\nselect 1;", "1\r\n" },
    { "blanks around the end", "copy t from stdin;\n1\n  \\. \nselect 1;", "1\n" },
    { "a comment behind the delimiter", "copy t from stdin; -- rows\n1\n\\.\nselect 1;", "1\n" },
    { "quotes in the data", "copy t from stdin;\n'\n$$\n/*\n\\.\nselect 1;", "'\n$$\n/*\n" },
    { "the end without a line break", "select 1; copy t from stdin;\n1\n\\.", "1\n" },
    { "a comment may look like a directive in data",
      "copy t from stdin;\n-- sluice: x=1\n\\.\nselect 1;", "-- sluice: x=1\n" },
};

Test(split_pg, copy_data)
{
    for (size_t i = 0; i < COUNT_OF(copies); i++) {
        struct script script = { 0 };
        support_expect_ok(support_script(ENGINE_POSTGRESQL, copies[i].text, &script),
                          copies[i].rule);
        cr_assert_eq(script.count, 2, "%s", copies[i].rule);
        const struct statement *s =
            &script.statements[script.statements[0].verb == VERB_COPY ? 0 : 1];
        cr_expect_eq(s->verb, VERB_COPY, "%s", copies[i].rule);
        cr_expect_eq(s->class, STEP_TRANSACTIONAL, "%s", copies[i].rule);
        cr_assert_not_null(s->copy_data, "%s", copies[i].rule);
        cr_expect_str_eq(s->copy_data, copies[i].data, "%s", copies[i].rule);
        cr_expect_eq(s->copy_length, strlen(copies[i].data), "%s", copies[i].rule);
        script_done(&script);
    }
}

static const struct split_row no_copies[] = {
    { "COPY from a file has no data",
      "copy t from '/x'; select 1",
      { "copy t from '/x'", "select 1" } },
    { "COPY from a program has no data",
      "copy t from program 'x'; select 1",
      { "copy t from program 'x'", "select 1" } },
    { "columns called stdin",
      "copy t (stdin) from '/x'; select stdin from t",
      { "copy t (stdin) from '/x'", "select stdin from t" } },
    { "a query is not searched",
      "copy (select * from stdin) to '/x'; select 1",
      { "copy (select * from stdin) to '/x'", "select 1" } },
};

Test(split_pg, other_copies_have_no_data)
{
    support_check_splits(ENGINE_POSTGRESQL, no_copies, COUNT_OF(no_copies));
}
