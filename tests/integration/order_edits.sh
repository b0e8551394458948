#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The order of a roll-out holds when spec.strategy is edited: while the canary soaks, after its gate has
# failed, while no controller runs. The servers' own logs say which database saw a statement when.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/order.sh"
order_init

# ---- the witness itself ------------------------------------------------------------------------------

# What it must not swallow: each is a true run with an order that was not kept.
other_order() { # NAME REGEX SED-EXPRESSION
    sed "$3" "$ORDERS" >"$ORDERS.other"
    like "the witness flags $1" "$(witness 'V2' "$ORDERS.other" 2>&1 >/dev/null)" "$2"
}
witness_story() {
    begin 'a b m'
    plan soak=2 gate=g1
    file V2__second
    push
    run_expect "a canary, its soak and its gate" 0 '' wait_commit "$sha" 90
    kept "the witness has nothing against it" V2 'a b m'
    other_order "a soak that was cut short" '_b ran V2 at .*_a soaked [0-9.]+ s of 30 s' 's/soak=2/soak=30/'
    like "on MariaDB, too" "$(witness 'V2' "$ORDERS.other" 2>&1 >/dev/null)" '_m ran V2'
    other_order "a gate that was not asked" '_b ran V2 .*_a was not asked other' 's/gate=g1/gate=other/'
    sql_on a "select 'answer:$S:no'" >/dev/null
    note "first=1 soak=0 gate=g1"
    file V3__third
    push
    run_expect "one more" 0 '' wait_commit "$sha" 90
    like "the witness flags an answer that was no" "$(witness V3 2>&1 >/dev/null)" '_b ran V3 .*_a said no to g1'
    plan soak=0 gate=
    file V4__fourth
    printf 'insert into nowhere values (1);\n' >>"$sql/V4__fourth.sql"
    push
    wait_for "a file that fails" 60 stalled CanaryFailed
    db_sql pg "${S}_b" "select 'mark:$S:V4'" >/dev/null
    like "the witness flags a file that has failed before" "$(witness V4 2>&1 >/dev/null)" '_b ran V4 .*_a has not run it'
    plan type=AllAtOnce
    rm "$sql/V4__fourth.sql"
    file V5__fifth
    push
    run_expect "a wrong run: all at once" 0 '' wait_commit "$sha" 90
    ok "it is allowed as AllAtOnce" witness V5
    echo '0 first=1 soak=300 gate=g1' >"$ORDERS.other"
    like "the witness flags it where a canary was wanted" "$(witness V5 "$ORDERS.other" 2>&1 >/dev/null)" 'ran V5'
}

# ---- while the canary soaks --------------------------------------------------------------------------

longer_soak() {
    soak_begins 25 g1 'a b m'
    plan soak=32
    wait_for "the message says what happens, and until when" 30 eval \
        '[[ "$(message Ready)" =~ ^strategy\ edited:\ wave\ canary\ soaks\ again\ until\ 20[0-9-]+T[0-9:]+Z$ ]]'
    like "so does get" "$("$SLUICE" get plan/shop -o wide)" 'strategy edited: wave canary soaks again until'
    like "so does describe" "$("$SLUICE" describe plan/shop)" 'strategy edited: wave canary soaks again until'
    until=$(message Waiting | sed 's/.*until //')
    done_all
    kept "a longer soak is served in full" V2 'a b m'
    last=$(sql_on a "select floor(extract(epoch from max(finished))) from sluice_journal" | tr -d ' ')
    ok "from the canary's own last statement" test "$(($(date -d "$until" +%s) - last))" -le 33
    is "the plan forgets it then" "$(began_anew)" ''
}

shorter_soak() {
    soak_begins 120 g1
    plan soak=6
    start=$SECONDS
    done_all
    ok "a shorter soak counts at once" test $((SECONDS - start)) -lt 60
    kept "and is served" V2 'a b c'
}

other_gate() {
    soak_begins 25 g1
    plan gate=g2
    wait_for "the gate is a new one" 30 eval '[ "$(plan_json .status.gates[0].name)" = g2 ]'
    done_all
    kept "another gate is asked, at the end of the soak" V2 'a b c'
}

# The same name, another question, which is answered with no.
gate_says_no() {
    soak_begins 25 g1
    answer a no
    plan gate=g2
    wait_for "another gate that says no stops the roll-out" 60 stalled GateFailed
    ok "nothing comes" looked
    only "and the others have not seen a statement" V2 a
    answer a yes
    plan gate=g3
    done_all
    kept "until one says yes" V2 'a b c'
}

parallel_in_soak() {
    soak_begins 25 g1
    started=$(plan_json .status.rollout.started)
    plan more='maxParallel: 1'
    wait_for "the edit is seen" 30 observed
    is "nothing begins anew" "$(began_anew) $(plan_json .status.rollout.started)" " $started"
    ok "it soaks" soaking
    done_all
    kept "and is not released early" V2 'a b c'
    plan more='maxFailures: 2'
    file V3__third
    push third
    wait_for "the next one soaks" 60 soaking
    plan more='maxFailures: 1'
    wait_for "that edit is seen" 30 observed
    is "nothing begins anew, either" "$(began_anew)" ''
    done_all
    kept "nor is that released early" V3 'a b c'
}

