/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL statements: what runs in a transaction, what is a step of its own, what is refused. */
#include "migration_classify_support.h"

static const struct class_row outside[] = {
    { "create index concurrently i on t (a)", STEP_NONTX, VERB_CREATE_INDEX, CONC,
      "index i, table t" },
    { "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON ONLY s.T USING btree (a)",
      STEP_NONTX, VERB_CREATE_INDEX, CONC, "index s.I, table s.t" },
    { "create index concurrently on \"S\".\"a\"\"b\" (a)", STEP_NONTX, VERB_CREATE_INDEX, CONC,
      "table S.a\"b" },
    { "create /* x */ index -- y\n concurrently i on db.s.t (a)", STEP_NONTX, VERB_CREATE_INDEX,
      CONC, "index s.i, table s.t" },
    { "create index concurrently i", STEP_NONTX, VERB_CREATE_INDEX, CONC, "" },
    { "create index concurrently i on u&\"t\" (a)", STEP_NONTX, VERB_CREATE_INDEX, CONC, "" },
    { "drop index concurrently a.b.c, d.", STEP_NONTX, VERB_DROP_INDEX, CONC, "index b.c" },
    { "drop index concurrently i", STEP_NONTX, VERB_DROP_INDEX, CONC, "index i" },
    { "drop index concurrently if exists s.I", STEP_NONTX, VERB_DROP_INDEX, CONC, "index s.i" },
    { "reindex index concurrently s.i", STEP_NONTX, VERB_REINDEX, CONC, "index s.i" },
    { "reindex (verbose, tablespace x) table concurrently t", STEP_NONTX, VERB_REINDEX, CONC,
      "table t" },
    { "reindex (concurrently) table t", STEP_NONTX, VERB_REINDEX, CONC, "table t" },
    { "reindex (verbose true, concurrently true) index i", STEP_NONTX, VERB_REINDEX, CONC,
      "index i" },
    { "alter table t detach partition p concurrently", STEP_NONTX, VERB_DETACH_PARTITION, CONC,
      "table t, table p" },
    { "alter table if exists only s.t * detach partition s.p concurrently", STEP_NONTX,
      VERB_DETACH_PARTITION, CONC, "table s.t, table s.p" },
    { "vacuum", STEP_REPEATABLE, VERB_VACUUM, 0, "" },
    { "vacuum (full, analyze) t", STEP_REPEATABLE, VERB_VACUUM, 0, NULL },
    { "reindex schema s", STEP_REPEATABLE, VERB_REINDEX, 0, NULL },
    { "reindex verbose database d", STEP_REPEATABLE, VERB_REINDEX, 0, NULL },
    { "reindex (verbose) system d", STEP_REPEATABLE, VERB_REINDEX, 0, NULL },
    { "reindex schema concurrently s", STEP_OTHER, VERB_REINDEX, CONC, NULL },
    { "cluster", STEP_REPEATABLE, VERB_OTHER, 0, NULL },
    { "cluster verbose", STEP_REPEATABLE, VERB_OTHER, 0, NULL },
    { "cluster (verbose)", STEP_REPEATABLE, VERB_OTHER, 0, NULL },
    { "alter system set work_mem = '1MB'", STEP_REPEATABLE, VERB_ALTER, 0, NULL },
    { "create database d", STEP_OTHER, VERB_CREATE, 0, NULL },
    { "drop database if exists d", STEP_OTHER, VERB_DROP, 0, NULL },
    { "create tablespace s location '/x'", STEP_OTHER, VERB_CREATE, 0, NULL },
    { "drop tablespace s", STEP_OTHER, VERB_DROP, 0, NULL },
    { "create subscription s connection '' publication p", STEP_OTHER, VERB_CREATE, 0, NULL },
    { "drop subscription s", STEP_OTHER, VERB_DROP, 0, NULL },
    { "alter subscription s refresh publication", STEP_OTHER, VERB_ALTER, 0, NULL },
    { "alter subscription s set publication p", STEP_OTHER, VERB_ALTER, 0, NULL },
    { "alter database d set tablespace s", STEP_OTHER, VERB_ALTER, 0, NULL },
};

