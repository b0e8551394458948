/* SPDX-License-Identifier: Apache-2.0 */
/* Every maximum in one list: value, unit, reason. docs/limits.md is compared with it by a test. */
#pragma once

#define LIMIT_ERR_MESSAGE 1024                 /* bytes; a condition message stays readable */
#define LIMIT_JSON_DEPTH 64                    /* nested containers; nobody writes deeper by hand */
#define LIMIT_JSON_TEXT (64 * 1024 * 1024)     /* bytes of one JSON document */
#define LIMIT_YAML_TEXT (4 * 1024 * 1024)      /* bytes of one manifest file; etcd takes 1.5 MiB */
#define LIMIT_MIGRATION_FILE (8 * 1024 * 1024) /* bytes of one SQL file */
#define LIMIT_MIGRATIONS 10000                 /* files under one plan's paths */
#define LIMIT_TREE_BYTES (64 * 1024 * 1024)    /* bytes of all SQL files of one database */
#define LIMIT_TREE_ENTRIES 200000              /* tree entries read while walking a plan's paths */
#define LIMIT_TREE_DEPTH 32                    /* folders below a path */
#define LIMIT_STATEMENTS 100000                /* statements of one file */
#define LIMIT_EXPANDED (16 * 1024 * 1024)      /* bytes of a file after placeholder replacement */
#define LIMIT_DATABASES 2000                   /* entries of spec.databases */
#define LIMIT_WAVES 32                         /* spec.strategy.waves */
#define LIMIT_GATES 16                         /* gates of one list */
#define LIMIT_PLACEHOLDERS 128                 /* user placeholders of one plan or command */
#define LIMIT_LABELS 16                        /* labels of one database entry */
#define LIMIT_URL 2048                         /* bytes of a source or database url */
#define LIMIT_PATH 1024                        /* bytes of a path in the repository */
#define LIMIT_QUERY 4096                       /* bytes of a gate's query */
#define LIMIT_STATUS (512 * 1024)              /* bytes of a plan's status */
#define LIMIT_RESULT 4096                      /* bytes of a runner's result line */
#define LIMIT_PACK (256 * 1024 * 1024)         /* bytes received by one fetch */
#define LIMIT_OBJECT (16 * 1024 * 1024)        /* bytes of one git object */
#define LIMIT_OBJECTS 500000                   /* objects in one pack */
#define LIMIT_HISTORY_ROWS 100000              /* rows read from a history table */
#define LIMIT_JOURNAL_ROWS 1000000             /* rows read from a journal */
#define LIMIT_WATCH_EVENT (4 * 1024 * 1024) /* bytes of one event of a watch; etcd takes 1.5 MiB */
