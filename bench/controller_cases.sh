#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What controller.sh measures, as the unprivileged user.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/controller.sh"
servers_drop_root "${BASH_SOURCE[0]}"
databases=${SLUICE_BENCH_DATABASES:-1000} rows=${SLUICE_BENCH_ROWS:-1000}
patience=${SLUICE_BENCH_PATIENCE:-3600} # seconds for any one wait

note() { printf '# %s %s\n' "$(date -u +%H:%M:%S)" "$*" >&2; }
figure() { printf '%-58s %s\n' "$1" "$2"; }
until_seen() { # WHAT COMMAND…: five times a second, or the bench ends
    local what=$1 end=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { note "$what: not within $patience s"; exit 1; }
        sleep 0.2
    done
}
field() { awk -v name="$1:" '$1 == name { printf "%.1f MiB", $2 / 1024 }' "/proc/$controller_pid/status"; }
resident_kb() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$controller_pid/status"; }
cpu_ms() { awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / tick) }' "/proc/$controller_pid/stat"; }
metrics() { http_get "$(controller_port metrics)" /metrics; }
looks() { metrics | awk '/^sluice_inspections_total/ { n += $2 } END { print n + 0 }'; }

# ---- the world --------------------------------------------------------------------------------

files() {
    local i
    mkdir -p "$SERVERS_DIR/shop/sql"
    for i in $(seq 1 "$rows"); do
        printf 'select %d;\n' "$i" >"$SERVERS_DIR/shop/sql/V${i}__the_step_that_has_number_$i.sql"
    done
    commit shop files
}
name_of() { printf 'd%04d' "$1"; }
# A copy is a database of its own: nobody has adopted it yet.
fill() {
    local i
    db_create pg base
    "$SLUICE" migrate --url "$(db_uri pg base)" --dir "$SERVERS_DIR/shop/sql" >/dev/null
    db_sql pg base 'delete from sluice_lease'
    for i in $(seq 1 "$databases"); do
        printf 'create database "%s" owner app template base strategy file_copy;\n' "$(name_of "$i")"
    done | psql -XAtq -v ON_ERROR_STOP=1 "$SLUICE_TEST_PG_ADMIN_URI"
    [ "${SLUICE_BENCH_OWN:-}" = yes ] || return 0
    for i in $(seq 1 "$databases"); do
        db_sql pg "$(name_of "$i")" "update flyway_schema_history set installed_rank = installed_rank + $((i * 5000))" >/dev/null
    done
}
fleet_yaml() {
    local i
    printf 'apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: fleet}\nspec:\n'
    printf '  source: {url: "file://%s/shop.git", interval: 1h, paths: [sql]}\n' "$SLUICE_TEST_GIT_ROOT"
    printf '  interval: 10m\n  strategy: {type: AllAtOnce, maxParallel: 50}\n  databases:\n'
    for i in $(seq 1 "$databases"); do
        printf '  - {name: %s, secretRef: {name: %s}}\n' "$(name_of "$i")" "$(name_of "$i")"
    done
}
fleet_secrets() {
    local i
    for i in $(seq 1 "$databases"); do
        printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData: {uri: "%s"}\n' \
            "$(name_of "$i")" "$(db_uri pg "$(name_of "$i")")"
    done
}
ready() { condition_is Ready "True ReconciliationSucceeded" fleet; }
# The kernel's own highest mark is that of the whole life, and only the process itself may begin it anew.
looked() {
    local now
    now=$(resident_kb)
    most=$((now > most ? now : most))
    [ "$(looks)" -ge "$wanted" ]
}

# ---- what is measured -------------------------------------------------------------------------

measure() {
    local what="$databases databases of $rows rows" before began wanted most=0
    repo_new shop
    files
    note "$what are made"
    fill
    (umask 077; fleet_secrets >"$PLANS/secrets.yaml")
    fleet_yaml >"$PLANS/fleet.yaml"
    note "they are looked at and adopted"
    controller_start
    until_seen "the plan is ready" ready
    figure "$what, adopted: memory" "$(field VmRSS), at most $(field VmHWM)"
    controller_stop
    controller_start
    until_seen "the plan is ready" ready
    wanted=$databases
    until_seen "all have been looked at" looked
    figure "$what, a new process: memory" "$(field VmRSS), at most $(field VmHWM)"
    most=0 wanted=$((databases + $(looks))) before=$(cpu_ms) began=${EPOCHREALTIME/./}
    "$SLUICE" reconcile plan/fleet >/dev/null
    until_seen "all are looked at again" looked
    figure "$what, looked at again: memory" "$(field VmRSS), at most $((most / 1024)) MiB, in its life $(field VmHWM)"
    figure "$what, looked at again: time" "$(awk -v us=$((${EPOCHREALTIME/./} - began)) 'BEGIN { printf "%.1f s", us / 1000000 }')"
    figure "$what, looked at again: CPU of the controller" "$(awk -v ms=$(($(cpu_ms) - before)) 'BEGIN { printf "%.1f s", ms / 1000 }')"
    controller_stop
}

# ---- the run ----------------------------------------------------------------------------------

controller_init
pg_start pg max_connections=200 shared_buffers=128MB
measure
