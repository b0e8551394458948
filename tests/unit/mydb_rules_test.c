// SPDX-License-Identifier: Apache-2.0
// Grants, normal forms of definitions, what a session carries from statement to statement.
#include <criterion/criterion.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/mem.h"
#include "database/mysql/rules.h"
#include "migration_support.h"
#include "reconcile/migration/script.h"

TestSuite(mydb_rules, .timeout = 30);

static const struct {
    const char *grant;
    bool powerful;
} grants[] = {
    { "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*F00'", false },
    { "GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%`", false },
    { "GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%` WITH GRANT OPTION", false },
    { "GRANT SELECT, PROCESS ON *.* TO `app`@`%`", false },
    { "GRANT SELECT, FILE ON *.* TO `app`@`%`", true },
    { "GRANT FILE ON *.* TO `app`@`%`", true },
    { "GRANT RELOAD, SUPER, PROCESS ON *.* TO `app`@`%`", true },
    { "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", true },
    { "GRANT SELECT ON *.* TO `app`@`%` WITH GRANT OPTION", true },
    { "GRANT SELECT ON *.* TO 'x WITH GRANT OPTION'@'%'", false },
    { "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", false },
    { "GRANT `dba` TO `app`@`%`", false },
    { "GRANT SELECT (`FILE`) ON `a`.`b` TO `app`@`%`", false },
};

Test(mydb_rules, strong_grants_are_seen)
{
    for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
        cr_expect_eq(mydb_grant_too_powerful(grants[i].grant), grants[i].powerful, "%s",
                     grants[i].grant);
    }
}

Test(mydb_rules, settings_are_on_or_off)
{
    cr_expect(mydb_setting_on("ON"));
    cr_expect(mydb_setting_on("1"));
    cr_expect(mydb_setting_on("READ_ONLY_NO_LOCK"));
    cr_expect_not(mydb_setting_on("OFF"));
    cr_expect_not(mydb_setting_on("0"));
    cr_expect_not(mydb_setting_on(""));
    cr_expect_not(mydb_setting_on(NULL));
}

static const struct {
    const char *name, *text, *want;
} tables[] = {
    { "the option goes",
      "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT\n) ENGINE=InnoDB AUTO_INCREMENT=12 "
      "DEFAULT CHARSET=utf8mb4",
      "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT\n) ENGINE=InnoDB DEFAULT "
      "CHARSET=utf8mb4" },
    { "words in comments stay",
      "CREATE TABLE `t` (\n  `b` int COMMENT 'it''s ) AUTO_INCREMENT=7 \\' x'\n) ENGINE=InnoDB "
      "AUTO_INCREMENT=2 COMMENT='a AUTO_INCREMENT=9'",
      "CREATE TABLE `t` (\n  `b` int COMMENT 'it''s ) AUTO_INCREMENT=7 \\' x'\n) ENGINE=InnoDB "
      "COMMENT='a AUTO_INCREMENT=9'" },
    { "partitions have brackets behind the options",
      "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4\n "
      "PARTITION BY RANGE (`id`)\n(PARTITION `p0` VALUES LESS THAN (10) ENGINE = InnoDB)",
      "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4\n "
      "PARTITION BY RANGE (`id`)\n(PARTITION `p0` VALUES LESS THAN (10) ENGINE = InnoDB)" },
    { "a column with such a name",
      "CREATE TABLE `t` (\n  `x) AUTO_INCREMENT=1` int\n) ENGINE=InnoDB AUTO_INCREMENT=3",
      "CREATE TABLE `t` (\n  `x) AUTO_INCREMENT=1` int\n) ENGINE=InnoDB" },
    { "nothing to cut", "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB",
      "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB" },
    { "a check with brackets and quotes",
      "CREATE TABLE `t` (\n  CONSTRAINT `c` CHECK (`b` <> 'a)\\'')\n) ENGINE=InnoDB "
      "AUTO_INCREMENT=8",
      "CREATE TABLE `t` (\n  CONSTRAINT `c` CHECK (`b` <> 'a)\\'')\n) ENGINE=InnoDB" },
};

