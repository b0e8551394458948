/* SPDX-License-Identifier: Apache-2.0 */
/* The closed table of reasons: condition, event, metric label, exit code. docs/reference/reasons.md is
 * compared with it by a test, and another test fails for a reason that no test produces.
 * Reasons of parts that are not built yet enter with the part. */
#pragma once
#include <stddef.h>

#define REASON_RECONCILIATION_SUCCEEDED "ReconciliationSucceeded"
#define REASON_SUCCEEDED "Succeeded"
#define REASON_FAILED "Failed"
#define REASON_PROGRESSING "Progressing"
#define REASON_PROGRESSING_WITH_RETRY "ProgressingWithRetry"
#define REASON_SUSPENDED "Suspended"
#define REASON_INVALID_SPEC "InvalidSpec"
#define REASON_SOURCE_UNAVAILABLE "SourceUnavailable"
#define REASON_SOURCE_FETCH_FAILED "SourceFetchFailed"
#define REASON_SOURCE_TOO_LARGE "SourceTooLarge"
#define REASON_REVISION_NOT_FOUND "RevisionNotFound"
#define REASON_HISTORY_REWRITTEN "HistoryRewritten"
#define REASON_HOST_KEY_MISMATCH "HostKeyMismatch"
#define REASON_SECRET_INVALID "SecretInvalid"
#define REASON_NO_DATABASES "NoDatabases"
#define REASON_INVALID_MIGRATION "InvalidMigration"
#define REASON_TRANSACTION_CONTROL "TransactionControlInMigration"
#define REASON_DUPLICATE_VERSION "DuplicateVersion"
#define REASON_CHECKSUM_MISMATCH "ChecksumMismatch"
#define REASON_DESCRIPTION_MISMATCH "DescriptionMismatch"
#define REASON_MIGRATION_MISSING "MigrationMissing"
#define REASON_OUT_OF_ORDER "OutOfOrder"
#define REASON_BASELINE_REQUIRED "BaselineRequired"
#define REASON_FAILED_HISTORY_ROW "FailedHistoryRow"
#define REASON_HISTORY_REGRESSED "HistoryRegressed"
#define REASON_HISTORY_TAMPERED "HistoryTampered"
#define REASON_HISTORY_TOO_LARGE "HistoryTooLarge"
#define REASON_TARGET_CHANGED "TargetChanged"
#define REASON_TARGET_ID_CONFLICT "TargetIdConflict"
#define REASON_TARGET_READ_ONLY "TargetReadOnly"
#define REASON_ROLE_TOO_POWERFUL "RoleTooPowerful"
#define REASON_POOLER_UNSUPPORTED "PoolerUnsupported"
#define REASON_UNSUPPORTED_TOPOLOGY "UnsupportedTopology"
#define REASON_UNSUPPORTED_SERVER "UnsupportedServer"
#define REASON_DATABASE_UNAVAILABLE "DatabaseUnavailable"
#define REASON_DATABASE_BUSY "DatabaseBusy"
#define REASON_ACCESS_DENIED "AccessDenied"
#define REASON_TLS_VERIFICATION_FAILED "TLSVerificationFailed"
#define REASON_DATABASE_DISK_FULL "DatabaseDiskFull"
#define REASON_LOCK_TIMEOUT "LockTimeout"
#define REASON_DEADLOCK "Deadlock"
#define REASON_WAITING_FOR_OLD_SESSION "WaitingForOldSession"
#define REASON_MIGRATION_FAILED "MigrationFailed"
#define REASON_OUTCOME_UNKNOWN "OutcomeUnknown"
#define REASON_CANARY_FAILED "CanaryFailed"
#define REASON_GATE_FAILED "GateFailed"
#define REASON_ANALYSIS_UNAVAILABLE "AnalysisUnavailable"
#define REASON_SOAKING "Soaking"
#define REASON_AWAITING_WINDOW "AwaitingWindow"
#define REASON_JOB_REJECTED "JobRejected"
#define REASON_RUNNER_NOT_STARTED "RunnerNotStarted"
#define REASON_ATTEMPT_INTERRUPTED "AttemptInterrupted"
#define REASON_NAME_CONFLICT "NameConflict"
#define REASON_DEADLINE_EXCEEDED "DeadlineExceeded"
#define REASON_ASSIGNMENT_STALE "AssignmentStale"
#define REASON_FORMAT_TOO_NEW "FormatTooNew"
/* Event only. */
#define REASON_RECOVERED_FROM_HISTORY "RecoveredFromHistory"
#define REASON_OUTCOME_RESOLVED "OutcomeResolved"
#define REASON_TAG_MOVED "TagMoved"
#define REASON_WINDOW_MISSED "WindowMissed"
#define REASON_PAUSED "Paused"
#define REASON_FILES_PASSED_OVER "FilesPassedOver"
/* Never in a condition: the command line's own. */
#define REASON_USAGE "Usage"                          /* exit 1 */
#define REASON_INTERNAL "InternalError"               /* exit 1 */
#define REASON_NOT_FOUND "NotFound"                   /* exit 4 */
#define REASON_TIMED_OUT "TimedOut"                   /* exit 2 */
#define REASON_API_UNAVAILABLE "ApiUnavailable"       /* exit 9 */
#define REASON_FORBIDDEN "Forbidden"                  /* exit 5 */
#define REASON_CONTROLLER_RUNNING "ControllerRunning" /* exit 7 */
#define REASON_ADDRESS_IN_USE "AddressInUse"          /* exit 1 */
#define REASON_PENDING "Pending"                      /* exit 6 */
#define REASON_INTERRUPTED "Interrupted"              /* exit 143 */

enum reason_class {
    REASON_CLASS_NONE,   /* success or progress */
    REASON_CLASS_RETRY,  /* Ready=False, Reconciling=True, tried again until spec.timeout */
    REASON_CLASS_WAIT,   /* Waiting=True: never counts against timeout */
    REASON_CLASS_STALL,  /* Stalled; cleared when the observation changes */
    REASON_CLASS_STICKY, /* Stalled; cleared only by a new commit, spec or token */
    REASON_CLASS_EVENT,
    REASON_CLASS_COMMAND,
};

struct reason {
    const char *name;
    enum reason_class class;
    int exit_code;       /* docs/reference/commands.md: 0..10, 143 */
    const char *meaning; /* one line: what happened */
    const char *remedy;  /* one line: what to do */
};

extern const struct reason reasons[];
extern const size_t reason_count;
const struct reason *reason_find(const char *name); /* NULL: not in the table */
/* What to do in a command on one database, where that is not the remedy of a plan; NULL: it is. */
const char *reason_here(const char *name);
struct exit_code {
    int code;
    const char *meaning;
};
extern const struct exit_code exit_codes[]; /* of all commands */
extern const size_t exit_code_count;
int reason_exit_code(const char *name); /* 1 for an unknown name */
