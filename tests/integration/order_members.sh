#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The order of a roll-out holds when its databases change: the canary is removed, renamed, cannot be
# reached, has got its files by hand; newcomers come; a selector has a typo. The servers' own logs say
# which database saw a statement when.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/order.sh"
order_init pg

suspend() { plan top='suspend: true'; wait_for "the plan is suspended" 30 observed; }
resume() { plan top=''; }

# ---- the canary leaves -------------------------------------------------------------------------------

removed_count() {
    spec[select]='count: 1'
    soak_begins 25 g1 'a b c d'
    canary=$(witness V2)
    note "left=$canary"
    rest=$(canary_first 'a b c d')
    plan entries="${rest#* }"
    wait_for "why it begins anew is said" 30 eval '[ "$(began_anew)" = "database $canary has left" ]'
    done_all
    kept "another one becomes the canary, with the whole soak and its gate" V2 "$rest"
}

removed_names() {
    soak_begins 25 g1
    note "left=a"
    plan entries='b c' select='names: [b]'
    done_all
    kept "so does the one that the edit names" V2 'a b c'
}

# Without a name for the canary there is none, and that is no order.
removed_selected() {
    more_of[a]='labels: {tier: canary}'
    spec[select]='matchLabels: {tier: canary}'
    soak_begins 25 g1
    note "left=a"
    plan entries='b c'
    wait_for "nobody is selected: the plan says so" 30 stalled InvalidSpec
    ok "nothing comes" looked
    only "and nobody else has seen a statement" V2 a
    more_of[b]='labels: {tier: canary}'
    plan
    done_all
    kept "until somebody is" V2 'a b c'
}

label_gone() {
    more_of[a]='labels: {tier: canary}' more_of[b]='labels: {tier: other}'
    spec[select]='matchLabels: {tier: canary}'
    soak_begins 25 g1
    more_of[a]='labels: {tier: other}' more_of[b]='labels: {tier: canary}'
    plan
    done_all
    kept "its label moves to another one: who has begun goes first" V2 'a b c'
}

# A fleet, whose databases are the Secrets that a selector finds.
fleet() {
    spec[fleet]=1 spec[select]='matchLabels: {tier: canary}'
    more_of[a]='tier: canary'
    soak_begins 25 g1
    more_of[b]='tier: canary'
    tenant b
    note "left=a"
    rm "$PLANS/a.yaml"
    done_all
    kept "the canary's Secret is deleted, another one has its label: whole soak and gate" V2 'a b c'
}

fleet_without() {
    spec[fleet]=1 spec[select]='matchLabels: {tier: canary}'
    more_of[a]='tier: canary'
    soak_begins 25 g1
    rm "$PLANS/a.yaml"
    wait_for "the canary's Secret is deleted, none has its label" 60 stalled InvalidSpec
    ok "nothing comes" looked
    only "nobody else has seen a statement" V2 a
    tenant a
    wait_for "back again it soaks" 30 soaking
    done_all
    kept "and the roll-out goes on" V2 'a b c'
}

# ---- renamed -----------------------------------------------------------------------------------------

renamed_labels() {
    more_of[a]='labels: {tier: canary}' more_of[x]='labels: {tier: canary}'
    spec[select]='matchLabels: {tier: canary}'
    soak_begins 25 g1
    suspend
    plan entries='x=a v=b w=c'
    wait_for "renamed while it is suspended" 30 observed
    resume
    done_all
    kept "all renamed while it was suspended" V2 'a b c'
}

renamed_count() {
    spec[select]='count: 1'
    soak_begins 25 g1
    canary=$(witness V2)
    suspend
    plan entries='n1=a n2=b n3=c'
    wait_for "renamed while it is suspended" 30 observed
    resume
    done_all
    kept "whoever their names would choose, the one that has begun goes first" V2 \
        "$(canary_first 'a b c')"
}

# ---- by hand -----------------------------------------------------------------------------------------

by_sluice_during() {
    begin
    plan soak=5 gate=g1
    out_of_reach
    file V2__second
    push second
    wait_for "the roll-out waits for its canary" 60 eval '[[ "$(message Ready)" == *"a: "* ]]'
    run_expect "whose file is run by sluice" 0 '' "$SLUICE" migrate --url "$(db_uri pg "${S}_a")" --dir "$sql" --force
    at=$(date +%s)
    wait_for "longer ago than the soak" 30 over $((at + 6))
    note since
    in_reach
    done_all
    kept "while the roll-out waits: it soaks from when it was found" V2 'a b c'
}
by_sluice() {
    begin
    plan soak=5 gate=g1
    controller_kill
    file V2__second
    push second
    run_expect "the canary's file is run by hand" 0 '' "$SLUICE" migrate --url "$(db_uri pg "${S}_a")" --dir "$sql" --force
    at=$(date +%s)
    wait_for "longer ago than the soak" 30 over $((at + 6))
    note since
    controller_start
    done_all
    kept "by sluice migrate: it soaks from when it was found" V2 'a b c'
}

