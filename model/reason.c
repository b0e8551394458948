/* SPDX-License-Identifier: Apache-2.0 */
/* The closed table of reasons. */
#include "model/reason.h"
#include "base/str.h"

#define NONE REASON_CLASS_NONE
#define RETRY REASON_CLASS_RETRY
#define WAITS REASON_CLASS_WAIT
#define STALL REASON_CLASS_STALL
#define STICKY REASON_CLASS_STICKY
#define EVENT REASON_CLASS_EVENT
#define COMMAND REASON_CLASS_COMMAND

const struct reason reasons[] = {
    { REASON_RECONCILIATION_SUCCEEDED, NONE, 0,
      "every database is at the wanted commit and says so itself", "nothing" },
    { REASON_SUCCEEDED, NONE, 0, "the roll-out of this generation and commit ended well",
      "nothing" },
    { REASON_FAILED, NONE, 3, "the roll-out of this generation and commit ended in a failure",
      "read the Stalled condition: it names the database, the file and the cause" },
    { REASON_PROGRESSING, NONE, 0, "a roll-out is on its way",
      "wait; status.progress counts databases" },
    { REASON_PROGRESSING_WITH_RETRY, NONE, 0,
      "something is missing or does not answer, and is tried again until spec.timeout",
      "read the message; provide what it names" },
    { REASON_SUSPENDED, NONE, 0, "spec.suspend is true: running Jobs finish, nothing new starts",
      "set spec.suspend to false" },
    { REASON_INVALID_SPEC, STALL, 1,
      "the plan, or the command's arguments, cannot be used as written",
      "correct the field that the message names" },
    { REASON_SOURCE_UNAVAILABLE, RETRY, 9, "the git server does not answer",
      "check spec.source.url, the network and the server; it is retried automatically" },
    { REASON_SOURCE_FETCH_FAILED, RETRY, 9, "the git server answered, but the fetch failed",
      "read the message: credentials, a missing repository, or a broken transfer" },
    { REASON_SOURCE_TOO_LARGE, STALL, 6, "the repository or the plan's paths pass a limit",
      "name narrower paths, or split the files; docs/reference/limits.md has the numbers" },
    { REASON_REVISION_NOT_FOUND, RETRY, 4, "the branch, tag or commit is not in the repository",
      "push it, or correct spec.source.ref or spec.revision" },
    { REASON_HISTORY_REWRITTEN, STALL, 6,
      "the new tip does not descend from the last applied commit and changes applied files",
      "push a commit that keeps the applied files, or set spec.source.allowRewrite" },
    { REASON_HOST_KEY_MISMATCH, STALL, 5,
      "the ssh server shows a key that known_hosts does not have",
      "verify the server's key by other means, then correct known_hosts in the source Secret" },
    { REASON_SECRET_INVALID, RETRY, 1,
      "a Secret or ConfigMap is missing, incomplete or contradicts itself",
      "correct the key that the message names" },
    { REASON_NO_DATABASES, RETRY, 4, "the plan names no database",
      "add an entry to spec.databases" },
    { REASON_INVALID_MIGRATION, STALL, 6, "a file under the plan's paths cannot be used",
      "correct the file at the line that the message names, and push" },
    { REASON_TRANSACTION_CONTROL, STALL, 3,
      "a file contains BEGIN, COMMIT, ROLLBACK or the like; Sluice begins and ends the "
      "transactions",
      "remove the statement, or split the file where it stood" },
    { REASON_DUPLICATE_VERSION, STALL, 6,
      "two files have the same version, or the same description",
      "rename or remove one of the two" },
    { REASON_CHECKSUM_MISMATCH, STALL, 6, "a file was changed after it had been applied",
      "restore the file as it was and put the change into a new one" },
    { REASON_DESCRIPTION_MISMATCH, STALL, 6, "a file was renamed after it had been applied",
      "restore the file's name" },
    { REASON_MIGRATION_MISSING, STALL, 6,
      "a version that is applied, as a whole or half-way, has no file any more",
      "restore the file; what is applied as a whole may be ignored with ignoreMigrationPatterns "
      "\"*:missing\"" },
    { REASON_OUT_OF_ORDER, STALL, 6, "a new file has a version below one that is applied",
      "give it a higher version, or allow it with outOfOrder" },
    { REASON_BASELINE_REQUIRED, STALL, 6, "the schema holds objects but no history table",
      "set baselineOnMigrate and baselineVersion, or run `sluice baseline`" },
    { REASON_FAILED_HISTORY_ROW, STALL, 6,
      "the history table has a failed row that the journal does not explain",
      "undo what the failed file left behind, then remove the row with the command that is "
      "printed: `sluice repair`" },
    { REASON_HISTORY_REGRESSED, STALL, 6,
      "the database's history is shorter than it was: restored from a backup?",
      "check the database; `sluice retry` goes on from where it is" },
    { REASON_HISTORY_TAMPERED, STALL, 6,
      "the journal's hash chain is broken: rows were changed by hand",
      "find out who changed them; restore the journal from a backup, or drop sluice_journal and "
      "sluice_lease: the history then counts as a real Flyway's" },
    { REASON_HISTORY_TOO_LARGE, STALL, 6,
      "the history table or the journal has more rows than can be read",
      "`sluice prune` for the journal; a new history table with a baseline for the history" },
    { REASON_TARGET_CHANGED, STICKY, 10, "the Secret now names another database",
      "correct it and `sluice retry`, or accept: annotation sluice.dev/accept-target" },
    { REASON_TARGET_ID_CONFLICT, STALL, 10,
      "the database belongs to another plan, entry or cluster",
      "remove one of the two entries, or accept it: annotation sluice.dev/accept-target" },
    { REASON_TARGET_READ_ONLY, RETRY, 9, "the server is read-only: a standby, or read_only is set",
      "point the Secret at the primary; it is retried automatically" },
    { REASON_ROLE_TOO_POWERFUL, STALL, 5, "the role is a superuser, or has rights equal to one",
      "use a role that owns just its schema, or set execution.allowSuperuser" },
    { REASON_POOLER_UNSUPPORTED, STALL, 6,
      "a transaction pooler is between Sluice and the server: session locks do not hold there",
      "point the Secret at the server itself, or at a session pooler" },
    { REASON_UNSUPPORTED_TOPOLOGY, STALL, 6,
      "the server is part of a cluster in which locks do not hold",
      "use a topology with one primary" },
    { REASON_UNSUPPORTED_SERVER, STALL, 6,
      "the server's kind or version is not supported, or it refuses what Sluice itself needs",
      "upgrade the server, or change what the message names" },
    { REASON_DATABASE_UNAVAILABLE, RETRY, 9, "the database does not answer",
      "check host, port, network and server; it is retried automatically" },
    { REASON_DATABASE_BUSY, RETRY, 7, "another runner, or a real Flyway, holds the migration lock",
      "wait until it ends; it is retried automatically" },
    { REASON_ACCESS_DENIED, RETRY, 5, "the login was refused, or the role lacks a right",
      "correct user and password in the Secret, or grant the right that the message names" },
    { REASON_TLS_VERIFICATION_FAILED, RETRY, 5, "the server's certificate could not be verified",
      "give the CA by tls.caRef or key ca.crt, and use the host name that the certificate has" },
    { REASON_DATABASE_DISK_FULL, RETRY, 9, "the server has no space left",
      "free disk space on the server; it is retried automatically" },
    { REASON_LOCK_TIMEOUT, RETRY, 2, "a table lock was not granted within execution.lockRetryFor",
      "end the session that holds it, which the message names, or choose a time when the table is "
      "used less" },
    { REASON_DEADLOCK, RETRY, 9, "the server aborted the transaction because of a deadlock",
      "nothing; it is retried automatically" },
    { REASON_WAITING_FOR_OLD_SESSION, RETRY, 7,
      "the session of a killed runner still works in the database",
      "wait, end that session, or set execution.oldSessions to Terminate" },
    { REASON_MIGRATION_FAILED, STICKY, 3, "a statement failed; the message names file and line",
      "correct the file and push, or `sluice retry` when the cause is gone" },
    { REASON_OUTCOME_UNKNOWN, STICKY, 8,
      "a runner ended inside a statement, and nothing tells whether it took effect",
      "find out whether the statement took effect, then run the command that says so: `sluice "
      "resolve`" },
    { REASON_CANARY_FAILED, STICKY, 3, "a database of the first wave failed; no other was touched",
      "correct the file and push, or `sluice retry` when the cause is gone" },
    { REASON_GATE_FAILED, STICKY, 3, "a gate of a wave failed; later waves were not touched",
      "push a fix, or `sluice retry` to soak again" },
    { REASON_ANALYSIS_UNAVAILABLE, WAITS, 9, "a gate has no result, so the roll-out waits",
      "correct the gate's query or its database; the message has the error" },
    { REASON_SOAKING, WAITS, 0, "a wave is applied and is being watched",
      "wait; the message says until when" },
    { REASON_AWAITING_WINDOW, WAITS, 0,
      "no window of spec.windows is open, or a freeze holds it shut",
      "wait; the message says until when; to start before that, edit the plan's windows and "
      "freezes" },
    { REASON_JOB_REJECTED, RETRY, 5, "the API server did not take a Job or what it mounts",
      "raise the quota, grant the right or change execution.job as the message says" },
    { REASON_RUNNER_NOT_STARTED, RETRY, 2, "a Job did not start within execution.startTimeout",
      "read the Job's events and log; it is retried automatically" },
    { REASON_ATTEMPT_INTERRUPTED, RETRY, 143,
      "a runner was stopped or died; what it left is settled first",
      "nothing; it is retried automatically" },
    { REASON_NAME_CONFLICT, RETRY, 1, "an object with our name but not our content exists",
      "remove the object that the message names" },
    { REASON_DEADLINE_EXCEEDED, STALL, 2, "spec.timeout passed",
      "provide what the message names; then it goes on by itself, or by `sluice retry`" },
    { REASON_ASSIGNMENT_STALE, RETRY, 10,
      "an assignment no longer matches the database or the runner",
      "nothing; a new one is made automatically" },
    { REASON_FORMAT_TOO_NEW, STALL, 6, "a newer Sluice wrote this; an older one must not touch it",
      "upgrade this Sluice" },
    { REASON_RECOVERED_FROM_HISTORY, EVENT, 0,
      "the status was lost or out of date; it was filled again from the databases", "nothing" },
    { REASON_OUTCOME_RESOLVED, EVENT, 0, "a person's verdict on an unknown outcome was recorded",
      "nothing" },
    { REASON_TAG_MOVED, EVENT, 0, "the tag now names another commit",
      "prefer tags that do not move" },
    { REASON_WINDOW_MISSED, EVENT, 0, "a window has ended, and no file was applied in it",
      "see what held the roll-out back; it goes on when the next window opens" },
    { REASON_PAUSED, EVENT, 0,
      "a window ended while files were left: the file at work was ended, no other begun",
      "nothing; it goes on when the next window opens" },
    { REASON_FILES_PASSED_OVER, EVENT, 0,
      "files end as migrations do, but have no migration's name, and are passed over as in Flyway",
      "rename them or move them elsewhere; migrations.validateMigrationNaming makes them an "
      "error" },
    { REASON_USAGE, COMMAND, 1, "the command line is wrong", "`sluice help COMMAND`" },
    { REASON_INTERNAL, COMMAND, 1, "the machine or the program itself failed",
      "read the message; report it" },
    { REASON_NOT_FOUND, COMMAND, 4, "what the command names does not exist",
      "`sluice get` lists what exists" },
    { REASON_TIMED_OUT, COMMAND, 2, "the command's --timeout passed",
      "wait longer, or read `sluice describe`" },
    { REASON_API_UNAVAILABLE, COMMAND, 9, "the API server of the cluster does not answer",
      "check the kubeconfig's server and the network, or wait" },
    { REASON_FORBIDDEN, COMMAND, 5, "the API server does not allow it",
      "`kubectl auth can-i` shows what you may; have a Role grant the rest" },
    { REASON_CONTROLLER_RUNNING, COMMAND, 7, "another controller works on the folder",
      "stop that one first, or give this one a folder of its own" },
    { REASON_ADDRESS_IN_USE, COMMAND, 1, "an address of the controller's servers cannot be used",
      "name another one with the option that the message names; port 0 is any, off is none" },
    { REASON_PENDING, COMMAND, 6, "files are not applied, or not in their present form",
      "apply them, or let them pass with ignoreMigrationPatterns \"*:pending\"" },
    { REASON_INTERRUPTED, COMMAND, 143, "SIGTERM or SIGINT: cancelled, rolled back or recorded",
      "run it again; what it left is settled first" },
};