Test(classify_pg, outside_a_transaction)
{
    support_check_classes(ENGINE_POSTGRESQL, 150020, false, outside, COUNT_OF(outside));
    support_check_classes(ENGINE_POSTGRESQL, 150020, true, outside, COUNT_OF(outside));
}

static const struct class_row inside[] = {
    { "create table t (a int)", STEP_TRANSACTIONAL, VERB_CREATE, TX, "" },
    { "create or replace view v as select 1", STEP_TRANSACTIONAL, VERB_CREATE_OR_REPLACE, TX,
      NULL },
    { "create index i on t (a)", STEP_TRANSACTIONAL, VERB_CREATE_INDEX, TX, "index i, table t" },
    { "create unique index on t (a)", STEP_TRANSACTIONAL, VERB_CREATE_INDEX, TX, "table t" },
    { "create index \"concurrently\" on t (a)", STEP_TRANSACTIONAL, VERB_CREATE_INDEX, TX,
      "index concurrently, table t" },
    { "drop index i, s.j", STEP_TRANSACTIONAL, VERB_DROP_INDEX, TX, "index i, index s.j" },
    { "drop table database", STEP_TRANSACTIONAL, VERB_DROP, TX, NULL },
    { "alter table t add column a int", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
    { "alter table t detach partition p", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
    { "alter table t detach partition p finalize", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
    { "alter type t add value 'x'", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
    { "alter database d set work_mem = '1MB'", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
    { "alter table", STEP_TRANSACTIONAL, VERB_ALTER, TX, "" },
    { "set session a.b = 1", STEP_SESSION, VERB_SET, TX, NULL },
    { "select set_config('standard_conforming_strings', 'on', false), set_config('a.b', '', true)",
      STEP_TRANSACTIONAL, VERB_SET, TX, NULL },
    { "select pg_catalog.set_config('search_path', '', false)", STEP_SESSION, VERB_SET, TX, NULL },
    { "SELECT set_config('a.b', $$x$$, 'off') AS x, Set_Config('a.c', E'y', FALSE) z;",
      STEP_SESSION, VERB_SET, TX, NULL },
    { "select set_config('a.b', '1', false) from t", STEP_TRANSACTIONAL, VERB_DML, TX | CONFIG,
      NULL },
    { "select set_config('a.b', a, false) from t", STEP_TRANSACTIONAL, VERB_DML, TX | CONFIG,
      NULL },
    { "select set_config('a.b', '1', not true)", STEP_TRANSACTIONAL, VERB_DML, TX | CONFIG, NULL },
    { "select 1, set_config('a.b', '1', false)", STEP_TRANSACTIONAL, VERB_DML, TX | CONFIG, NULL },
    { "do $$ begin perform set_config('a.b', '1', false); end $$", STEP_TRANSACTIONAL, VERB_OTHER,
      TX | CONFIG, NULL },
    { "select 'set_config(' from t", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "select dblink_exec('c', 'delete from t')", STEP_TRANSACTIONAL, VERB_DML, TX | LEAVES, NULL },
    { "select * from public.dblink ('c', 'select 1') t (a int)", STEP_TRANSACTIONAL, VERB_DML,
      TX | LEAVES, NULL },
    { "insert into t select lo_export(1, '/tmp/x')", STEP_TRANSACTIONAL, VERB_DML, TX | LEAVES,
      NULL },
    { "copy t to program 'cat'", STEP_TRANSACTIONAL, VERB_COPY, TX | LEAVES, NULL },
    { "copy t from program 'cat'", STEP_TRANSACTIONAL, VERB_COPY, TX | LEAVES, NULL },
    { "copy program from '/x'", STEP_TRANSACTIONAL, VERB_COPY, TX, NULL },
    { "select dblink from t where dblink_exec = 1", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "do $$ begin perform dblink_exec('c', 'x'); end $$", STEP_TRANSACTIONAL, VERB_OTHER,
      TX | LEAVES, NULL },
    { "alter subscription s disable", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
    { "alter subscription s set publication p with (refresh = false)", STEP_TRANSACTIONAL,
      VERB_ALTER, TX, NULL },
    { "reindex table t", STEP_TRANSACTIONAL, VERB_REINDEX, TX, NULL },
    { "reindex (concurrently false) index i", STEP_TRANSACTIONAL, VERB_REINDEX, TX, NULL },
    { "cluster t using i", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "refresh materialized view concurrently v", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "analyze t", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "insert into t values (1)", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "with x as (select 1) update t set a = 1", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "(select 1) union (select 2)", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "select 'vacuum; commit'", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "call p()", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "do $$ begin commit; end $$", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "savepoint a", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "rollback to a", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "ROLLBACK WORK TO SAVEPOINT a", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "release a", STEP_TRANSACTIONAL, VERB_OTHER, TX, NULL },
    { "set search_path = a, b", STEP_SESSION, VERB_SET, TX, NULL },
    { "reset role", STEP_SESSION, VERB_SET, TX, NULL },
    { "set session authorization x", STEP_SESSION, VERB_SET, TX, NULL },
    { "set local lock_timeout = 0", STEP_TRANSACTIONAL, VERB_SET, TX, NULL },
    { "set constraints all deferred", STEP_TRANSACTIONAL, VERB_SET, TX, NULL },
    { "set transaction isolation level serializable", STEP_TRANSACTIONAL, VERB_SET_TRANSACTION, TX,
      NULL },
    { "create temp table t (a int)", STEP_TRANSACTIONAL, VERB_CREATE, TX | TOUCHES, "temporary t" },
    { "create temporary view v as select 1", STEP_TRANSACTIONAL, VERB_CREATE, TX | TOUCHES, NULL },
    { "create table pg_temp.t (a int)", STEP_TRANSACTIONAL, VERB_CREATE, TX | TOUCHES, NULL },
    { "select * into temp table x from t", STEP_TRANSACTIONAL, VERB_DML, TX | TOUCHES,
      "temporary x" },
    { "create local temp table t (a int)", STEP_TRANSACTIONAL, VERB_CREATE, TX | TOUCHES, NULL },
    { "create table weather (temp int, temporary int)", STEP_TRANSACTIONAL, VERB_CREATE, TX, NULL },
    { "insert into temp values (1)", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "select temp from temporary", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "do $$ begin perform attempt, template from temp; end $$", STEP_TRANSACTIONAL, VERB_OTHER, TX,
      NULL },
    { "select pg_advisory_lock(1)", STEP_TRANSACTIONAL, VERB_DML, TX | TOUCHES, NULL },
    { "select pg_catalog.pg_try_advisory_lock_shared(1)", STEP_TRANSACTIONAL, VERB_DML,
      TX | TOUCHES, NULL },
    { "select pg_advisory_xact_lock(1)", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "prepare p as select $1", STEP_TRANSACTIONAL, VERB_OTHER, TX | TOUCHES, NULL },
    { "deallocate all", STEP_TRANSACTIONAL, VERB_OTHER, TX | TOUCHES, NULL },
    { "discard temp", STEP_TRANSACTIONAL, VERB_OTHER, TX | TOUCHES, NULL },
    { "declare c cursor with hold for select 1", STEP_TRANSACTIONAL, VERB_OTHER, TX | TOUCHES,
      NULL },
    { "listen x", STEP_TRANSACTIONAL, VERB_OTHER, TX | TOUCHES, NULL },
    { "do $$ begin create temp table t (a int); end $$", STEP_TRANSACTIONAL, VERB_OTHER,
      TX | TOUCHES, NULL },
};

Test(classify_pg, inside_a_transaction)
{
    support_check_classes(ENGINE_POSTGRESQL, 150020, false, inside, COUNT_OF(inside));
    support_check_classes(ENGINE_POSTGRESQL, 0, false, inside, COUNT_OF(inside));
}

static const struct class_row directed[] = {
    { "call p()", STEP_OTHER, VERB_OTHER, 0, NULL },
    { "do $$ begin commit; end $$", STEP_OTHER, VERB_OTHER, 0, NULL },
    { "reindex table partitioned", STEP_REPEATABLE, VERB_REINDEX, 0, "table partitioned" },
    { "cluster partitioned using i", STEP_REPEATABLE, VERB_OTHER, 0, NULL },
    { "insert into t values (1)", STEP_TRANSACTIONAL, VERB_DML, TX, NULL },
    { "create table t (a int)", STEP_TRANSACTIONAL, VERB_CREATE, TX, NULL },
    { "set lock_timeout = 0", STEP_SESSION, VERB_SET, TX, NULL },
};

Test(classify_pg, with_transaction_none_what_may_commit_runs_outside)
{
    support_check_classes(ENGINE_POSTGRESQL, 150020, true, directed, COUNT_OF(directed));
}

static const struct class_row old_server[] = {
    { "alter type s.t add value if not exists 'x'", STEP_OTHER, VERB_ALTER, 0, NULL },
    { "alter type t rename value 'a' to 'b'", STEP_TRANSACTIONAL, VERB_ALTER, TX, NULL },
};

Test(classify_pg, before_version_12_a_value_is_added_outside)
{
    support_check_classes(ENGINE_POSTGRESQL, 110022, false, old_server, COUNT_OF(old_server));
}

static const struct split_error control[] = {
    { "BEGIN", "select 1;\n begin;\nselect 2; commit;",
      "V1__x.sql:2:2: BEGIN in a migration: every file runs in one transaction of its own, "
      "recorded with it; delete BEGIN and COMMIT, or make each block a file" },
    { "START TRANSACTION", "start transaction isolation level serializable;",
      "V1__x.sql:1:1: START TRANSACTION in a migration" },
    { "COMMIT", "commit", "COMMIT in a migration" },
    { "COMMIT AND CHAIN", "commit and chain", "COMMIT in a migration" },
    { "COMMIT PREPARED", "commit prepared 'x'", "COMMIT PREPARED in a migration" },
    { "END", "/* x */ end;", "V1__x.sql:1:9: END in a migration" },
    { "ROLLBACK", "rollback", "ROLLBACK in a migration" },
    { "ROLLBACK WORK", "rollback work;", "ROLLBACK in a migration" },
    { "ROLLBACK PREPARED", "rollback prepared 'x'", "ROLLBACK in a migration" },
    { "ABORT", "abort transaction", "ABORT in a migration" },
    { "control behind COPY data", "copy t from stdin;\n1\n\\.\ncommit;",
      "V1__x.sql:4:1: COMMIT in a migration" },
};

Test(classify_pg, transaction_control_is_refused)
{
    support_check_errors(ENGINE_POSTGRESQL, control, COUNT_OF(control), REASON_TRANSACTION_CONTROL);
}

static const struct split_error refused[] = {
    { "PREPARE TRANSACTION", "prepare transaction 'x'",
      "V1__x.sql:1:1: PREPARE TRANSACTION in a migration" },
    { "DISCARD ALL", "discard all", "DISCARD ALL would drop the lock that protects this run" },
    { "all advisory locks", "select pg_advisory_unlock_all()",
      "pg_advisory_unlock_all() would drop the lock" },
    { "a read-only transaction", "set transaction read only",
      "cannot record the migration: remove READ ONLY" },
    { "a read-only session",
      "set session characteristics as transaction isolation level serializable, read only",
      "remove READ ONLY" },
    { "a late SET TRANSACTION", "select 1;\nset transaction isolation level serializable",
      "V1__x.sql:2:1: SET TRANSACTION must be the first statement" },
};

Test(classify_pg, what_breaks_the_run_is_refused)
{
    support_check_errors(ENGINE_POSTGRESQL, refused, COUNT_OF(refused), REASON_INVALID_MIGRATION);
}
