/* SPDX-License-Identifier: Apache-2.0 */
/* Every maximum in one list: value, unit, reason. docs/reference/limits.md is compared with it by a test. */
#pragma once

#define LIMIT_ERR_MESSAGE 1024                 /* bytes; a condition message stays readable */
#define LIMIT_JSON_DEPTH 64                    /* nested containers; nobody writes deeper by hand */
#define LIMIT_JSON_TEXT (64 * 1024 * 1024)     /* bytes of one JSON document */
#define LIMIT_YAML_TEXT (4 * 1024 * 1024)      /* bytes of one manifest file; etcd takes 1.5 MiB */
#define LIMIT_YAML_DOCUMENTS 10000             /* documents of one manifest file */
#define LIMIT_MIGRATION_FILE (8 * 1024 * 1024) /* bytes of an SQL file in memory, or in a Job */
#define LIMIT_STREAM_FILE (256 * 1024 * 1024)  /* bytes of an SQL file that runs from its folder */
#define LIMIT_MIGRATIONS 10000                 /* files under one plan's paths */
#define LIMIT_TREE_BYTES (64 * 1024 * 1024)    /* of all SQL files of one database there */
#define LIMIT_SOURCES (256 * 1024 * 1024)      /* bytes of all plans' files in the controller */
#define LIMIT_TREE_ENTRIES 200000              /* tree entries read while walking a plan's paths */
#define LIMIT_TREE_DEPTH 32                    /* folders below a path */
#define LIMIT_NOTICES 20        /* notices of files that are passed over; then only their number */
#define LIMIT_STATEMENTS 100000 /* statements of a file that is in memory */
#define LIMIT_RECORDED 500000   /* of a MariaDB file that have their own rows */
#define LIMIT_SPOOL (4L * 1024 * 1024 * 1024) /* bytes on disk for those of a larger one */
#define LIMIT_EXPANDED (16 * 1024 * 1024)     /* bytes of it after placeholder replacement */
#define LIMIT_DATABASES 2000                  /* entries of spec.databases */
#define LIMIT_WAVES 32                        /* spec.strategy.waves */
#define LIMIT_GATES 16                        /* gates of one list */
#define LIMIT_WINDOWS 16                      /* spec.windows, and as many spec.freezes */
#define LIMIT_PLACEHOLDERS 128                /* user placeholders of one plan or command */
#define LIMIT_LABELS 16                       /* labels of one database entry */
#define LIMIT_URL 2048                        /* bytes of a source or database url */
#define LIMIT_PATH 1024                       /* bytes of a path in the repository */
#define LIMIT_QUERY 4096                      /* bytes of a gate's query */
#define LIMIT_STATUS (512 * 1024)             /* bytes of a plan's status */
#define LIMIT_RESULT 4096                     /* bytes of a runner's result line */
#define LIMIT_RESULT_MESSAGE 512              /* bytes of the message in it */
#define LIMIT_PACK (256 * 1024 * 1024)        /* bytes received by one fetch */
#define LIMIT_OBJECT (64 * 1024 * 1024)       /* bytes of one git object */
#define LIMIT_OBJECTS 500000                  /* objects in one pack */
#define LIMIT_HISTORY_ROWS 100000             /* rows read from a history table */
#define LIMIT_JOURNAL_ROWS 1000000            /* rows read from a journal */
#define LIMIT_LIST_PAGE (16 * 1024 * 1024)    /* bytes of one page of a list of the API server */
#define LIMIT_SPEC (1024 * 1024)              /* bytes of a plan's spec, as JSON */
#define LIMIT_WATCH_EVENT (4 * 1024 * 1024) /* bytes of one event of a watch; etcd takes 1.5 MiB */
