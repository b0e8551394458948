/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL and MariaDB statements: class, direction and the objects that decide after a crash. */
#include "migration_classify_support.h"
#include "model/history.h"

#define S_ STEP_SESSION
#define T_ STEP_TRANSACTIONAL
#define A_ STEP_ATOMIC
#define R_ STEP_REPEATABLE
#define X_ STEP_OTHER

static const struct class_row session[] = {
    { "set names utf8mb4", S_, VERB_SET, TX, NULL },
    { "set character set utf8", S_, VERB_SET, TX, NULL },
    { "set @a = 1, @b = @@version", S_, VERB_SET, TX, NULL },
    { "set @a = 1, @b = (select 1)", T_, VERB_SET, TX, NULL },
    { "set @a = f()", T_, VERB_SET, TX, NULL },
    { "set @a = next value for s", T_, VERB_SET, TX, NULL },
    { "set @id := last_insert_id(), sql_mode = ''", T_, VERB_SET, TX, NULL },
    { "set sql_mode = concat(@@sql_mode, ',ANSI')", T_, VERB_SET, TX, NULL },
    { "set foreign_key_checks = 0", S_, VERB_SET, TX, NULL },
    { "set session transaction isolation level read committed", S_, VERB_SET, TX, NULL },
    { "set role x", S_, VERB_SET, TX, NULL },
    { "use other", S_, VERB_SET, TX, NULL },
    { "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */", S_, VERB_SET, TX, NULL },
    { "/*!40103 SET TIME_ZONE='+00:00' */", S_, VERB_SET, TX, NULL },
    { "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */", S_, VERB_SET, TX,
      NULL },
    { "prepare s from 'select 1'", S_, VERB_OTHER, TX | TOUCHES, NULL },
    { "deallocate prepare s", S_, VERB_OTHER, TX | TOUCHES, NULL },
    { "drop prepare s", S_, VERB_OTHER, TX | TOUCHES, NULL },
    { "lock tables a write, b read", S_, VERB_LOCK_TABLES, TX, NULL },
    { "unlock tables", S_, VERB_UNLOCK_TABLES, TX, NULL },
    { "set global max_connections = 10", R_, VERB_SET, 0, NULL },
    { "set @@global.max_connections = 10", R_, VERB_SET, 0, NULL },
    { "set persist max_connections = 10", R_, VERB_SET, 0, NULL },
    { "set password for a = 'x'", X_, VERB_OTHER, 0, NULL },
    { "set default role a to b", X_, VERB_OTHER, 0, NULL },
};

static const struct class_row dml[] = {
    { "insert into t values (1)", T_, VERB_DML, TX, "" },
    { "replace into t values (1)", T_, VERB_DML, TX, NULL },
    { "update t set a = 1", T_, VERB_DML, TX, NULL },
    { "delete from t", T_, VERB_DML, TX, NULL },
    { "with x as (select 1) delete from t", T_, VERB_DML, TX, NULL },
    { "(select 1) union (select 2)", T_, VERB_DML, TX, NULL },
    { "select * from t for update", T_, VERB_DML, TX, NULL },
    { "/*!50001 insert into t values (1) */", T_, VERB_DML, TX, NULL },
    { "select is_used_lock('x'), 'get_lock(1)'", T_, VERB_DML, TX, NULL },
    { "set statement max_statement_time = 1 for update t set a = 1", T_, VERB_DML, TX, NULL },
    { "select 1 into outfile '/x'", X_, VERB_DML, 0, NULL },
    { "load data infile '/x' into table t", X_, VERB_OTHER, 0, NULL },
    { "call p()", X_, VERB_OTHER, 0, NULL },
    { "do sleep(1)", X_, VERB_OTHER, 0, NULL },
    { "handler t open", X_, VERB_OTHER, 0, NULL },
    { "execute s", X_, VERB_OTHER, 0, NULL },
    { "begin not atomic select 1; end", X_, VERB_OTHER, 0, NULL },
    { "frobnicate t", X_, VERB_OTHER, 0, NULL },
};

