#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Commands on a database that a plan owns: those that write ask first, name the plan and what to do with it instead, and
# with --force let the plan look at once.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"
. "$SLUICE_SOURCE/tests/support/printed.sh"

pg_start pg
mariadb_start mariadb
git_http_start
none() { [ "$1" = mariadb ] || printf -- '-- sluice: transaction=none'; }

version() { plan_value .status.databases.0.version; }
plan_value() {
    "$SLUICE" get shop --standalone "$PLANS" -o json | perl -MJSON::PP -0ne '
        my $v = decode_json($_);
        $v = ref $v eq "ARRAY" ? $v->[$_] : $v->{$_} for grep { length } split /\./, "'"$1"'";
        print $v // "";'
}
is_at() { [ "$(version)" = "$1" ]; }
rows() { db_sql "$engine" "$db" 'select count(*) from flyway_schema_history'; }
forced() { # NAME REGEX COMMAND…: refused, and nothing written
    local name=$1 regex=$2 before
    shift 2
    before=$(rows)$(db_sql "$engine" "$db" 'select epoch from sluice_lease')
    run_expect "$engine: $name asks" 10 "this database belongs to plan default/shop, entry one \($where\): $regex; to do it here all the same, add --force \(TargetIdConflict\): do it by the plan as the message says, or add --force" "$@"
    is "$engine: $name: nothing was written" "$(rows)$(db_sql "$engine" "$db" 'select epoch from sluice_lease')" "$before"
}

for engine in pg mariadb; do
    repo_new shop$engine
    db=one$engine
    db_create $engine $db
    url=$(db_uri $engine $db)
    clone=$SERVERS_DIR/shop$engine
    mkdir -p "$clone/sql/one"
    echo 'create table a (id int);' >"$clone/sql/one/V1__a.sql"
    plan_commit "$clone" first
    plan_begin plans$engine
    plan_databases=one
    plan_secret one-db "$url"
    plan_write shop shop$engine
    sed -i 's/^  interval: 5s/  interval: 1h/' "$PLANS/shop.yaml" # what is seen sooner was asked for
    controller_start
    run_expect "$engine: a plan owns its database" 0 '' "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout 60s --if-missing wait

    # ---- without a word of where the plan is ---------------------------------------------------------
    cluster=$(<"$PLANS/.sluice/cluster-id")
    where="cluster $cluster"
    mkdir -p hand$engine
    cp "$clone/sql/one/V1__a.sql" hand$engine
    run_expect "$engine: with nothing to do nobody is asked" 0 '' "$SLUICE" migrate --url "$url" --dir hand$engine
    echo 'create table b (id int);' >hand$engine/V2__b.sql
    forced migrate 'push the files to its repository, or, when it has stopped, `sluice retry plan/shop -n default`' \
        "$SLUICE" migrate --url "$url" --dir hand$engine
    forced prune 'a plan has no such command: suspend it meanwhile with `sluice suspend plan/shop -n default`' \
        "$SLUICE" prune --url "$url"
    echo 'create table a (id int); -- other' >hand$engine/V1__a.sql
    forced repair 'a plan has no such command: .*' "$SLUICE" repair --url "$url" --dir hand$engine
    cp "$clone/sql/one/V1__a.sql" hand$engine
    run_expect "$engine: a look asks nothing" 0 '' "$SLUICE" repair --url "$url" --dir hand$engine --dry-run
    like "$engine: with --force, and it says when the plan will see it" "$("$SLUICE" migrate --url "$url" --dir hand$engine --force)" \
        'notice: plan default/shop sees this at its next inspection \(spec.interval\), or at once after `sluice reconcile plan/shop -n default`.done: 1 migration applied'
    is "$engine: the plan has not looked" "$(version)" 1

    # ---- with $SLUICE_STANDALONE ------------------------------------------------------------------------
    export SLUICE_STANDALONE=$PLANS
    where="folder $PLANS"
    echo 'create table c (id int);' >hand$engine/V3__c.sql
    forced 'migrate, which knows the folder,' "push .*\`sluice retry plan/shop -n default --standalone '$PLANS'\`" \
        "$SLUICE" migrate --url "$url" --dir hand$engine
    like "$engine: with --force the plan is asked to look" "$("$SLUICE" migrate --url "$url" --dir hand$engine --force)" \
        'notice: plan default/shop was asked to inspect its databases.done: 1'
    wait_for "$engine: and it looks, an hour before its time" 30 is_at 3

    # ---- a verdict -----------------------------------------------------------------------------------------
    { none $engine; printf '\ncreate table d (id int);\nselect nothing_there;\n'; } >hand$engine/V4__d.sql
    run_expect "$engine: a file fails half-way" 3 '' "$SLUICE" migrate --url "$url" --dir hand$engine --force
    forced resolve "give the verdict to the plan: \`sluice resolve plan/shop -n default --standalone '$PLANS' --database one --version '4' --verdict restart --reason 'I looked'\`" \
        "$SLUICE" resolve --url "$url" --version 4 --verdict restart --reason x
    run_expect "$engine: with --force it is recorded" 0 '' "$SLUICE" resolve --url "$url" --version 4 --verdict restart --reason x --force
    like "$engine: and the plan was asked to inspect" "$run_stdout" 'plan default/shop was asked to inspect'
    unset SLUICE_STANDALONE
    controller_stop

    # ---- what a plan's own message prints --------------------------------------------------------------------
    echo 'create table a (id int); -- other' >"$clone/sql/one/V1__a.sql"
    cp hand$engine/V2__b.sql hand$engine/V3__c.sql "$clone/sql/one/"
    plan_commit "$clone" edited
    controller_start
    run_expect "$engine: an edited file stops the plan" 3 'ChecksumMismatch.*`sluice repair --url .* --force --repo' \
        "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout 60s
    said=$run_stderr
    run_expect "$engine: the command that it prints is whole" 0 '' follow "$said" '^sluice repair'
    controller_stop
done
done_testing
