#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The order of a roll-out holds when git changes in the middle: files are withdrawn, edited, added,
# force-pushed away, pinned; paths and placeholders are edited; a wave is retried. The servers' own logs
# say which database saw a statement when.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/order.sh"
order_init pg

ahead_of_2() { [[ "$(plan_json .status.ahead)" == *2* ]] && ready; }

# ---- withdrawn ---------------------------------------------------------------------------------------

withdrawn() {
    soak_begins 90 g1
    rm "$sql/V2__second.sql"
    push 'takes it back'
    wait_for "a file taken back in the soak: the canary alone is ahead" 60 ahead_of_2
    ok "nothing comes" looked
    only "and nobody else has seen a statement" V2 a
}

# For good: what was pushed in its place goes canary first, and soaks.
replaced() {
    soak_begins 90 g1
    rm "$sql/V2__second.sql"
    file V3__instead
    push 'takes it back'
    run_expect "what the canary has and git has not is for a person" 3 'Stalled' wait_commit "$sha" 60
    ok "nothing comes" looked
    only "nobody has seen a statement of the new file" V3 ''
    only "nor else of the old one" V2 a
    plan soak=5
    file V2__second
    push 'both'
    done_all
    kept "with both files it goes on" 'V2|V3' 'a b c'
}

# Commits that only add files are queued after two in the first wave; one that takes back is not.
withdrawn_queued() {
    two_more 90
    file V5__more
    push V5
    wait_for "after two more commits the next one is queued" 30 eval '[ "$(plan_json .status.queuedCommit)" = "$sha" ]'
    rm "$sql"/V[2345]*
    push 'takes all back'
    wait_for "one that takes back what is pending is not" 30 ahead_of_2
    only "nobody else has seen a statement" 'V[234]' a
    only "and nobody one of the queued file" V5 ''
}

edited() {
    soak_begins 90 g1
    file V2__second . V2edited
    push 'edits it'
    run_expect "a file that is edited in the soak does not agree with the canary" 3 'ChecksumMismatch' wait_commit "$sha" 60
    ok "nothing comes" looked
    only "nobody has seen a statement of the edited one" V2edited ''
    only "nor else of the old one" V2 a
    plan soak=25
    file V2__second
    push 'takes the edit back'
    done_all
    kept "as it was it goes on" V2 'a b c'
}

force_pushed() {
    soak_begins 90 g1
    git -C "$SERVERS_DIR/$S" reset -q --hard HEAD~1
    git -C "$SERVERS_DIR/$S" push -q -f origin HEAD:main
    wait_for "a force-push that drops the file: the canary alone is ahead" 60 ahead_of_2
    ok "nothing comes" looked
    only "and nobody else has seen a statement" V2 a
    plan soak=5
    file V3__third
    file V2__second
    push 'again, and one more'
    done_all
    kept "pushed again it is the canary's first, with its soak" 'V2|V3' 'a b c'
}

# ---- more commits ------------------------------------------------------------------------------------

two_more() { # SOAK
    soak_begins "$1" g1
    for n in 3 4; do
        file "V${n}__more"
        push "V$n"
        wait_for "commit $n begins anew: the canary has its file, and soaks" 60 eval "saw V$n a && soaking"
    done
}

more_files() {
    two_more 25
    fourth=$sha
    file V5__more
    push V5
    wait_for "after two the next one is queued" 30 eval '[ "$(plan_json .status.queuedCommit)" = "$sha" ]'
    run_expect "the roll-out comes to its end first" 0 '' wait_commit "$fourth" 90
    kept "whose soak counts from its newest file" 'V[234]' 'a b c'
    done_all
    kept "then comes the queued one" V5 'a b c'
}

readme() {
    soak_begins 90 g1
    started=$(plan_json .status.rollout.started) until=$(message Ready)
    echo text >"$SERVERS_DIR/$S/README"
    push readme
    wait_for "a commit without a migration is the roll-out's, too" 30 eval '[ "$(plan_json .status.rollout.commit)" = "$sha" ]'
    is "nothing begins anew" "$(began_anew) $(plan_json .status.rollout.started)" " $started"
    is "nor does the soak" "$(message Ready)" "$until"
    plan soak=5
    done_all
    kept "it goes on in order" V2 'a b c'
}

# In the last wave, with one about to run and one that waits.
more_in_last_wave() {
    begin
    local one
    plan soak=10 gate=g1 more='maxParallel: 1'
    lock b
    lock c
    file V2__second
    push second
    wait_for "one of the last wave runs" 60 one_waits one # whose look came back first
    file V3__third
    push third
    wait_for "a newer commit comes" 30 eval '[[ "$(message Ready)" == *anew* ]]'
    unlock b
    unlock c
    done_all
    kept "in the last wave: the new file goes canary first, and what waited waits for it" 'V2|V3' "a $one $(tr -d "$one" <<<bc)"
}