static const struct class_row creates[] = {
    { "create table t (a int)", A_, VERB_CREATE, 0, "table t" },
    { "create table if not exists `s`.`t``x` (a int)", A_, VERB_CREATE, 0, "table s.t`x" },
    { "CREATE TABLE T select 1", A_, VERB_CREATE, 0, "table T" },
    { "create table t like u", A_, VERB_CREATE, 0, "table t" },
    { "create or replace table t (a int)", X_, VERB_CREATE_OR_REPLACE, 0, "table t" },
    { "create temporary table t (a int)", R_, VERB_CREATE, TOUCHES, NULL },
    { "create index i on s.t (a)", A_, VERB_CREATE_INDEX, 0, "table s.t" },
    { "create unique index if not exists i using btree on t (a)", A_, VERB_CREATE_INDEX, 0,
      "table t" },
    { "create fulltext index `on` on t (a)", A_, VERB_CREATE_INDEX, 0, "table t" },
    { "create view v as select 1", A_, VERB_CREATE, 0, "view v" },
    { "create algorithm=merge definer=`a`@`b` sql security invoker view s.v as select 1", A_,
      VERB_CREATE, 0, "view s.v" },
    { "create or replace view v as select 1", R_, VERB_CREATE_OR_REPLACE, 0, "view v" },
    { "create trigger if not exists g before insert on t for each row set new.a = 1", A_,
      VERB_CREATE, 0, "trigger g" },
    { "create or replace definer=current_user trigger g before insert on t for each row set new.a "
      "= 1",
      R_, VERB_CREATE_OR_REPLACE, 0, "trigger g" },
    { "create definer = root@localhost procedure p() select 1", A_, VERB_CREATE, 0, "procedure p" },
    { "create function s.f(a int) returns int return get_lock('x', 1)", A_, VERB_CREATE, 0,
      "function s.f" },
    { "create function f returns string soname 'x.so'", X_, VERB_CREATE, 0, NULL },
    { "create event e on schedule every 1 day do delete from t", A_, VERB_CREATE, 0, "event e" },
    { "create event e on schedule at now() do select 1", X_, VERB_CREATE, 0, "event e" },
    { "create event e on schedule at now() + interval 1 hour on completion not preserve do select "
      "1",
      X_, VERB_CREATE, 0, "event e" },
    { "create event e on schedule at now() on completion preserve do select 1", A_, VERB_CREATE, 0,
      "event e" },
    { "create or replace event e on schedule at now() on completion preserve do select 1", X_,
      VERB_CREATE_OR_REPLACE, 0, "event e" },
    { "create event e on schedule every 1 day starts now() ends now() + interval 9 day do select 1",
      X_, VERB_CREATE, 0, "event e" },
    { "create or replace event e on schedule every 1 day do select 1", R_, VERB_CREATE_OR_REPLACE,
      0, "event e" },
    { "create sequence q", A_, VERB_CREATE, 0, "sequence q" },
    { "create or replace sequence q", X_, VERB_CREATE_OR_REPLACE, 0, "sequence q" },
    { "create database /*!32312 if not exists*/ d /*!40100 default character set utf8 */", A_,
      VERB_CREATE, 0, "database d" },
    { "create schema d", A_, VERB_CREATE, 0, "database d" },
    { "create or replace database d", X_, VERB_CREATE_OR_REPLACE, 0, NULL },
    { "create user u identified by 'x'", X_, VERB_CREATE, 0, NULL },
    { "create user if not exists u", R_, VERB_CREATE, 0, NULL },
    { "create or replace role r", R_, VERB_CREATE_OR_REPLACE, 0, NULL },
    { "create server s foreign data wrapper mysql options (host 'x')", X_, VERB_CREATE, 0, NULL },
    { "/*!50001 CREATE ALGORITHM=UNDEFINED */ /*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */ "
      "/*!50001 VIEW `v` AS select 1 */",
      A_, VERB_CREATE, 0, "view v" },
};

