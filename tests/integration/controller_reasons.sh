#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong, as a plan says it: each situation ends with its documented reason and one message
# that names the thing, nothing is changed, and the plans beside it are not disturbed.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg tcp
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
folder() { mkdir -p "$sql/$1"; printf '%s\n' "$3" >"$sql/$1/$2"; }

# The Secret says nothing about TLS: the plan does.
uri() { local uri; uri=$(db_uri pg "$1" tcp); printf '%s' "${uri%%\?*}"; }
# one NAME [SPEC LINES]: a plan with one database of its own on PostgreSQL, paths sql/NAME.
one() {
    local name=$1
    db_create pg "$name" >/dev/null
    secret "$name-db" "$(uri "$name")"
    entry "$name" "$name-db" "${2:-}"
}
entry() {
    {
        printf '  timeout: 1h\n  databases:\n  - name: %s\n    secretRef: {name: %s}\n' "$1" "$2"
        printf '    tls: {caRef: {kind: ConfigMap, name: ca, key: bundle.pem}}\n'
        [ -z "${3:-}" ] || printf '%s\n' "$3"
    } | plan_file "$1" shop
}
{
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata:\n  bundle.pem: |\n'
    sed 's/^/    /' "$SLUICE_TEST_CA"
    printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other-ca}\ndata:\n  bundle.pem: |\n'
    sed 's/^/    /' "$SLUICE_TEST_OTHER_CA"
} >"$PLANS/ca.yaml"
edit() { perl -0777 -pi -e "$2" "$PLANS/$1.yaml"; }

folder good V1__a.sql 'create table a (id int);'
for name in wrong-url wrong-branch wrong-scheme wrong-password wrong-ca no-secret no-host unknown-field; do
    folder $name V1__a.sql 'create table a (id int);'
done
folder duplicate V1__a.sql 'create table a (id int);'
folder duplicate V01__b.sql 'create table b (id int);'
folder unterminated V1__a.sql "insert into a values ('x"
folder transaction V1__a.sql $'create table a (id int);\nrollback;'
for name in edited deleted late taken moved; do
    folder $name V1__a.sql 'create table a (id int);'
    folder $name V3__c.sql 'create table c (id int);'
done
commit shop first

one good
one wrong-url; edit wrong-url 's|/shop\.git|/nothing.git|'
one wrong-branch; edit wrong-branch 's|(shop\.git\n)|$1    ref: {branch: nothing}\n|'
one wrong-scheme; edit wrong-scheme 's|url: http://[^\n]*|url: ftp://git.example.com/a.git|'
one wrong-password; edit wrong-password-db "s/$SLUICE_TEST_PASSWORD/wrong-horse/"
one wrong-ca; edit wrong-ca 's/name: ca,/name: other-ca,/'
entry no-secret nobody-made-it
entry no-host no-host-db
secret no-host-db "postgresql://app:x@127.0.0.1:1/x"
one unknown-field; edit unknown-field 's/  timeout: 1h/  timeouts: 1h/'
one missing-folder
for name in duplicate unterminated transaction edited deleted late taken moved; do one $name; done

controller_start
for name in good edited deleted late taken moved; do
    run_expect "$name is applied first" 0 '' "$SLUICE" wait plan/$name --timeout 60s
done

# says NAME TYPE STATUS REASON REGEX
says() {
    wait_for "$1: $2=$3 $4" 30 condition_is "$2" "$3 $4" "$1"
    like "$1: the message names it" "$("$SLUICE" get plan/"$1" -o json)" "$5"
}
says wrong-url Ready False SourceUnavailable 'nothing\.git'
says wrong-branch Ready False RevisionNotFound 'nothing'
says wrong-scheme Stalled True InvalidSpec 'ftp'
says wrong-password Ready False AccessDenied 'wrong-password'
says wrong-ca Ready False TLSVerificationFailed 'certificate'
says no-secret Ready False SecretInvalid 'nobody-made-it'
says no-host Ready False DatabaseUnavailable '127\.0\.0\.1'
says unknown-field Stalled True InvalidSpec 'timeouts'
says missing-folder Stalled True InvalidMigration 'sql/missing-folder'
says duplicate Stalled True DuplicateVersion 'V01__b\.sql'
says unterminated Stalled True InvalidMigration 'sql/unterminated/V1__a\.sql:1:'
says transaction Stalled True TransactionControlInMigration 'sql/transaction/V1__a\.sql:2:'
for name in wrong-url no-secret; do
    is "$name: a wait that may end is no stall" "$(condition Stalled $name)" ""
    is "$name: it says that it tries again" "$(condition Reconciling $name)" "True ProgressingWithRetry"