# ---- retry -------------------------------------------------------------------------------------------

retried() {
    begin
    answer b no
    plan soak=1 gate=g1 waves="    - name: second
      select: {names: [b]}
      soak: 4s
      gates: [{name: g2, sql: {query: \"select yes from answer where 'gate:$S:g2' <> ''\", interval: 500ms}}]"
    file V2__second
    push second
    wait_for "the second wave's gate says no" 60 stalled GateFailed
    sed 's/first=1 .*/first=2 soak=4 gate=g2/' "$ORDERS" >"$ORDERS.second" # of that wave: b is asked g2, a is not
    answer b yes
    printf '%s since\n' "$(date +%s.%3N)" | tee -a "$ORDERS.second" >/dev/null
    run_expect "retry" 0 '' "$SLUICE" retry plan/shop
    done_all
    kept "the first wave was in order" V2 'a b c'
    ok "the second one has soaked and was asked once more before the third" witness V2 "$ORDERS.second"
}

retried_failure() {
    begin
    plan soak=3 gate=g1
    file V2__second
    printf 'insert into later values (1);\n' >>"$sql/V2__second.sql"
    push second
    wait_for "the canary fails" 60 stalled CanaryFailed
    run_expect "retry" 0 '' "$SLUICE" retry plan/shop
    ok "it is looked at" looked
    wait_for "the canary fails again" 60 stalled CanaryFailed
    only "and alone" V2 a
    for name in a b c; do sql_on $name 'create table later (id int); grant all on later to app'; done
    run_expect "retry" 0 '' "$SLUICE" retry plan/shop
    done_all
    kept "once its cause is gone the roll-out goes on in order" V2 'a b c'
}

# As a restored backup would have it.
undone() {
    soak_begins 90 g1
    sql_on a "delete from flyway_schema_history where version = '2'" >/dev/null
    wait_for "a canary whose file is undone in the soak is for a person" 30 stalled HistoryRegressed
    ok "nothing comes" looked
    only "and nobody else has seen a statement" V2 a
    plan soak=6
    run_expect "who says retry" 0 '' "$SLUICE" retry plan/shop
    done_all
    kept "then it runs it again, and soaks" V2 'a b c'
    is "it ran twice" "$(sql_on a 'select count(*) from effect' | tr -d ' ')" 2
}

# ---- the source and the files ------------------------------------------------------------------------

pinned() {
    begin
    old=$sha
    plan soak=90 gate=g1
    file V2__second
    push second
    wait_for "the canary soaks" 60 soaking
    plan top="revision: $old"
    wait_for "pinned back in the soak: the canary alone is ahead" 60 ahead_of_2
    ok "nothing comes" looked
    only "nobody else has seen a statement" V2 a
    plan soak=25 top="revision: $sha"
    done_all
    kept "pinned forward it goes on: soak and gate" V2 'a b c'
}

paths() {
    mkdir -p "$SERVERS_DIR/$S/more"
    soak_begins 25 g1
    file V3__third ../more
    push 'a folder that nobody reads'
    wait_for "it is the roll-out's commit" 30 eval '[ "$(plan_json .status.rollout.commit)" = "$sha" ]'
    plan paths='[sql, more]'
    wait_for "paths edited in the soak: the canary gets the new folder's file" 60 saw V3 a
    done_all
    kept "and soaks from then on" 'V2|V3' 'a b c'
}

placeholders() {
    begin
    plan soak=25 gate=g1 top='migrations: {placeholders: {who: me}}'
    # shellcheck disable=SC2016
    printf "insert into effect select 'mark:%s:V2' where '%s' <> '';\n" "$S" '${who}' >"$sql/V2__second.sql"
    push second
    wait_for "the canary soaks" 60 soaking
    plan top='migrations: {placeholders: {who: you}}'
    wait_for "placeholders edited in the soak" 30 observed
    done_all
    kept "soak and gate hold" V2 'a b c'
    is "the others have the new value" "$(grep -ac "LOG:  execute.*mark:$S:V2' where 'you'" "$SLUICE_TEST_PG_LOG")" 2
}

story wdrawn withdrawn
story replaced replaced
story queued withdrawn_queued
story edited edited
story force force_pushed
story more more_files
story readme readme
story morelast more_in_last_wave
story retry retried
story retrfail retried_failure
story undone undone
story pin pinned
story paths paths
story place placeholders
stories_end
done_testing