static const struct class_row drops[] = {
    { "drop table t", A_, VERB_DROP, 0, "table t" },
    { "drop table if exists s.t cascade", A_, VERB_DROP, 0, "table s.t" },
    { "drop temporary table t, u", R_, VERB_DROP, TOUCHES, NULL },
    { "drop view if exists v", A_, VERB_DROP, 0, "view v" },
    { "drop index i on t", A_, VERB_DROP_INDEX, 0, "table t" },
    { "drop index if exists i on s.t algorithm=inplace", A_, VERB_DROP_INDEX, 0, "table s.t" },
    { "drop trigger if exists s.g", A_, VERB_DROP, 0, "trigger s.g" },
    { "drop procedure p", A_, VERB_DROP, 0, "procedure p" },
    { "drop function f", A_, VERB_DROP, 0, "function f" },
    { "drop event if exists e", A_, VERB_DROP, 0, "event e" },
    { "drop sequence q", A_, VERB_DROP, 0, "sequence q" },
    { "drop database if exists d", A_, VERB_DROP, 0, "database d" },
    { "drop user u", X_, VERB_DROP, 0, NULL },
    { "drop role if exists r", R_, VERB_DROP, 0, NULL },
    { "drop server s", X_, VERB_DROP, 0, NULL },
};

static const struct class_row alters[] = {
    { "alter table t add column a int, drop column b", A_, VERB_ALTER, 0, "table t" },
    { "alter online ignore table if exists s.t wait 5 modify a int", A_, VERB_ALTER, 0,
      "table s.t" },
    { "alter table t rename to u", A_, VERB_RENAME, 0, "table t, table +u" },
    { "alter table t add a int, rename as s.u", A_, VERB_RENAME, 0, "table t, table +s.u" },
    { "alter table t rename u", A_, VERB_RENAME, 0, "table t, table +u" },
    { "alter table t rename column a to b, rename index i to j", A_, VERB_ALTER, 0, "table t" },
    { "alter table t rename key i to j", A_, VERB_ALTER, 0, "table t" },
    { "alter table t exchange partition p with table u", X_, VERB_ALTER, 0, "table t, table u" },
    { "alter table t truncate partition p", X_, VERB_ALTER, 0, "table t" },
    { "alter table t drop partition p", A_, VERB_ALTER, 0, "table t" },
    { "alter table t reorganize partition p into (partition q values less than (3))", A_,
      VERB_ALTER, 0, "table t" },
    { "alter table t import tablespace", X_, VERB_ALTER, 0, "table t" },
    { "alter table t convert to character set utf8mb4", A_, VERB_ALTER, 0, "table t" },
    { "alter table t convert partition p to table u", X_, VERB_ALTER, 0, "table t" },
    { "alter table t engine=InnoDB", R_, VERB_ALTER, 0, "table t" },
    { "alter table t force, algorithm=inplace, lock none", R_, VERB_ALTER, 0, "table t" },
    { "alter table t auto_increment = 7", R_, VERB_ALTER, 0, "table t" },
    { "alter table t order by a, b", A_, VERB_ALTER, 0, "table t" },
    { "alter table t order by a desc", R_, VERB_ALTER, 0, "table t" },
    { "alter table t rebuild partition p, q", A_, VERB_ALTER, 0, "table t" },
    { "alter table t analyze partition all", R_, VERB_ALTER, 0, "table t" },
    { "/*!40000 ALTER TABLE `t` DISABLE KEYS */", R_, VERB_ALTER, 0, "table t" },
    { "alter table t engine=InnoDB comment='x'", A_, VERB_ALTER, 0, "table t" },
    { "alter table t add constraint check (a in (1, 2)), engine=InnoDB", A_, VERB_ALTER, 0,
      "table t" },
    { "alter table t drop a, add a int", X_, VERB_ALTER, 0, "table t" },
    { "alter table t add column if not exists a int, drop column if exists A", X_, VERB_ALTER, 0,
      "table t" },
    { "alter table t drop `a`, add column (b int, a decimal(3,1), c int)", X_, VERB_ALTER, 0,
      "table t" },
    { "alter table t change a b int, change column b a int", X_, VERB_ALTER, 0, "table t" },
    { "alter table t rename column a to b, rename column b to a", X_, VERB_ALTER, 0, "table t" },
    { "alter table t change a b int, add a int", X_, VERB_ALTER, 0, "table t" },
    { "alter table t drop system versioning, add system versioning", X_, VERB_ALTER, 0, "table t" },
    { "alter table t change a a bigint, drop b", A_, VERB_ALTER, 0, "table t" },
    { "alter table t drop a, add b int", A_, VERB_ALTER, 0, "table t" },
    { "alter table t drop index a, add index a (b)", A_, VERB_ALTER, 0, "table t" },
    { "alter table t drop primary key, add primary key (a)", A_, VERB_ALTER, 0, "table t" },
    { "alter table t drop column a, add constraint a check (b > 0)", A_, VERB_ALTER, 0, "table t" },
    { "alter table t drop partition p, add column p int", A_, VERB_ALTER, 0, "table t" },
    { "alter view v as select 1", R_, VERB_ALTER, 0, "view v" },
    { "alter procedure p comment 'x'", R_, VERB_ALTER, 0, "procedure p" },
    { "alter event e disable", R_, VERB_ALTER, 0, "event e" },
    { "alter event e enable", X_, VERB_ALTER, 0, "event e" },
    { "alter event e on schedule every 2 day", X_, VERB_ALTER, 0, "event e" },
    { "alter event e comment 'x' do select 1", R_, VERB_ALTER, 0, "event e" },
    { "alter event e on completion preserve", R_, VERB_ALTER, 0, "event e" },
    { "alter event e rename to f", A_, VERB_RENAME, 0, "event e, event +f" },
    { "alter sequence q maxvalue 5", R_, VERB_ALTER, 0, "sequence q" },
    { "alter sequence q restart with 5", X_, VERB_ALTER, 0, "sequence q" },
    { "alter database character set utf8mb4", R_, VERB_ALTER, 0, NULL },
    { "alter user u identified by 'x'", X_, VERB_ALTER, 0, NULL },
    { "rename table a to b", A_, VERB_RENAME, 0, "table a, table +b" },
    { "rename tables a to b, s.c to s.d", A_, VERB_RENAME, 0,
      "table a, table +b, table s.c, table +s.d" },
    { "rename table a to t, b to a, t to b", X_, VERB_RENAME, 0, NULL },
    { "rename table t to t_old, t_new to T", X_, VERB_RENAME, 0, NULL },
    { "rename user a to b", X_, VERB_RENAME, 0, NULL },
    { "truncate table t", X_, VERB_OTHER, 0, "table t" },
    { "truncate s.t", X_, VERB_OTHER, 0, "table s.t" },
};