done

# ---- an applied history that no longer fits -------------------------------------------------------

folder edited V1__a.sql 'create table a (id bigint);'
rm "$sql/deleted/V1__a.sql"
folder late V2__b.sql 'create table b (id int);'
commit shop second
says edited Stalled True ChecksumMismatch 'sql/edited/V1__a\.sql'
says deleted Stalled True MigrationMissing 'version 1'
says late Stalled True OutOfOrder 'sql/late/V2__b\.sql'
for name in edited deleted late; do
    is "$name: nothing changed" "$(db_sql pg $name 'select count(*) from flyway_schema_history' | tr -d ' ')" 2
done
at_newest() { [ "$(plan_json .status.lastAppliedCommit good)" = "$sha" ]; }
wait_for "the good plan is at the newest commit" 30 at_newest

# ---- whose database --------------------------------------------------------------------------------

entry thief taken-db
cp -R "$sql/taken" "$sql/thief"
folder thief V9__thief.sql 'create table thief (id int);'
commit shop third
says thief Stalled True TargetIdConflict 'taken'
is "the owner is not disturbed" "$(condition Ready taken)" "True ReconciliationSucceeded"
is "nothing of the other plan ran" "$(db_sql pg taken "select to_regclass('thief') is null" | tr -d ' ')" t

db_create pg elsewhere >/dev/null
secret moved-db "$(uri elsewhere)"
says moved Stalled True TargetChanged 'accept-target'
is "nothing ran there" "$(db_sql pg elsewhere "select count(*) from pg_class where relname in ('a', 'flyway_schema_history')" | tr -d ' ')" 0

# ---- and back -------------------------------------------------------------------------------------

secret moved-db "$(uri moved)"
"$SLUICE" retry plan/moved >/dev/null
wait_for "the right database behind the Secret and one retry: Ready" 30 condition_is Ready \
    "True ReconciliationSucceeded" moved
secret nobody-made-it "$(uri good)"
wait_for "a Secret that arrives is seen at once" 30 condition_is Stalled "True TargetIdConflict" no-secret
db_create pg fresh >/dev/null
secret nobody-made-it "$(uri fresh)"
wait_for "and its database gets its files" 30 condition_is Ready "True ReconciliationSucceeded" no-secret
rm "$PLANS/taken.yaml"
wait_for "a plan that is gone lets go of its database" 30 condition_is Ready "True ReconciliationSucceeded" thief
is "what it had applied stays" "$(db_sql pg taken "select to_regclass('c') is not null" | tr -d ' ')" t

run_expect "get shows them all, with a warning for none" 0 '^$' "$SLUICE" get
like "one line each" "$run_stdout" 'wrong-url +False +SourceUnavailable'
run_expect "describe tells what to do" 0 '^$' "$SLUICE" describe plan/edited
like "with the remedy" "$run_stdout" 'what to do: '
run_expect "a plan that is not there" 4 'nobody' "$SLUICE" describe plan/nobody
run_expect "a folder that is not there" 1 'does not exist' "$SLUICE" get --standalone "$PLANS/nothing"
is "no secret is in logs and state" "$(grep -rlE "$SLUICE_TEST_PASSWORD|wrong-horse" "$PLANS/.sluice" "$CONTROLLER_LOG" 2>/dev/null | wc -l)" 0
done_testing
