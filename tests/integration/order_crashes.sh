#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The order of a roll-out holds when the controller is killed at any moment while edits come, when its
# status is lost, and when a newer version finds what an older one has written. The servers' own logs say
# which database saw a statement when.
#
# SLUICE_BEFORE=PROGRAM: an older version, which then writes what the newer one finds. Without it what
# that one wrote is made from the newer one's status, by leaving out the fields that it did not know.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/order.sh"
order_init pg

status_file() { printf '%s/.sluice/plans/default.shop.json' "$PLANS"; }
jobs_created() { grep -c '"job created"' "$CONTROLLER_LOG" || true; }

# ---- killed ------------------------------------------------------------------------------------------

# The moments are random, not awaited: a pause before each SIGKILL, another before some edits.
killed_at_random() {
    local turn edits=('soak=6' 'gate=g2' 'more=maxParallel: 1' 'soak=8 gate=g3' 'more=maxFailures: 2' 'soak=5')
    seed=${SLUICE_SEED:-$RANDOM$RANDOM}
    printf '# SLUICE_SEED=%s\n' "$seed"
    RANDOM=$seed
    begin
    plan soak=4 gate=g1
    file V2__second
    push second
    for turn in 0 1 2 3 4 5 6 7 8 9 10 11; do
        controller_kill
        if [ $turn = 6 ]; then
            file V3__third
            push third
        fi
        if [ $((turn % 2)) = 1 ]; then
            edit=${edits[turn / 2]}
            if [[ $edit == more=* ]]; then plan "$edit"; else
                # shellcheck disable=SC2086
                plan $edit
            fi
        fi
        controller_launch
        sleep "$((RANDOM % 2)).$((RANDOM % 1000))"
    done
    controller_kill
    controller_start
    done_all
    kept "killed twelve times, with edits between (seed $seed)" 'V2|V3' 'a b c'
}

# ---- status lost -------------------------------------------------------------------------------------

status_lost() {
    soak_begins 25 g1
    controller_kill
    rm "$(status_file)"
    controller_start
    wait_for "without its status it soaks" 30 soaking
    done_all
    kept "the whole soak, by the databases, with its gate" V2 'a b c'
}

# The other name has been chosen stably by the UID, which is lost as well.
status_lost_count() {
    spec[select]='count: 1'
    soak_begins 25 g1
    canary=$(witness V2)
    controller_kill
    rm "$(status_file)"
    controller_start
    done_all
    kept "whoever would be chosen now, the one that has begun goes first" V2 \
        "$(canary_first 'a b c')"
}

status_lost_failed() {
    gate_fails 1
    controller_kill
    rm "$(status_file)"
    controller_start
    wait_for "without its status the gate is asked again, and says no again" 60 stalled GateFailed
    only "nobody else has seen a statement" V2 a
    answer a yes
    plan gate=g2
    done_all
    kept "until it says yes" V2 'a b c'
}

gone() {
    local code=0
    "$SLUICE" describe plan/shop || code=$?
    [ $code = 4 ]
}
recreated() {
    soak_begins 25 g1
    rm "$PLANS/shop.yaml"
    wait_for "the plan is deleted in the soak" 30 gone
    plan
    done_all
    kept "made again it soaks, and asks its gate" V2 'a b c'
}

# ---- a newer version ---------------------------------------------------------------------------------

newer=$SLUICE
older() { SLUICE=${SLUICE_BEFORE:-$newer}; }
upgrade() {
    controller_kill
    SLUICE=$newer
    [ -n "${SLUICE_BEFORE:-}" ] || perl -MJSON::PP -0777 -pi -e '
        my $o = JSON::PP->new->canonical->decode($_);
        my $status = $o->{status} // $o;
        delete @{$status->{rollout}}{qw(order source lead restarted)} if $status->{rollout};
        delete @$_{qw(verified begun)} for @{$status->{databases}};
        $_ = JSON::PP->new->canonical->encode($o);' "$(status_file)"
    is "what an older version wrote has none of the newer fields" \
        "$(grep -oE '"(verified|begun|order)":' "$(status_file)" | sort -u)" ''
    controller_start
    wait_for "the newer version has seen the plan" 30 observed
}

upgrade_soaking() {
    older
    soak_begins 25 g1
    until=$(message Waiting) started=$(plan_json .status.rollout.started)
    upgrade
    wait_for "in the soak: it goes on" 30 soaking
    is "not anew" "$(began_anew) $(plan_json .status.rollout.started)" " $started"
    is "and neither longer nor shorter" "$(message Waiting)" "$until"
    done_all
    kept "in order" V2 'a b c'
}

# With the new version the edit of a soak that the old one began is an edit like others.
upgrade_then_edit() {
    older
    soak_begins 25 g1
    upgrade
    plan soak=32
    done_all
    kept "in the soak, then a longer soak: served in full" V2 'a b c'
}

upgrade_with_edit() {
    older
    soak_begins 25 g1
    controller_kill
    plan soak=32
    upgrade
    done_all
    kept "a longer soak while it is exchanged: served in full" V2 'a b c'
}

upgrade_idle() {
    older
    begin
    plan soak=3 gate=g1
    ok "the plan is as it will be" looked
    upgrade
    ok "idle: the newer one looks" looked
    is "nothing is done" "$(condition Ready) $(plan_json .status.progress) $(plan_json .status.rollout)" \
        "True ReconciliationSucceeded 3/3 "
    plan soak=5
    ok "an edit is looked at" looked
    is "and nothing is done" "$(condition Ready) $(plan_json .status.rollout)" "True ReconciliationSucceeded "
    file V2__second
    push second
    done_all
    kept "the next commit goes in order" V2 'a b c'
}

upgrade_failed() {
    older
    gate_fails 1
    upgrade
    ok "failed: the newer one looks" looked
    ok "it stays so" stalled GateFailed
    plan more='maxParallel: 2'
    ok "an edit that changes no order is looked at" looked
    ok "it stays so" stalled GateFailed
    only "nobody else has seen a statement" V2 a
    answer a yes
    plan gate=g2
    done_all
    kept "until another gate says yes" V2 'a b c'
}

upgrade_last_wave() {
    older
    begin
    plan soak=2 gate=g1
    lock c
    file V2__second
    push second
    wait_for "in the last wave one waits for a lock" 60 eval '[ "$(plan_json .status.progress)" = 2/3 ] && saw V2 b'
    started=$(plan_json .status.rollout.started)
    upgrade
    ok "the newer one looks" looked
    is "the last wave goes on" "$(began_anew) $(plan_json .status.rollout.started) $(plan_json .status.rollout.wave)" " $started rest"
    unlock c
    done_all
    kept "to its end, in order" V2 'a b c'
}

story kill1 killed_at_random
story kill2 killed_at_random
story lost status_lost
story lostcnt status_lost_count
story lostfail status_lost_failed
story again recreated
story upsoak upgrade_soaking
story upedit upgrade_then_edit
story upwith upgrade_with_edit
story upidle upgrade_idle
story upfail upgrade_failed
story uplast upgrade_last_wave
stories_end
done_testing