static const struct class_row others[] = {
    { "analyze table t", R_, VERB_OTHER, 0, NULL },
    { "analyze local table t", R_, VERB_OTHER, 0, NULL },
    { "analyze update t set a = 1", X_, VERB_OTHER, 0, NULL },
    { "optimize table t", R_, VERB_OTHER, 0, NULL },
    { "check table t", R_, VERB_OTHER, 0, NULL },
    { "repair table t", R_, VERB_OTHER, 0, NULL },
    { "show tables", R_, VERB_OTHER, 0, NULL },
    { "flush privileges", R_, VERB_OTHER, 0, NULL },
    { "grant select on a.* to b", R_, VERB_OTHER, 0, NULL },
    { "revoke select on a.* from b", X_, VERB_OTHER, 0, NULL },
    { "revoke if exists select on a.* from b", R_, VERB_OTHER, 0, NULL },
    { "install plugin a soname 'b'", X_, VERB_OTHER, 0, NULL },
    { "start slave", X_, VERB_OTHER, 0, NULL },
    { "load index into cache t", R_, VERB_OTHER, 0, NULL },
    { "rename table a wait 5 to b", A_, VERB_RENAME, 0, "table a, table +b" },
    { "set global a.key_buffer_size = 5", R_, VERB_SET, 0, NULL },
};