Test(mydb_rules, the_counter_of_a_table_is_not_its_definition)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct buf out = BUF(4096);
        mydb_normalize_table(tables[i].text, &out);
        cr_expect_str_eq(buf_text(&out), tables[i].want, "%s: %s", tables[i].name, buf_text(&out));
        buf_done(&out);
    }
}

Test(mydb_rules, only_quoted_names_are_taken_from_a_row)
{
    cr_expect(mydb_name_is_quoted("`s`.`t`"));
    cr_expect(mydb_name_is_quoted("`s`"));
    cr_expect(mydb_name_is_quoted("`a``b`.`c d`"));
    cr_expect_not(mydb_name_is_quoted("s.t"));
    cr_expect_not(mydb_name_is_quoted("`s`.`t`; drop table x"));
    cr_expect_not(mydb_name_is_quoted("`s`.`t"));
    cr_expect_not(mydb_name_is_quoted("`s`.`t``"));
    cr_expect_not(mydb_name_is_quoted("`s`.`t`.`u`"));
    cr_expect_not(mydb_name_is_quoted("``"));
    cr_expect_not(mydb_name_is_quoted(""));
}

static struct statement make(char class, char *text)
{
    struct statement s = { .class = (enum step_class) class,
                           .verb = VERB_DML,
                           .grouped = class == 'T' || class == 'S' || class == 'V' || class == 'P',
                           .text = text,
                           .text_length = strlen(text) };
    if (class == 'V') { // SET to a value that is computed
        s.class = STEP_TRANSACTIONAL;
        s.verb = VERB_SET;
    }
    if (class == 'P') { // CREATE TEMPORARY TABLE tt
        static char name[] = "tt";
        static struct object_ref table = { .name = name };
        s.objects = &table;
        s.object_count = 1;
        s.class = STEP_REPEATABLE;
        s.verb = VERB_CREATE;
        s.touches_session = true;
    }
    return s;
}

// One statement as a file of MariaDB has it.
static struct statement read_as(const char *text, struct script *script)
{
    struct migration m = support_migration("V1__x.sql", text, strlen(text));
    const struct placeholders none = { .replacement = false };
    struct err *e = script_parse(ENGINE_MARIADB, 0, &m, &none, script);
    cr_assert_null(e, "%s: %s", text, e ? e->message : "");
    cr_assert_eq(script->count, 1, "%s", text);
    return script->statements[0];
}

static const struct {
    const char *text;
    bool grouped, commits, lasting;
} members[] = {
    { "insert into t values (1)", true, false, false },
    { "set @x = 1", true, false, false },
    { "use other", true, false, false },
    { "set session transaction read write", true, false, false },
    { "set transaction read write", false, false, true },
    { "set global transaction isolation level serializable", false, false, true },
    { "set global max_connections = 5", false, false, true },
    { "set @@transaction_read_only = 0", false, false, true },
    { "set transaction_read_only = 0", true, false, false },
    { "set @old = @@autocommit", true, false, false },
    { "set @x = f()", true, false, false },
    { "alter table t add x int", false, true, false },
    { "/*!40000 alter table t disable keys */", false, true, false },
    { "analyze table t", false, true, false },
    { "analyze update t set a = 1", false, false, false },
    { "show create table t", true, false, false },
    { "set statement lock_wait_timeout = 1 for show warnings", true, false, false },
    { "set statement lock_wait_timeout = 1 for drop table t", false, true, false },
    { "set password for a = 'x'", false, true, false },
    { "call p()", false, false, false },
    { "create temporary table tt (a int)", true, false, false },
    { "drop temporary table tt", true, false, false },
    { "(select 1)", true, false, false },
};

Test(mydb_rules, what_may_share_a_transaction)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct script script = { 0 };
        const struct statement s = read_as(members[i].text, &script);
        cr_expect_eq(s.grouped, members[i].grouped, "%s: grouped", members[i].text);
        cr_expect_eq(s.commits, members[i].commits, "%s: commits", members[i].text);
        cr_expect_eq(s.lasting, members[i].lasting, "%s: lasting", members[i].text);
        script_done(&script);
    }
}

