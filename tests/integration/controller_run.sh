#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The runner: an assignment is checked byte for byte, then against the database and its clock, before
# anything is done; started twice, interrupted or out of time it ends with the documented code.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"

controller_init
pg_start pg
mariadb_start mariadb
git_http_start
repo_new shop
sql=$SERVERS_DIR/shop/sql
mkdir -p "$sql"

# A real assignment of a real controller, for a database that it finds empty.
for server in pg mariadb; do db_create $server first >/dev/null; done
cat >"$sql/V1__one.sql" <<'SQL'
create table one (id int);
insert into one values (1);
SQL
echo 'create table two (id int);' >"$sql/V2__two.sql"
commit shop first
for server in pg mariadb; do
    secret $server-db "$(db_uri $server first)"
    plan_file $server shop <<YAML
  databases:
  - {name: first, secretRef: {name: $server-db}}
YAML
    perl -pi -e 's/interval: 200ms/interval: 200ms\n    paths: [sql]/' "$PLANS/$server.yaml"
done
controller_start
for server in pg mariadb; do
    run_expect "$server: the controller makes and runs an assignment" 0 '' "$SLUICE" wait plan/$server --timeout 60s
done
controller_stop

# again SERVER DATABASE: a copy of that assignment in $job, for an empty database of another name.
again() {
    local server=$1
    database=$2
    db_create "$server" "$database" >/dev/null
    job=$SERVERS_DIR/job-$server-$database
    rm -rf "$job"
    mkdir -p "$job/credentials"
    cp "$PLANS/.sluice/jobs/$server"-first-*-1/{manifest.json,sluice-sql-*} "$job/"
    printf '%s' "$(db_uri "$server" "$database")" >"$job/credentials/uri"
    perl -pi -e 's/"startBefore":"[^"]*"/"startBefore":"2099-01-01T00:00:00Z"/' "$job/manifest.json"
}
digest() { sha256sum "$job/manifest.json" | cut -d ' ' -f 1; }
run() { "$SLUICE" run --assignment "$job" --assignment-sha256 "${1:-$(digest)}" --credentials "$job/credentials" --result "$job/result.json" "${@:2}"; }
outcome() { perl -ne 'print $1 if /"outcome":"([A-Za-z]+)"/' "$job/result.json"; }
reason() { perl -ne 'print $1 if /"reason":"([A-Za-z]+)"/' "$job/result.json"; }
tables() { db_sql "$1" "$database" "select count(*) from information_schema.tables where table_name in ('one', 'two', 'flyway_schema_history', 'sluice_lease', 'sluice_journal')$([ "$1" = pg ] || echo " and table_schema = '$database'")" | tr -d ' '; }

# refused NAME CODE REASON SERVER [RUN ARGUMENTS]: ends so, and the database is as empty as before.
refused() {
    local name=$1 code=$2 why=$3 server=$4
    shift 4
    run_expect "$server: $name: code $code" "$code" '' run "$@"
    is "$server: $name: the result says why" "$(reason)" "$why"
    is "$server: $name: nothing was done" "$(tables "$server")" 0
}

for server in pg mariadb; do
    again $server same
    run_expect "$server: the same assignment on another empty database" 0 '' run
    is "$server: the outcome" "$(outcome)" Done
    is "$server: the result is one line of at most 4 KiB" "$(wc -l <"$job/result.json") $(($(wc -c <"$job/result.json") <= 4096))" "1 1"
    is "$server: all is there" "$(tables $server)" 5
    run_expect "$server: once more: the database has moved" 10 '' run
    is "$server: its reason" "$(reason)" TargetChanged
    is "$server: the effect is there once" "$(db_sql $server same 'select count(*) from one' | tr -d ' ')" 1

    again $server tampered
    good=$(digest)
    perl -pi -e 's/"attempt":1/"attempt":2/' "$job/manifest.json"
    refused "a changed manifest" 10 AssignmentStale $server "$good"
    again $server bundle
    printf 'x' | dd of="$(echo "$job"/sluice-sql-*.000)" bs=1 seek=40 conv=notrunc 2>/dev/null
    refused "a changed bundle" 10 AssignmentStale $server
    again $server missing
    rm "$job"/sluice-sql-*.000
    refused "a missing bundle" 10 AssignmentStale $server
    again $server unknown
    perl -pi -e 's/"format":1,/"format":1,"later":true,/' "$job/manifest.json"
    refused "an unknown key" 10 AssignmentStale $server
    again $server format
    perl -pi -e 's/"format":1,/"format":2,/' "$job/manifest.json"
    refused "another format" 10 AssignmentStale $server
    again $server file
    perl -pi -e 's/("script":"V1__one.sql".*?"sha256":")./${1}f/; s/("sha256":")(.)([^"]*","checksum":-?\d+,"bundle":0,"offset":0)/$1.($2 eq "f" ? "e" : "f").$3/e' "$job/manifest.json"
    refused "a file that is not what the manifest says" 10 AssignmentStale $server
    again $server late
    perl -pi -e 's/"startBefore":"[^"]*"/"startBefore":"2020-01-01T00:00:00Z"/' "$job/manifest.json"
    refused "too late by the database's clock" 10 AssignmentStale $server
    number=0
    for expectation in 's/"rank":0/"rank":3/' 's/"journalSeq":0/"journalSeq":7/' 's/"owner":null/"owner":"somebody"/'; do
        number=$((number + 1))
        again $server expected$number
        perl -pi -e "$expectation" "$job/manifest.json"
        refused "expecting another state ($expectation)" 10 AssignmentStale $server
    done
    again $server target
    perl -pi -e 's/"target":null/"target":"11111111-2222-4333-8444-555555555555"/' "$job/manifest.json"
    refused "expecting another target" 10 TargetChanged $server
    again $server nowhere
    rm "$job/credentials/uri"
    refused "no credentials" 1 SecretInvalid $server

    again $server twice
    codes=$(for i in 1 2; do
        { code=0; run "$(digest)" --lock-wait 20s >/dev/null 2>&1 || code=$?; echo $code; } &
    done; wait)
    codes=$(printf '%s\n' "$codes" | sort -n | tr '\n' ' ')
    like "$server: started twice, one runs and the other is kept out" "$codes" '^0 (7|10) $'
    is "$server: the effect is there once" "$(db_sql $server twice 'select count(*) from one' | tr -d ' ')" 1