/* What the server will refuse is not judged by objects that were not understood. */
static const struct class_row broken[] = {
    { "create table", X_, VERB_CREATE, 0, "" },
    { "create index i", X_, VERB_CREATE_INDEX, 0, "" },
    { "drop table 1", X_, VERB_DROP, 0, NULL },
    { "drop table a, b.", X_, VERB_DROP, 0, NULL },
    { "drop table a b", A_, VERB_DROP, 0, "table a" },
    { "alter table", X_, VERB_ALTER, 0, NULL },
    { "rename table a, b", X_, VERB_RENAME, 0, NULL },
    { "set sql_mode", S_, VERB_SET, TX, NULL },
};

Test(classify_my, classes_verbs_and_objects)
{
    for (int engine = ENGINE_MARIADB; engine <= ENGINE_MYSQL; engine++) {
        enum engine e = (enum engine)engine;
        support_check_classes(e, 0, false, session, COUNT_OF(session));
        support_check_classes(e, 0, false, dml, COUNT_OF(dml));
        support_check_classes(e, 0, false, creates, COUNT_OF(creates));
        support_check_classes(e, 0, false, drops, COUNT_OF(drops));
        support_check_classes(e, 0, false, alters, COUNT_OF(alters));
        support_check_classes(e, 0, false, others, COUNT_OF(others));
        support_check_classes(e, 0, false, broken, COUNT_OF(broken));
    }
}

static const struct split_error control[] = {
    { "COMMIT AND CHAIN", "commit and chain;", "COMMIT in a migration: its options would be lost" },
    { "ROLLBACK", "rollback;", "ROLLBACK in a migration" },
    { "SET GLOBAL autocommit", "set global autocommit=0;", "SET autocommit in a migration" },
    { "SET autocommit in a list", "set @a = 1, SESSION AUTOCOMMIT = 0;",
      "SET AUTOCOMMIT in a migration" },
    { "SET completion_type", "set completion_type = 'CHAIN'",
      "SET completion_type in a migration" },
    { "in a conditional comment", "/*!40101 rollback */", "ROLLBACK in a migration" },
};

Test(classify_my, transaction_control_is_refused)
{
    support_check_errors(ENGINE_MARIADB, control, COUNT_OF(control), REASON_TRANSACTION_CONTROL);
    support_check_errors(ENGINE_MYSQL, control, COUNT_OF(control), REASON_TRANSACTION_CONTROL);
}

static const struct split_error refused[] = {
    { "RELEASE_LOCK", "select 1;\nselect release_lock('x');",
      "V1__x.sql:2:1: release_lock() in a migration could release the lock that protects this "
      "run" },
    { "RELEASE_ALL_LOCKS", "do release_all_locks()", "release_all_locks() in a migration" },
    { "GET_LOCK", "select get_lock ('x', 1)", "get_lock() in a migration" },
    { "KILL", "kill query 5",
      "KILL in a migration may end the session that holds the lock: remove it" },
    { "XA", "xa start 'x'", "XA in a migration" },
    { "savepoints", "savepoint a", "a savepoint in a migration" },
    { "ROLLBACK TO", "rollback to a", "a savepoint in a migration" },
    { "RELEASE SAVEPOINT", "release savepoint a", "a savepoint in a migration" },
    { "LOAD DATA LOCAL", "load data low_priority local infile 'x' into table t",
      "LOAD DATA LOCAL in a migration" },
    { "FLUSH with a lock", "flush tables with read lock", "FLUSH TABLES with a lock" },
    { "a backup lock", "lock instance for backup", "LOCK in a migration" },
    { "SHUTDOWN", "shutdown", "a shutdown in a migration" },
    { "READ ONLY", "set session transaction read only", "remove READ ONLY" },
};