# As Flyway would: the statement, and its row with the checksum of the file's lines.
by_psql() {
    local checksum
    checksum=$(printf '%s' "$(<"$sql/V2__second.sql")" | gzip -c | tail -c 8 | od -An -N4 -td4 | tr -d ' ')
    sql_on a "$(<"$sql/V2__second.sql") insert into flyway_schema_history
        select 1 + max(installed_rank), '2', 'second', 'SQL', 'V2__second.sql', $checksum, 'hand', now(), 1, true from flyway_schema_history"
}
by_psql_before() {
    begin
    plan soak=5 gate=g1
    controller_kill
    file V2__second
    push second
    ok "the canary's file is run by psql, with Flyway's row" by_psql
    at=$(date +%s)
    wait_for "longer ago than the soak" 30 over $((at + 6))
    note since
    controller_start
    done_all
    kept "by psql: it soaks from when it was found" V2 'a b c'
}

out_of_reach() { secret a-db "postgresql://app@/${S}_a?host=$PLANS/nowhere"; }
in_reach() { secret a-db "$(db_uri pg "${S}_a")"; }
by_psql_during() {
    begin
    plan soak=5 gate=g1
    out_of_reach
    file V2__second
    push second
    wait_for "the roll-out waits for its canary" 60 eval '[[ "$(message Ready)" == *"a: "* ]]'
    ok "whose file is run by psql" by_psql
    at=$(date +%s)
    wait_for "longer ago than the soak" 30 over $((at + 6))
    note since
    in_reach
    done_all
    kept "while the roll-out waits: it soaks from when it was found" V2 'a b c'
}

# ---- the canary cannot start -------------------------------------------------------------------------

cannot_start() { # BREAK MEND
    begin
    plan soak=3 gate=g1
    $1
    file V2__second
    push second
    wait_for "the canary cannot start, and that is said" 60 eval '[[ "$(message Ready)" == *"a: "* ]]'
    plan soak=5
    ok "an edit then is looked at" looked
    plan gate=g2 more='maxParallel: 2'
    ok "and one more" looked
    only "nobody has seen a statement" V2 ''
    $2
    done_all
    kept "with the canary the roll-out goes on" V2 'a b c'
}
bad_secret() { cannot_start out_of_reach in_reach; }
# Its sessions end before the lock that they may wait for: none gets it in between.
close_a() {
    local others="datname = '${S}_a' and query not like '%pg_sleep(200)%'"
    db_sql pg postgres "alter database ${S}_a allow_connections false"
    db_sql pg postgres "select pg_terminate_backend(pid) from pg_stat_activity where $others" >/dev/null
    within 30 eval "[ \"\$(db_sql pg postgres \"select count(*) from pg_stat_activity where $others\")\" = 0 ]"
    unlock a
}
open_a() { db_sql pg postgres "alter database ${S}_a allow_connections true"; }
its_database_down() { cannot_start close_a open_a; }

waits_for_lock() { [ "$(sql_on a "select count(*) from pg_locks where relation = 'effect'::regclass and not granted")" = 1 ]; }

# Its roll-out has begun, and its Job had to wait for a lock, when it is lost.
lost_in_its_job() {
    begin
    plan soak=4 gate=g1
    lock a
    file V2__second
    push second
    wait_for "the canary's Job waits for a lock" 60 waits_for_lock
    close_a
    wait_for "and loses its database" 60 eval '[[ "$(message Ready)" == *"a: "* ]]'
    plan soak=5
    ok "an edit then is looked at" looked
    only "nobody has seen a statement" V2 ''
    open_a
    done_all
    kept "with the canary the roll-out goes on" V2 'a b c'
}

# ---- a typo ------------------------------------------------------------------------------------------

typo() {
    local none='    - {name: none, select: {matchLabels: {tier: third}}%s}'
    more_of[a]='labels: {tier: canary}'
    spec[select]='matchLabels: {tier: canary}'
    begin
    # shellcheck disable=SC2059
    plan soak=3 gate=g1 select='matchLabels: {teir: canary}'
    file V2__second
    push second
    run_expect "a typo in the selector ends a waiter at once" 3 'Stalled' wait_commit "$sha"
    is "as what it is" "$(condition Stalled)" "True InvalidSpec"
    like "the message helps" "$(message Stalled)" 'wave canary selects none of 3 databases: no label teir; did you mean tier'
    like "get and describe show it" "$("$SLUICE" describe plan/shop)" 'selects none of 3 databases: no label teir'
    ok "nothing comes" looked
    only "nothing has run anywhere" V2 ''
    # shellcheck disable=SC2059
    plan select='matchLabels: {tier: canary}' waves="$(printf "$none" '')"
    wait_for "a later wave that selects nothing is one, too" 30 eval '[[ "$(message Stalled)" == *"wave none selects none of 3"* ]]'
    only "and still nothing has run" V2 ''
    # shellcheck disable=SC2059
    plan waves="$(printf "$none" ', allowEmpty: true')"
    done_all
    kept "corrected it goes on, past a wave that may be empty" V2 'a b c'
}

