# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A standalone controller for tests. Source after servers.sh; needs $SLUICE.
#
#   controller_init                folder $PLANS, empty
#   controller_start [FLAG…]       starts it in the background, waits until /readyz says ok
#   controller_launch [FLAG…]      the same without waiting
#   controller_stop                SIGTERM, waits; controller_kill: SIGKILL
#   controller_end                 stops it and prints the log's end after a failure; call in a trap
#   controller_reap                kills it and the Jobs of its folder
#   controller_port NAME           address of metrics, health or hook
#   secret NAME URI                a database Secret in $PLANS
#   plan_file NAME REPO            head of a manifest with source; the rest comes from stdin
#   commit REPO MESSAGE            commits and pushes the clone's sql/ folder; $sha is the commit
#   plan_json PATH [NAME]          a value of `get -o json`, e.g. .status.progress (by perl)
#   condition TYPE [NAME]          "True Reason"
#   wait_commit SHA [SECONDS]      sluice wait
#
# $CONTROLLER_LOG, $controller_pid.

[ -n "${CONTROLLER_SH:-}" ] && return 0
CONTROLLER_SH=1
controller_pid=''

controller_init() {
    servers_init
    PLANS=$SERVERS_DIR/plans CONTROLLER_LOG=$SERVERS_DIR/controller.log
    mkdir -p "$PLANS"
    : >"$CONTROLLER_LOG"
    export SLUICE_STANDALONE=$PLANS
    trap 'controller_end $?' EXIT
}

controller_ready() {
    local address
    kill -0 "$controller_pid" 2>/dev/null || return 1
    address=$(controller_port health 2>/dev/null) && http_get "$address" /readyz | grep -q ok
}

controller_launch() {
    # shellcheck disable=SC2086
    ${CONTROLLER_UNDER:-} "$SLUICE" controller --standalone "$PLANS" --allow-source-scheme=http,file \
        --min-interval="${MIN_INTERVAL:-200ms}" --metrics-addr=127.0.0.1:0 --health-addr=127.0.0.1:0 \
        --hook-addr=127.0.0.1:0 "$@" </dev/null 2>>"$CONTROLLER_LOG" &
    controller_pid=$!
}

controller_start() {
    rm -f "$PLANS/.sluice/ports.json"
    controller_launch "$@"
    within 30 controller_ready || { servers_fail "the controller is not ready"; tail -n 5 "$CONTROLLER_LOG" >&2; return 1; }
}

controller_stop() {
    [ -n "$controller_pid" ] || return 0
    kill "$controller_pid" 2>/dev/null || true
    wait "$controller_pid" 2>/dev/null || true
    controller_pid=''
}

controller_dead() { ! kill -0 "$controller_pid" 2>/dev/null; }

controller_kill() {
    [ -n "$controller_pid" ] || return 0
    kill -9 "$controller_pid" 2>/dev/null || true
    wait "$controller_pid" 2>/dev/null || true
    within 10 controller_dead || true # one that was disowned
    controller_pid=''
}

# Jobs outlive their controller on purpose; a test's do not outlive the test.
controller_end() {
    local code=$1
    if { [ "$code" != 0 ] || [ "${tap_failed:-0}" != 0 ]; } && [ -s "${CONTROLLER_LOG:-}" ]; then
        printf '# last lines of the controller:\n' >&2
        tail -n 25 "$CONTROLLER_LOG" | cut -c1-400 | sed 's/^/#   /' >&2
    fi
    controller_reap
    servers_end "$code"
}

controller_reap() {
    local alive pid
    controller_kill
    for alive in "$PLANS"/.sluice/jobs/*/alive; do
        [ -s "$alive" ] || continue
        pid=$(<"$alive")
        if ! flock -n -s "$alive" true; then kill -9 "$pid" 2>/dev/null || true; fi
    done
}

controller_port() {
    perl -0777 -ne 'print $1 if /"'"$1"'":\s*"([^"]+)"/' "$PLANS/.sluice/ports.json"
}

# http_get ADDRESS PATH [HEADER…]: the whole answer, head included.
http_get() {
    local address=$1 path=$2 line
    shift 2
    exec 9<>"/dev/tcp/${address%:*}/${address##*:}"
    {
        printf 'GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' "$path"
        for line in "$@"; do printf '%s\r\n' "$line"; done
        printf '\r\n'
    } >&9
    timeout 20 cat <&9
    exec 9>&- 9<&-
}

# http_post ADDRESS PATH BODY [HEADER…]
http_post() {
    local address=$1 path=$2 body=$3 line
    shift 3
    exec 9<>"/dev/tcp/${address%:*}/${address##*:}"
    {
        printf 'POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n' "$path" "${#body}"
        for line in "$@"; do printf '%s\r\n' "$line"; done
        printf '\r\n%s' "$body"
    } >&9
    timeout 20 cat <&9
    exec 9>&- 9<&-
}

http_code() { head -n 1 | cut -d ' ' -f 2; }

secret() {
    cat >"$PLANS/.new-secret" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: $1}
stringData: {uri: '$2'}
YAML
    chmod 600 "$PLANS/.new-secret"
    mv "$PLANS/.new-secret" "$PLANS/$1.yaml"
}

# The rest of spec comes from stdin, indented by two.
plan_file() {
    {
        cat <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: $1}
spec:
  source:
    url: $SLUICE_TEST_GIT_HTTP_URL/$2.git
    interval: 200ms
  interval: 2s
  retryInterval: 200ms
YAML
        cat
    } >"$PLANS/.new-plan"
    mv "$PLANS/.new-plan" "$PLANS/$1.yaml"
}

commit() {
    git -C "$SERVERS_DIR/$1" add -A
    git -C "$SERVERS_DIR/$1" commit -q --allow-empty -m "$2"
    git -C "$SERVERS_DIR/$1" push -q -f origin HEAD:main
    sha=$(git -C "$SERVERS_DIR/$1" rev-parse HEAD)
}

# plan_json .status.conditions[0].type [NAME]; arrays and objects come as compact JSON.
plan_json() {
    "$SLUICE" get "plan/${2:-shop}" -o json 2>/dev/null | perl -MJSON::PP -0777 -ne '
        BEGIN { $path = shift @ARGV }
        my $v = JSON::PP->new->decode($_);
        for my $key (grep { length } split /[.\[\]]+/, $path) {
            $v = ref $v eq "ARRAY" ? $v->[$key] : ref $v eq "HASH" ? $v->{$key} : undef;
        }
        print ref $v && !JSON::PP::is_bool($v) ? JSON::PP->new->canonical->encode($v) : $v // "";' "$1"
}

condition() {
    "$SLUICE" get "plan/${2:-shop}" -o json 2>/dev/null | perl -MJSON::PP -0777 -ne '
        BEGIN { $type = shift @ARGV }
        for (@{JSON::PP->new->decode($_)->{status}{conditions}}) {
            print "$_->{status} $_->{reason}" if $_->{type} eq $type;
        }' "$1"
}

condition_is() { [ "$(condition "$1" "${3:-shop}")" = "$2" ]; }

wait_commit() { "$SLUICE" wait "plan/${3:-shop}" --commit "$1" --timeout "${2:-60}s"; }
