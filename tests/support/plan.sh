# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A standalone controller, its plan and its repository. Source after tap.sh and servers.sh.
#
#   plan_begin FOLDER                 new folder of manifests: $PLANS
#   plan_secret NAME URI              Secret NAME with that uri
#   plan_write NAME REPO [GATE [SOAK]]    canary plan over $plan_databases (default orders billing search)
#   plan_commit CLONE MESSAGE         commits and pushes what lies in the clone; sets $sha
#   controller_start [VARIABLE=VALUE…]    $PLANS; log in $PLANS.log; sets $controller
#   controller_stop | controller_kill
#   plan_condition NAME TYPE          "True CanaryFailed" of a condition; empty if absent
#   plan_looked NAME TOKEN            has the controller polled and inspected since TOKEN was asked for?
#   plan_ask NAME TOKEN               asks (annotation sluice.dev/requestedAt)

plan_databases='orders billing search'

plan_begin() {
    PLANS=$PWD/$1
    rm -rf "$PLANS"
    mkdir -p "$PLANS"
    plan_token=''
}

plan_secret() {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData: {uri: "%s"}\n' "$1" "$2" >"$PLANS/$1.yaml.new"
    mv "$PLANS/$1.yaml.new" "$PLANS/$1.yaml"
}

# Written whole and renamed: the controller may read at any time.
plan_write() {
    local name=$1 repo=$2 gate=${3:-} soak=${4:-0s} database
    {
        printf 'apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\n'
        printf 'metadata:\n  name: %s\n' "$name"
        [ -z "$plan_token" ] || printf '  annotations: {sluice.dev/requestedAt: "%s"}\n' "$plan_token"
        printf 'spec:\n  source:\n    url: %s/%s.git\n    interval: 200ms\n' "$SLUICE_TEST_GIT_HTTP_URL" "$repo"
        # shellcheck disable=SC2016
        printf '    paths: ["sql/${database}"]\n'
        printf '  interval: 5s\n  retryInterval: 500ms\n  databases:\n'
        for database in $plan_databases; do
            printf '  - {name: %s, secretRef: {name: %s-db}}\n' "$database" "$database"
        done
        printf '  strategy:\n    type: Canary\n    waves:\n    - name: canary\n      select: {names: [%s]}\n      soak: %s\n' \
            "${plan_databases%% *}" "$soak"
        [ -z "$gate" ] || printf '      gates:\n      - name: probe\n        sql: {query: "%s", interval: 200ms}\n' "$gate"
    } >"$PLANS/$name.yaml.new"
    mv "$PLANS/$name.yaml.new" "$PLANS/$name.yaml"
    plan_last=("$name" "$repo" "$gate" "$soak")
}

plan_commit() {
    git -C "$1" add -A
    git -C "$1" commit -q -m "$2"
    git -C "$1" push -q origin HEAD:main
    sha=$(git -C "$1" rev-parse HEAD)
}

controller_start() {
    env "$@" "$SLUICE" controller --standalone "$PLANS" --allow-source-scheme=http --min-interval=100ms \
        --metrics-addr=127.0.0.1:0 --health-addr=127.0.0.1:0 --hook-addr=127.0.0.1:0 2>>"$PLANS.log" &
    controller=$!
}

controller_stop() { controller_signal TERM; }
controller_kill() { controller_signal KILL; }
controller_signal() {
    [ -n "${controller:-}" ] || return 0
    kill "-$1" "$controller" 2>/dev/null || true
    wait "$controller" 2>/dev/null || true
    controller=''
}

plan_condition() {
    "$SLUICE" get "$1" --standalone "$PLANS" -o json | perl -MJSON::PP -0e '
        my $o = decode_json(<STDIN>);
        for (@{ $o->{status}{conditions} // [] }) { print "$_->{status} $_->{reason}\n" if $_->{type} eq $ARGV[0] }' "$2"
}

plan_ask() {
    plan_token=$2
    plan_write "${plan_last[@]}"
}
plan_looked() {
    [ "$("$SLUICE" get "$1" --standalone "$PLANS" -o json | perl -MJSON::PP -0e '
        print decode_json(<STDIN>)->{status}{lastHandledReconcileAt} // ""')" = "$2" ]
}