static const struct {
    const char *text, *writes;
    bool calls;
} changes[] = {
    { "insert into t values (1)", "t", false },
    { "insert ignore `t` (a, b) select a, b from u", "t", false },
    { "replace low_priority into s.t (a) values (1), (2)", "s.t", false },
    { "update t set a = 1", "t", false },
    { "update ignore t as x set a = (select 1)", "t", false },
    { "update t, u set t.a = u.a", NULL, false },
    { "update t a join u set a.a = 1", NULL, false },
    { "delete quick from t where a in (1, 2)", "t", false },
    { "delete from t, u using t join u", NULL, false },
    { "delete a, b from t a, u b", NULL, false },
    { "insert into t values (f())", "t", true },
    { "insert into t select `f`(a) from u", "t", true },
    { "select 1", NULL, false },
};

Test(mydb_rules, which_table_a_change_is_of)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct script script = { 0 };
        const struct statement s = read_as(changes[i].text, &script);
        AUTO(free_auto) char *got = s.writes.name
                                        ? mem_printf("%s%s%s", s.writes.schema,
                                                     s.writes.schema[0] ? "." : "", s.writes.name)
                                        : NULL;
        cr_expect(str_eq(got ? got : "-", changes[i].writes ? changes[i].writes : "-"), "%s: %s",
                  changes[i].text, got ? got : "-");
        cr_expect_eq(s.calls, changes[i].calls, "%s: calls", changes[i].text);
        script_done(&script);
    }
}

// controls: may commit by itself, or stop half-way; touches: reads or leaves something of the session.
static const struct {
    char class, text[64];
    bool controls, touches;
} sessions[] = {
    { 'X', "call p()", true, true },
    { 'X', "/* c */ CALL p(@a)", true, true },
    { 'X', "do sleep(1)", true, true },
    { 'X', "execute s", true, true },
    { 'X', "begin not atomic select 1; end", true, true },
    { 'X', "insert into myisam values (1)", true, true },
    { 'X', "frobnicate t", true, true },
    { 'X', "set statement max_statement_time = 5 for call p()", true, true },
    { 'X', "truncate table t", false, false },
    { 'X', "grant select on t to u", false, false },
    { 'X', "create or replace table t (a int)", false, false },
    { 'X', "rename table a to b, b to a", false, false },
    { 'X', "set password for a = 'x'", false, false },
    { 'T', "insert into t values (1)", false, false },
    { 'T', "insert into t values (@a)", false, true },
    { 'T', "insert into t values (last_insert_id())", false, true },
    { 'T', "insert into t values ('@a', 'a@b', `@c`)", false, false },
    { 'T', "select @@sql_mode into outfile_name from t", false, true },
    { 'A', "create table t (a int default 1)", false, false },
    { 'S', "set foreign_key_checks = 0", false, true },
    { 'S', "use other", false, true },
    { 'V', "set sql_mode = (select 'x')", false, true },
    { 'P', "create temporary table tt (a int)", false, true },
};

Test(mydb_rules, what_touches_a_session)
{
    for (size_t i = 0; i < sizeof sessions / sizeof *sessions; i++) {
        const char *text = sessions[i].text;
        struct script read = { 0 };
        struct statement s = read_as(text, &read);
        s.class = sessions[i].class == 'X' ? STEP_OTHER : s.class; // as tables may make it
        cr_expect_eq(mydb_controls_itself(&s), sessions[i].controls, "%s: itself", text);
        cr_expect_eq(mydb_touches_session(&s), sessions[i].touches, "%s: touches", text);
        const struct script script = { .statements = &s, .count = 1 };
        cr_expect_eq(mydb_uses_session(&script), sessions[i].touches, "%s: the file", text);
        script_done(&read);
    }
}

Test(mydb_rules, names_are_words)
{
    char text[] = "insert into `Old` (a) select 'notes' from x.logs -- notes\n";
    const struct statement s = make('T', text);
    cr_expect(mydb_mentions(&s, "old"));
    cr_expect(mydb_mentions(&s, "logs"));
    cr_expect_not(mydb_mentions(&s, "log"), "part of a word");
    cr_expect_not(mydb_mentions(&s, "notes"), "in a string and a comment");
}

