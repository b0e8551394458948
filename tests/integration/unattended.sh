#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A folder that no controller works on, or two want to: every command says so, and what to do.
# timeout: 120
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

servers_init
plan_begin "plans of 'mine'"
plan_secret one-db postgresql://nobody@127.0.0.1:1/x
SLUICE_TEST_GIT_HTTP_URL=http://127.0.0.1:1
plan_databases=one
plan_write shop shop
export SLUICE_STANDALONE=$PLANS
quoted=${PLANS//\'/\'\\\\\'\'}
start="\`sluice controller --standalone '$quoted'\` starts one"
said() { # NAME REGEX COMMAND…
    local name=$1 regex=$2
    shift 2
    run_expect "$name" 0 "$regex" "$@"
}

# ---- nobody, ever --------------------------------------------------------------------------------------
never="no controller works on this folder, and none has yet: $start"
said "get" "warning: $never" "$SLUICE" get
said "get, one of them" "warning: $never" "$SLUICE" get plan/shop -o json
said "describe" "warning: $never" "$SLUICE" describe plan/shop
for verb in retry reconcile suspend resume; do
    run_expect "$verb has nowhere to write to" 4 'no controller has run on this folder yet \(NotFound\)' "$SLUICE" $verb plan/shop
done
run_expect "wait says it at once, and at the end" 2 "^sluice wait: $never.*sluice wait: .*not met in time.*; no controller works" \
    "$SLUICE" wait plan/shop --timeout 1500ms
is "and not at each look" "$(grep -c "none has yet" <<<"$run_stderr")" 2
run_expect "gate" 2 "^sluice gate: $never.*not met in time: .*; no controller works" \
    "$SLUICE" gate plan/shop --min-version 1 --timeout 100ms
mkdir empty
run_expect "a folder without plans" 0 'no controller works on this folder' "$SLUICE" get --standalone empty

# ---- one works -------------------------------------------------------------------------------------------
PORTS=$PLANS/.sluice/ports.json
began() { [ -s "$PORTS" ]; }
controller_start
within 30 began || flunk "the controller has begun"
run_expect "get, beside a controller" 0 '^$' "$SLUICE" get
run_expect "wait, beside a controller" 2 '^sluice wait: plan default/shop: not met in time, last seen: [^;]*$' "$SLUICE" wait plan/shop --timeout 500ms
run_expect "a second controller says who holds the folder" 7 \
    "^sluice controller: another controller works on .* already \(pid $controller, $(id -un)@.*, since 20..-.*Z\) \(ControllerRunning\): stop that one first" \
    "$SLUICE" controller --standalone "$PLANS"
run_expect "and leaves it as it is" 0 '^$' "$SLUICE" get

# ---- one did -------------------------------------------------------------------------------------------------
controller_kill
run_expect "one that was killed: when it was there" 0 "no controller works on this folder \(the last one did [0-9]+s ago\): $start" "$SLUICE" get
for verb in retry reconcile suspend resume; do
    said "$verb is written, and nobody acts on it" 'warning: no controller works on this folder \(the last' "$SLUICE" $verb plan/shop
done
said "a verdict likewise" 'warning: no controller works on this folder \(the last' \
    "$SLUICE" resolve plan/shop --database one --version 1 --step 1 --verdict applied --reason x
"$SLUICE" wait plan/shop --timeout 30s >waiting.out 2>waiting.err &
waiting=$!
told() { grep -q 'no controller works' waiting.err; }
within 10 told || flunk "wait tells" "$(<waiting.err)"
controller_start
within 30 began
kill "$waiting" 2>/dev/null
wait "$waiting" 2>/dev/null || true
is "a wait goes on meanwhile" "$(grep -c . waiting.err)" 1
controller_stop

# ---- ports ------------------------------------------------------------------------------------------------------
perl -MIO::Socket::INET -e '
    my @held = map { IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $_, Listen => 1) // 0 } 8080, 9440, 9292;
    my $own = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 0, Listen => 1) or die;
    open my $f, ">", "held.new"; print $f $own->sockport; close $f; rename "held.new", "held";
    sleep 100' &
holder=$!
trap 'kill $holder 2>/dev/null; servers_end $?' EXIT
held() { [ -s held ]; }
within 10 held || flunk "ports are taken"
rm -f "$PORTS"
"$SLUICE" controller --standalone "$PLANS" 2>ports.log &
controller=$!
within 30 began || flunk "a controller starts beside taken ports" "$(tail -n 3 ports.log)"
like "ports that nobody named give way" "$(<"$PORTS")" '"metrics":.*"127.0.0.1:[0-9]+".*"health":'
is "and the log names what was taken" "$(grep -c 'address taken, any other port is used' ports.log)" 3
controller_stop
run_expect "a port that was named does not" 1 \
    "could not listen on 127.0.0.1:$(<held): Address already in use; choose another one with --health-addr \(AddressInUse\): name another one" \
    "$SLUICE" controller --standalone "$PLANS" --metrics-addr 127.0.0.1:0 --hook-addr 127.0.0.1:0 --health-addr "127.0.0.1:$(<held)"
run_expect "what is no address" 1 'health-addr: "here" is not ADDRESS:PORT.*\(Usage\)' \
    "$SLUICE" controller --standalone "$PLANS" --metrics-addr off --hook-addr off --health-addr here
done_testing