done

# ---- interrupted, out of time ------------------------------------------------------------------------

cat >"$sql/V1__one.sql" <<'SQL'
create table one (id int);
insert into one values (1);
select pg_sleep(30);
SQL
commit shop slow
rm "$PLANS"/*.yaml
db_create pg slow >/dev/null
secret slow-db "$(db_uri pg slow)"
plan_file slow shop <<'YAML'
  execution: {deadline: 2s}
  databases:
  - {name: first, secretRef: {name: slow-db}}
YAML
perl -pi -e 's/interval: 200ms/interval: 200ms\n    paths: [sql]/' "$PLANS/slow.yaml"
rm -rf "$PLANS/.sluice"
controller_start
wait_for "a Job past its deadline ends itself" 40 eval 'ls "$PLANS"/.sluice/jobs/slow-first-*-1/result.json'
like "with code 2" "$(cat "$PLANS"/.sluice/jobs/slow-first-*-1/result.json)" '"code":2,"outcome":"TimedOut","reason":"DeadlineExceeded"'
controller_stop
is "and nothing of it stays" "$(db_sql pg slow "select to_regclass('one') is null" | tr -d ' ')" t

job_of() { echo "$PLANS"/.sluice/jobs/slow-first-*-1; }
cp -R "$(job_of)" "$SERVERS_DIR/slow-job"
job=$SERVERS_DIR/slow-job database=interrupted
db_create pg interrupted >/dev/null
mkdir -p "$job/credentials"
printf '%s' "$(db_uri pg interrupted)" >"$job/credentials/uri"
perl -pi -e 's/"startBefore":"[^"]*"/"startBefore":"2099-01-01T00:00:00Z"/; s/"deadlineMs":\d+/"deadlineMs":0/' "$job/manifest.json"
: >"$job/result.json"
inode=$(stat -c %i "$job/result.json")
# Not by the function: the signal must reach the program, not a shell around it.
"$SLUICE" run --assignment "$job" --assignment-sha256 "$(digest)" --credentials "$job/credentials" \
    --result "$job/result.json" >"$job/log" 2>&1 &
pid=$!
wait_for "a run sleeps" 20 eval "db_sql pg interrupted \"select 1/count(*) from pg_stat_activity where datname = 'interrupted' and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()\""
is "its memory makes no core" "$(awk '/Max core file size/ { print $5 }' "/proc/$pid/limits" 2>/dev/null || echo 0)" 0
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
is "SIGTERM ends it with 143" "$code" 143
is "the result says so" "$(outcome)" Interrupted
is "a result file that was there is written in place, as the kubelet needs it" "$(stat -c %i "$job/result.json")" "$inode"
is "nothing of the file stays" "$(db_sql pg interrupted "select to_regclass('one') is null" | tr -d ' ')" t
wait_for "nor does the statement run on" 10 eval "[ \"\$(db_sql pg interrupted \"select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' and pid <> pg_backend_pid()\" | tr -d ' ')\" = 0 ]"
ok "every log line is JSON" perl -MJSON::PP -ne 'JSON::PP->new->decode($_)' "$job/log"
is "SQL is in no log" "$(cat "$job/log" "$PLANS"/.sluice/jobs/*/log | grep -c 'create table' || true)" 0
done_testing