down() {
    soak_begins 25 g1
    controller_kill
    plan soak=30 gate=g2
    controller_start
    done_all
    kept "an edit while no controller runs: soak and gate of the new spec" V2 'a b c'
}

# A wave that is named otherwise, and one more wave, are other orders.
more_waves() {
    soak_begins 25 g1
    plan waves='    - {name: second, select: {names: [b]}, soak: 3s}'
    wait_for "why is said" 30 eval '[[ "$(message Ready)" == "strategy edited: wave canary soaks again"* ]]'
    done_all
    kept "one more wave: the first one soaks as before" V2 'a b c'
    soaked() { perl -e 'my %t; for (@ARGV) { /^(\S+) (\S+)/ and $t{$2} = $1 } exit !($t{c} - $t{b} >= 3)' "$@"; }
    mapfile -t times < <(grep -ah "mark:$S:V2'" "$SLUICE_TEST_PG_LOG" | sed -nE "s/^([0-9.]+) [0-9]+ ${S}_([a-z]) LOG:.*/\1 \2/p")
    ok "and the second one, too" soaked "${times[@]}"
}

# ---- after its gate has failed -----------------------------------------------------------------------

failed_gate_edited() {
    gate_fails 3
    answer a yes
    plan gate=g2
    done_all
    kept "an edit of the query: the new gate is asked" V2 'a b c'
}

failed_soak_edited() {
    gate_fails 1
    plan soak=5
    ok "the edit is looked at" looked
    wait_for "an edit of the soak: the gate is asked again, and says no again" 60 stalled GateFailed
    only "the others have not seen a statement" V2 a
    answer a yes
    plan soak=4
    done_all
    kept "its yes opens them, after the soak" V2 'a b c'
}

failed_parallel_edited() {
    gate_fails 1
    plan more='maxParallel: 2'
    ok "the edit is looked at" looked
    ok "an edit of maxParallel: it stays as it is" stalled GateFailed
    only "the others have not seen a statement" V2 a
    answer a yes
    ok "nobody asks the gate again" looked
    ok "so that its answer changes nothing" stalled GateFailed
    note since
    run_expect "retry" 0 '' "$SLUICE" retry plan/shop
    done_all
    kept "retry asks again, after one more soak" V2 'a b c'
}

# The edit opens the rest, as it says, and only that: the canary's failure stays one.
all_at_once() {
    soak_begins 120 g1
    plan type=AllAtOnce
    done_all
    kept "type: AllAtOnce is the one edit that opens the rest" V2 'a b c'
}

# ---- on MariaDB, in the last wave, from AllAtOnce -------------------------------------------------------

mariadb_canary() {
    spec[select]='names: [m]'
    soak_begins 25 g1 'a b m'
    plan soak=32 gate=g2
    done_all
    kept "a canary on MariaDB: soak and gate of the new spec" V2 'm a b'
}

# One is about to run, two are not: they wait for the new order. Which one it is, is the controller's
# choice: whose look comes back first.
last_wave() {
    local one
    begin 'a b c d'
    plan soak=3 gate=g1 more='maxParallel: 1'
    for one in b c d; do lock $one; done
    file V2__second
    push second
    wait_for "one of the last wave runs" 60 one_waits one
    note "free=$one" # its Job began before the edit, and goes on
    plan soak=32
    wait_for "the edit is seen" 30 observed
    like "and the others have not begun" "$(waiting)" "^($one)?\$"
    for one in b c d; do unlock $one; done
    done_all
    one=$(witness V2 2>/dev/null)
    is "all have run" "$(tr ' ' '\n' <<<"$one" | sort | paste -sd' ')" 'a b c d'
    kept "an edit in the last wave: what has not begun waits for the longer soak" V2 "$one"
}

from_all_at_once() {
    local one two three
    begin
    plan type=AllAtOnce more='maxParallel: 1'
    for one in a b c; do lock $one; done
    file V2__second
    push second
    wait_for "one runs" 60 one_waits one
    unlock "$one"
    wait_for "one is done, one runs" 60 eval '[ "$(plan_json .status.progress) $(plan_json .status.summary.running)" = "1/3 1" ]'
    wait_for "that is another one" 60 one_waits two
    three=$(tr -d "$one$two" <<<abc)
    note "free=$two" # its Job began before the edit, and goes on
    spec[select]="names: [$one]"
    plan type=Canary soak=15 gate=g1
    wait_for "the edit is seen" 30 observed
    unlock "$two"
    unlock "$three"
    done_all
    kept "from AllAtOnce to Canary: the third one waits for soak and gate" V2 "$one $(printf '%s\n' "$two" "$three" | sort | paste -sd' ')" # the witness sorts those behind the first one
}

there_and_back() {
    soak_begins 25 g1
    plan soak=60
    wait_for "an edit" 30 observed
    plan soak=25 gate=g2
    wait_for "another one" 30 observed
    plan gate=g1
    done_all
    kept "there and back" V2 'a b c'
}

story wit witness_story
story maria mariadb_canary
story last last_wave
story fromall from_all_at_once
story back there_and_back
story longer longer_soak
story shorter shorter_soak
story gate other_gate
story no gate_says_no
story para parallel_in_soak
story down down
story waves more_waves
story failgate failed_gate_edited
story failsoak failed_soak_edited
story failpara failed_parallel_edited
story all all_at_once
stories_end
done_testing