const size_t reason_count = sizeof reasons / sizeof *reasons;

const struct reason *reason_find(const char *name)
{
    for (size_t i = 0; i < reason_count; i++) {
        if (str_eq(reasons[i].name, name)) {
            return &reasons[i];
        }
    }
    return NULL;
}

int reason_exit_code(const char *name)
{
    const struct reason *r = reason_find(name);
    return r ? r->exit_code : 1;
}

/* A command on one database has options where a plan has fields, and nobody tries it again by itself. */
static const struct {
    const char *name, *remedy;
} here[] = {
    { REASON_INVALID_SPEC, "correct the option that the message names" },
    { REASON_SOURCE_UNAVAILABLE, "check --repo, the network and the server, then run it again" },
    { REASON_SOURCE_FETCH_FAILED,
      "read the message: --git-credentials, a missing repository, or a broken transfer" },
    { REASON_REVISION_NOT_FOUND, "push it, or correct --ref" },
    { REASON_HOST_KEY_MISMATCH,
      "verify the server's key by other means, then correct known_hosts in the folder of "
      "--git-credentials" },
    { REASON_SECRET_INVALID,
      "correct the file in the folder of --git-credentials that the message names" },
    { REASON_INVALID_MIGRATION, "correct what the message names, then run it again" },
    { REASON_MIGRATION_MISSING,
      "restore the file; what is applied as a whole may be ignored with --ignore-pattern "
      "'*:missing'" },
    { REASON_OUT_OF_ORDER, "give it a higher version, or allow it with --out-of-order" },
    { REASON_BASELINE_REQUIRED,
      "record which version the schema already has, with the command that is printed; "
      "--baseline-version names another version than 1" },
    { REASON_TARGET_ID_CONFLICT, "do it by the plan as the message says, or add --force" },
    { REASON_TARGET_READ_ONLY, "name the primary in --url, then run it again" },
    { REASON_POOLER_UNSUPPORTED, "name the server itself, or a session pooler, in --url" },
    { REASON_DATABASE_UNAVAILABLE,
      "check host, port, database, network and server, then run it again" },
    { REASON_DATABASE_BUSY, "wait until it ends, then run it again; --lock-wait waits longer" },
    { REASON_ACCESS_DENIED,
      "name the right user in --url and give its password by $SLUICE_PASSWORD or --password-file, "
      "or grant the right that the message names" },
    { REASON_TLS_VERIFICATION_FAILED,
      "name the CA's file in --url by sslrootcert= (MySQL, MariaDB: ssl-ca=), and the host as the "
      "certificate has it; without TLS, on a network that you trust: sslmode=disable "
      "(ssl-mode=DISABLED)" },
    { REASON_DATABASE_DISK_FULL, "free disk space on the server, then run it again" },
    { REASON_LOCK_TIMEOUT,
      "end the session that holds it, which the message names, then run it again; --lock-retry-for "
      "tries longer" },
    { REASON_DEADLOCK, "run it again: what was done is kept, the rest was taken back" },
    { REASON_WAITING_FOR_OLD_SESSION,
      "wait, or end that session on the server, then run it again" },
    { REASON_MIGRATION_FAILED, "correct the file, or remove the cause, then run it again: what has "
                               "taken effect is not repeated" },
    { REASON_OUTCOME_UNKNOWN,
      "find out whether the statement took effect, then run the command that says so" },
    { REASON_ASSIGNMENT_STALE, "run it again" },
    { REASON_PENDING, "apply them with `sluice migrate`, or let them pass with --ignore-pattern "
                      "'*:pending'" },
    { REASON_NOT_FOUND, "`sluice info` shows what there is" },
};

const char *reason_here(const char *name)
{
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        if (str_eq(here[i].name, name)) {
            return here[i].remedy;
        }
    }
    return NULL;
}

const struct exit_code exit_codes[] = {
    { 0, "done, nothing to do, condition met" },
    { 1, "usage or internal error" },
    { 2, "timed out" },
    { 3, "migration failed; plan Stalled" },
    { 4, "not found" },
    { 5, "access denied" },
    { 6, "validation failed (checksum, missing, out of order, invalid file)" },
    { 7, "busy or fenced: another runner holds the database" },
    { 8, "outcome unknown: a verdict is needed" },
    { 9, "source or database unreachable" },
    { 10, "the database moved since the plan was made, or the assignment is stale" },
    { 143, "interrupted by SIGTERM: cancelled, rolled back or recorded" },
};
const size_t exit_code_count = sizeof exit_codes / sizeof *exit_codes;