# ---- newcomers ---------------------------------------------------------------------------------------

new_empty() {
    soak_begins 25 g1
    database d
    plan entries='d a b c'
    wait_for "an empty one comes in the soak" 30 observed
    done_all
    kept "it joins the last wave" V2 'a b c d'
}

new_with_history() {
    begin
    database d
    run_expect "another one has the first file" 0 '' "$SLUICE" migrate --url "$(db_uri pg "${S}_d")" --dir "$sql" --force
    plan soak=25 gate=g1
    file V2__second
    push second
    wait_for "the canary soaks" 60 soaking
    plan entries='d a b c'
    wait_for "it comes in the soak" 30 observed
    done_all
    kept "it joins the last wave" V2 'a b c d'
}

new_alone() {
    begin
    plan soak=120 gate=g1
    database d
    start=$SECONDS
    plan entries='a b c d'
    wait_for "an empty one catches up alone" 60 eval '[ "$(plan_json .status.progress)" = 4/4 ] && ready'
    ok "without a soak" test $((SECONDS - start)) -lt 100
    plan soak=5
    file V2__second
    push second
    done_all
    kept "and takes its turn from then on" V2 'a b c d'
}

# ---- failures ----------------------------------------------------------------------------------------

fix_forward() {
    begin
    plan soak=4 gate=g1
    file V2__second
    file V3__third
    printf 'insert into nowhere values (1);\n' >>"$sql/V3__third.sql"
    push second
    wait_for "the canary fails at its second file" 60 stalled CanaryFailed
    plan select='names: [b]'
    ok "another one is selected" looked
    file V3__third
    push fix
    done_all
    kept "after the fix who has begun goes first, all the same" 'V2|V3' 'a b c'
}

max_failures() {
    begin
    plan soak=2 gate=g1 more='maxFailures: 5'
    file V2__second
    printf 'insert into nowhere values (1);\n' >>"$sql/V2__second.sql"
    push bad
    wait_for "maxFailures does not cover the canary" 60 stalled CanaryFailed
    ok "nothing comes" looked
    only "nobody else has seen a statement" V2 a
    file V2__second
    push fix
    done_all
    kept "the fix goes through" V2 'a b c'
}

suspended() {
    soak_begins 25 g1
    started=$(plan_json .status.rollout.started)
    suspend
    at=$(date +%s)
    wait_for "for longer than the soak" 30 over $((at + 26))
    only "nothing starts meanwhile" V2 a
    resume
    wait_for "resumed" 30 observed
    is "it goes on where it was" "$(began_anew)" ''
    done_all
    kept "in order" V2 'a b c'
}

# ---- own trees, and trees of several -----------------------------------------------------------------

own_trees() {
    # shellcheck disable=SC2016
    spec[paths]='["sql/${database}"]' spec[folders]='a b c'
    begin
    plan soak=5 gate=g1
    file V2__second b
    push second
    wait_for "one that is not the canary is the only one with a file: it soaks" 60 eval 'soaking && saw V2 b'
    done_all
    sql_on c "select 'mark:$S:V2'" >/dev/null # the end of the roll-out, as one more statement
    kept "a whole soak, with the gate" V2 'b c'
    file V3__third b
    file V3__third c
    push third
    done_all
    kept "of two such one is first, and soaks" V3 'b c'
}

groups() {
    spec[folders]='one two'
    more_of=([a]='paths: [sql/one]' [b]='paths: [sql/one]' [c]='paths: [sql/two]' [d]='paths: [sql/two]')
    begin 'a b c d'
    plan soak=4 gate=g1
    file V2__second one V2one
    file V2__second two V2two
    push second
    done_all
    kept "two groups that share a tree each: one of each is first" 'V2(one|two)' 'a b c d'
    is "and only one" "$(witness V2two)" 'c d'
}

story rmcount removed_count
story rmnames removed_names
story rmsel removed_selected
story label label_gone
story renlab renamed_labels
story rencount renamed_count
story bysluice by_sluice
story byslduri by_sluice_during
story fleet fleet
story fleetno fleet_without
story bypsql by_psql_before
story bypsqld by_psql_during
story secret bad_secret
story dbdown its_database_down
story injob lost_in_its_job
story typo typo
story newempty new_empty
story newhist new_with_history
story newalone new_alone
story fix fix_forward
story maxfail max_failures
story susp suspended
story own own_trees
story groups groups
stories_end
done_testing