Test(classify_my, what_breaks_the_run_is_refused)
{
    support_check_errors(ENGINE_MARIADB, refused, COUNT_OF(refused), REASON_INVALID_MIGRATION);
    support_check_errors(ENGINE_MYSQL, refused, COUNT_OF(refused), REASON_INVALID_MIGRATION);
}

struct drop_row {
    const char *text;
    const char *parts[4];
    const char *objects[4];
};

static const struct drop_row drop_lists[] = {
    { "drop table a, `b`, s . c",
      { "drop table a", "drop table `b`", "drop table s . c" },
      { "table a", "table b", "table s.c" } },
    { "drop table if exists a /* x */, b cascade",
      { "drop table if exists a cascade", "drop table if exists b cascade" },
      { "table a", "table b" } },
    { "drop view v, w restrict",
      { "drop view v restrict", "drop view w restrict" },
      { "view v", "view w" } },
    { "/*!50001 DROP VIEW IF EXISTS `v`,`w` */",
      { "/*!50001 DROP VIEW IF EXISTS `v` */", "/*!50001 DROP VIEW IF EXISTS `w` */" },
      { "view v", "view w" } },
    { "drop sequence q, r",
      { "drop sequence q", "drop sequence r" },
      { "sequence q", "sequence r" } },
};

Test(classify_my, a_drop_of_several_is_a_step_for_each)
{
    for (size_t i = 0; i < COUNT_OF(drop_lists); i++) {
        const struct drop_row *row = &drop_lists[i];
        struct script script = { 0 };
        support_expect_ok(support_script(ENGINE_MARIADB, row->text, &script), row->text);
        size_t count = 0;
        while (row->parts[count]) {
            count++;
        }
        cr_assert_eq(script.count, count, "%s", row->text);
        for (size_t k = 0; k < count; k++) {
            const struct statement *s = &script.statements[k];
            char *objects = support_objects(s);
            cr_expect_str_eq(s->text, row->parts[k], "'%s'", s->text);
            cr_expect_str_eq(objects, row->objects[k]);
            cr_expect_eq(s->class, STEP_ATOMIC);
            cr_expect_eq(s->verb, VERB_DROP);
            cr_expect_eq(s->source_offset, 0);
            cr_expect_eq(s->source_length, strlen(row->text));
            cr_expect(memcmp(s->sha256, script.statements[0].sha256, SHA256_LEN) == 0);
            free(objects);
        }
        script_done(&script);
    }
}

Test(classify_my, where_the_server_drops_all_or_nothing_it_is_one_step)
{
    static const struct {
        enum engine engine;
        int32_t version;
        bool whole;
    } servers[] = {
        { ENGINE_MYSQL, 90704, true },     { ENGINE_MYSQL, 80000, true },
        { ENGINE_MYSQL, 0, true },         { ENGINE_MYSQL, 50744, false },
        { ENGINE_MARIADB, 101119, false }, { ENGINE_MARIADB, 0, false },
    };
    const struct placeholders none = { .replacement = false };

    for (size_t i = 0; i < COUNT_OF(drop_lists); i++) {
        const char *text = drop_lists[i].text;
        const struct migration m = support_migration("V1__x.sql", text, strlen(text));
        for (size_t k = 0; k < COUNT_OF(servers); k++) {
            struct script script = { 0 }, split = { 0 };
            const struct identity server = { .engine = servers[k].engine,
                                             .server_version = servers[k].version };
            support_expect_ok(script_parse_on(&server, &m, &none, &script), text);
            support_expect_ok(script_parse_split(&server, &m, &none, &split), text);
            cr_expect_eq(script.count == 1, servers[k].whole, "%s: %zu", text, script.count);
            cr_expect_gt(split.count, 1, "%s", text);
            if (servers[k].whole) {
                cr_expect_str_eq(script.statements[0].text, text);
                cr_expect_eq(script.statements[0].class, STEP_ATOMIC);
                cr_expect_eq(script.statements[0].object_count, split.count, "%s", text);
            }
            script_done(&script);
            script_done(&split);
        }
    }
}