Test(mydb_rules, what_a_query_fills)
{
    static const struct {
        const char *text;
        bool fills;
    } rows[] = {
        { "create table x as select 1", true },
        { "create table x (a int) (select f() as a)", true },
        { "create or replace table x select 1", true },
        { "create temporary table x select 1", false }, // of the session
        { "create table x (a int comment 'select')", false },
        { "create table x like y -- select", false },
        { "create view x as select 1", false },
        { "insert into x select 1", false },
        { "create procedure x() select 1", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct script read = { 0 };
        const struct statement s = read_as(rows[i].text, &read);
        cr_expect_eq(mydb_fills_table(&s), rows[i].fills, "%s", rows[i].text);
        script_done(&read);
    }
}

// The last statement of a file, read as the settings above it say.
Test(mydb_rules, words_are_read_as_the_server_reads_them)
{
    static const struct {
        const char *file, *name;
        bool named, touches;
    } rows[] = {
        { "insert into t values ('c:\\\\', 'log', @a)", "log", false, true },
        { "insert into t values ('c:\\', log, @a')", "log", false, false },
        { "set sql_mode = 'NO_BACKSLASH_ESCAPES'; insert into t values ('c:\\', log, @a)", "log",
          true, true },
        { "set sql_mode = 'NO_BACKSLASH_ESCAPES'; insert into t values ('c:\\', 'log @a')", "log",
          false, false },
        { "set sql_mode = 'NO_BACKSLASH_ESCAPES'; set sql_mode = ''; insert into t values ('\\', "
          "log, @a')",
          "log", false, false },
        { "insert into t values (\"log\", \"@a\")", "log", false, false },
        { "set sql_mode = 'ANSI_QUOTES'; insert into \"Log\" (\"@a\") values ('x')", "log", true,
          false },
        { "set sql_mode = 'ANSI_QUOTES'; insert into \"it's\" values (@a)", "it's", true, true },
        { "insert into `it's` values (@a, 'log')", "it's", true, true },
        { "insert into `a # b` values (log, @a)", "log", true, true },
        { "insert into `a -- b` values ('log')", "log", false, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct script script = { 0 };
        struct migration m = support_migration("V1__x.sql", rows[i].file, strlen(rows[i].file));
        const struct placeholders none = { .replacement = false };
        support_expect_ok(script_parse(ENGINE_MARIADB, 0, &m, &none, &script), rows[i].file);
        const struct statement *s = &script.statements[script.count - 1];
        cr_expect_eq(mydb_mentions(s, rows[i].name), rows[i].named, "%s: named", rows[i].file);
        cr_expect_eq(mydb_touches_session(s), rows[i].touches, "%s: touches", rows[i].file);
        script_done(&script);
    }
}

// A file: one letter a statement as above, capital = complete. blocked: index, or -1.
static const struct {
    const char *name;
    struct {
        char class;
        bool complete;
        char text[64];
    } file[5];
    int blocked;
} resumes[] = {
    { "nothing complete: a fresh start",
      { { 'S', false, "set @a = last_insert_id()" }, { 'T', false, "insert into t values (@a)" } },
      -1 },
    { "plain DDL and DML",
      { { 'T', true, "insert into t values (1)" },
        { 'A', false, "alter table t add x int" },
        { 'T', false, "update t set x = 1" } },
      -1 },
    { "constants are set again",
      { { 'S', false, "set @a = 5" },
        { 'A', true, "create table t (a int)" },
        { 'T', false, "insert into t values (@a)" } },
      -1 },
    { "LAST_INSERT_ID in a variable is lost",
      { { 'T', true, "insert into t values (1)" },
        { 'V', true, "set @a = LAST_INSERT_ID()" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "insert into u values (@a)" } },
      3 },
    { "a setting that was computed is lost for all",
      { { 'V', true, "set sql_mode = (select '')" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "insert into u values (1)" } },
      2 },
    { "so is one in a list behind a variable",
      { { 'V', true, "set @a = f(), sql_mode = ''" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "insert into u values (1)" } },
      2 },
    { "INTO on a line of its own",
      { { 'T', true, "select max(id)\n into\n @m from t" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "update t set parent = @m" } },
      2 },
    { "what a CALL has set",
      { { 'X', true, "call p(@out)" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "insert into u values (@out)" } },
      2 },
    { "an UPDATE does not give LAST_INSERT_ID",
      { { 'T', true, "insert into t values (1)" },
        { 'A', true, "create table v (a int)" },
        { 'T', false, "update t set x = 1" },
        { 'T', false, "insert into u values (last_insert_id())" } },
      3 },
    { "nobody needs it any more",
      { { 'T', true, "insert into t values (1)" },
        { 'V', true, "set @a = LAST_INSERT_ID()" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "insert into u values (7)" } },
      -1 },
    { "SELECT INTO a variable is lost",
      { { 'T', true, "select max(id) into @m from t" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "delete from t where id = @m" } },
      2 },
    { "LAST_INSERT_ID of a statement that is done",
      { { 'T', true, "insert into t values (1)" },
        { 'A', true, "alter table t add x int" },
        { 'T', false, "insert into u values (last_insert_id())" } },
      2 },
    { "LAST_INSERT_ID of one that runs again",
      { { 'A', true, "create table t (a int)" },
        { 'T', false, "insert into t values (1)" },
        { 'T', false, "insert into u values (last_insert_id())" } },
      -1 },
    { "rows of a temporary table are lost",
      { { 'P', false, "create temporary table tt (a int)" },
        { 'T', true, "insert into tt values (1)" },
        { 'A', true, "create table t (a int)" },
        { 'T', false, "insert into t select a from tt" } },
      3 },
    { "an empty temporary table is made again",
      { { 'P', false, "create temporary table tt (a int)" },
        { 'A', true, "create table t (a int)" },
        { 'T', false, "insert into tt values (1)" } },
      -1 },
    { "a temporary table of a query is another one",
      { { 'P', false, "create temporary table tt select * from u" },
        { 'A', true, "create table t (a int)" },
        { 'T', false, "insert into t select a from tt" } },
      2 },
    { "one that was dropped would cover the real one",
      { { 'P', false, "create temporary table tt (a int)" },
        { 'A', true, "drop table tt" },
        { 'A', true, "create table tt (a int)" },
        { 'T', false, "insert into tt values (1)" } },
      3 },
    { "an address is no variable",
      { { 'V', true, "set @a = (select 1)" },
        { 'A', true, "create table t (a int)" },
        { 'T', false, "insert into t values ('a@b')" } },
      -1 },
};

Test(mydb_rules, a_lost_session_blocks_only_what_needs_it)
{
    for (size_t i = 0; i < sizeof resumes / sizeof *resumes; i++) {
        struct statement statements[5];
        char texts[5][64];
        bool complete[5] = { false };
        size_t count = 0;
        for (; count < 5 && resumes[i].file[count].class; count++) {
            memcpy(texts[count], resumes[i].file[count].text, sizeof texts[count]);
            statements[count] = make(resumes[i].file[count].class, texts[count]);
            complete[count] = resumes[i].file[count].complete;
        }
        const struct script script = { .statements = statements, .count = count };
        const struct statement *blocked = mydb_resume_blocked(&script, complete);
        const int got = blocked ? (int)(blocked - statements) : -1;
        cr_expect_eq(got, resumes[i].blocked, "%s: %d", resumes[i].name, got);
    }
}

// ---- definitions under other names ----------------------------------------------------------------

Test(mydb_rules, names_are_taken_apart)
{
    static const struct {
        const char *quoted, *schema, *name;
    } rows[] = {
        { "`s`.`t`", "s", "t" }, { "`t`", "", "t" },     { "`a``b`.`c.d`", "a`b", "c.d" },
        { "```.`", "", "`." },   { "`a.b`", "", "a.b" }, { "`s`.``````", "s", "``" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *schema = NULL, *name = mydb_name_parts(rows[i].quoted, &schema);
        cr_expect_str_eq(schema, rows[i].schema, "%s", rows[i].quoted);
        cr_expect_str_eq(name, rows[i].name, "%s", rows[i].quoted);
        free(schema);
        free(name);
    }
}

Test(mydb_rules, a_definition_under_another_name)
{
    char *got =
        mydb_renamed_definition("table", "CREATE TABLE `a``b` (\n  `a``b` int\n)", "`s`.`n`");
    cr_expect_str_eq(got, "CREATE table `s`.`n` (\n  `a``b` int\n)");
    free(got);
    cr_expect_null(mydb_renamed_definition("table", "CREATE ALGORITHM=MERGE VIEW `v` AS", "`n`"));
    cr_expect_null(mydb_renamed_definition("sequence", "CREATE TABLE `v` (a int)", "`n`"));
}

Test(mydb_rules, constraints_get_a_prefix)
{
    static const struct {
        const char *sql, *want;
        struct my_quotes quotes;
    } rows[] = {
        { "alter table t add constraint c check (a)",
          "alter table t add constraint x_c check (a)",
          { 0 } },
        { "ADD CONSTRAINT\n`c d` UNIQUE (a)", "ADD CONSTRAINT\n`x_c d` UNIQUE (a)", { 0 } },
        { "add constraint foreign key (a) references p (a)",
          "add constraint foreign key (a) references p (a)",
          { 0 } },
        { "add constraint if not exists c unique (a)",
          "add constraint if not exists x_c unique (a)",
          { 0 } },
        { "drop foreign key `fk``1`, drop constraint c",
          "drop foreign key `x_fk``1`, drop constraint x_c",
          { 0 } },
        { "drop foreign key if exists f", "drop foreign key if exists x_f", { 0 } },
        { "drop check c", "drop check x_c", { 0 } },
        { "add foreign key f (a) references p (a)",
          "add foreign key f (a) references p (a)",
          { 0 } },
        { "comment 'constraint c', a_constraint b",
          "comment 'constraint c', a_constraint b",
          { 0 } },
        { "`constraint` c /* constraint c */ # constraint c\nconstraint/**/c",
          "`constraint` c /* constraint c */ # constraint c\nconstraint/**/x_c",
          { 0 } },
        { "constraint", "constraint", { 0 } },
        { "comment 'c:\\', add constraint c check (a <> '')",
          "comment 'c:\\', add constraint x_c check (a <> '')",
          { .no_backslash = true } },
        { "comment 'c:\\', add constraint c check (a <> '')",
          "comment 'c:\\', add constraint c check (a <> '')",
          { 0 } },
        { "add constraint \"c\" check (\"a\" <> 1)",
          "add constraint \"x_c\" check (\"a\" <> 1)",
          { .ansi = true } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = mydb_prefix_constraints(rows[i].sql, rows[i].quotes, "x_");
        cr_expect_str_eq(got, rows[i].want, "%s", rows[i].sql);
        free(got);
    }
}

Test(mydb_rules, what_shows_a_time_zone)
{
    cr_expect(mydb_shows_time("`a` timestamp NOT NULL DEFAULT '2020-01-01 00:00:00'"));
    cr_expect_not(mydb_shows_time("`a` timestamp NOT NULL DEFAULT current_timestamp()"));
    cr_expect_not(mydb_shows_time("`a` datetime NOT NULL DEFAULT '2020-01-01 00:00:00'"));
}

Test(mydb_rules, a_trigger_is_told_by_its_head_and_its_body)
{
    static const char shown[] =
        "sql mode\nCREATE DEFINER=`app`@`%` TRIGGER `tr` BEFORE INSERT ON `c` "
        "FOR EACH ROW SET NEW.w=9";
    static const struct {
        const char *sent;
        bool same;
    } rows[] = {
        { "CREATE TRIGGER tr BEFORE INSERT ON c FOR EACH ROW SET NEW.w=9", true },
        { "create trigger if not exists s.`tr`\n before  insert on `S`.c /* x */ for each\nrow SET "
          "NEW.w=9",
          true },
        { "create definer=x trigger tr before insert on c for each row SET NEW.w=9", true },
        { "create trigger tr before insert on c for each row SET NEW.w=8", false },
        { "create trigger tr before insert on c for each row set NEW.w=9", false },
        { "create trigger tr after insert on c for each row SET NEW.w=9", false },
        { "create trigger tr before update on c for each row SET NEW.w=9", false },
        { "create trigger tr before insert on d for each row SET NEW.w=9", false },
        { "create trigger ts before insert on c for each row SET NEW.w=9", false },
        { "create trigger tr before insert on other.c for each row SET NEW.w=9", false },
        { "create trigger", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(mydb_same_trigger(rows[i].sent, shown, "s"), rows[i].same, "%s", rows[i].sent);
    }
}