Test(classify_my, lock_tables_is_told_once)
{
    struct script script = { 0 };

    support_expect_ok(
        support_script(ENGINE_MARIADB, "select 1;\nlock tables a write;\nunlock tables;", &script),
        "lock");
    cr_assert_eq(script.notices.count, 1);
    cr_expect_str_eq(script.notices.items[0], "V1__x.sql:2: LOCK TABLES is skipped");
    script_done(&script);
}

static const char dump[] =
    "/*M!999999\\- enable the sandbox mode */ \n"
    "-- MariaDB dump 10.19\n"
    "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n"
    "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;\n"
    "/*!40103 SET TIME_ZONE='+00:00' */;\n"
    "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;\n"
    "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
    "/*!80000 SET SESSION information_schema_stats_expiry=0 */;\n"
    "DROP TABLE IF EXISTS `orders`;\n"
    "CREATE TABLE `orders` (`id` int, `note` text DEFAULT 'a;b\\'') ENGINE=InnoDB;\n"
    "LOCK TABLES `orders` WRITE;\n"
    "/*!40000 ALTER TABLE `orders` DISABLE KEYS */;\n"
    "INSERT INTO `orders` VALUES (1,'it''s; \\\"x\\\" \\\\'),(2,'-- no comment');\n"
    "/*!40000 ALTER TABLE `orders` ENABLE KEYS */;\n"
    "UNLOCK TABLES;\n"
    "/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;\n"
    "/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION' */ ;\n"
    "DELIMITER ;;\n"
    "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER o1 BEFORE INSERT ON "
    "orders FOR EACH ROW BEGIN\n"
    "  IF NEW.id IS NULL THEN SET NEW.id = 0; END IF;\n"
    "END */;;\n"
    "DELIMITER ;\n"
    "/*!50003 SET sql_mode              = @saved_sql_mode */ ;\n"
    "/*!50106 SET @save_time_zone= @@TIME_ZONE */ ;\n"
    "/*!50106 DROP EVENT IF EXISTS `e1` */;\n"
    "DELIMITER ;;\n"
    "/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `e1` ON SCHEDULE EVERY "
    "1 DAY DO begin delete from orders; end */ ;;\n"
    "DELIMITER ;\n"
    "SET @saved_cs_client     = @@character_set_client;\n"
    "/*!50001 CREATE VIEW `v1` AS SELECT 1 AS `id` */;\n"
    "/*!50001 DROP VIEW IF EXISTS `v1`*/;\n"
    "/*!50001 CREATE ALGORITHM=UNDEFINED */\n"
    "/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n"
    "/*!50001 VIEW `v1` AS select `orders`.`id` AS `id` from `orders` */;\n"
    "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n"
    "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n"
    "drop view if exists v1, v2; drop table orders, y;\n";

Test(classify_my, a_dump_is_understood)
{
    struct script script = { 0 };
    char classes[64] = "";

    support_expect_ok(support_script(ENGINE_MARIADB, dump, &script), "dump");
    for (size_t i = 0; i < script.count; i++) {
        classes[i] = (char)script.statements[i].class;
    }
    cr_expect_str_eq(classes, "SSSSSAASRTRSSSASSAASAAASSAAAA", "%s", classes);
    script_done(&script);
}
