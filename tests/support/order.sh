# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Stories of roll-outs on servers that log every statement, several beside each other: each has its own
# controller, repository, plan and databases. Source after tap.sh and servers.sh; it brings controller.sh.
#
#   order_init                 the servers: pg, mariadb, git
#   story NAME FUNCTION        FUNCTION in the background, as NAME (short: a-z, digits)
#   stories_end                waits for all of them and reports their tests; with $SLUICE_STORY (a
#                              comma-separated list) of those alone
#
# Inside a story ($S is its name; the plan is "shop"; databases a b c m are $S_a … of pg, those that start
# with m of mariadb, in the plan's entries of the same names):
#   file NAME [FOLDER [MARK]]  sql/NAME.sql, or sql/FOLDER/NAME.sql: one statement, marked V2 for V2__x
#   plan [KEY=VALUE]…          changes the plan and writes it. Keys: entries ("a b n=c": entry n leads to
#                              database c), select, soak (seconds), gate (a name; '' none), type, more
#                              (lines of strategy), waves (more waves), top (a line of spec), paths,
#                              folders (of sql/, for begin), first (how many the first wave selects: for
#                              the witness), fleet (1: a databaseSelector). more_of[ENTRY] is more of
#                              an entry: "labels: {tier: canary}"; in a fleet labels: "tier: canary"
#   begin [ENTRIES]            V1 everywhere, without soak and gate
#   soak_begins SOAK GATE [ENTRIES]   then V2 is on the canary, and it soaks
#   gate_fails SOAK            the same with gate g1, but it says no: the roll-out has stopped
#   done_all                   the commit reaches everybody
#   lock, unlock DATABASE      its files wait in between
#   waiting                    the databases of pg whose files do, now
#   one_waits NAME             for wait_for: one does; the variable NAME says which
#   answer DATABASE yes|no     what its gates say from now on
#   canary_first ENTRIES       those, with $canary first
#   note WORDS                 a line for the witness
#   kept NAME FILES DATABASES  the servers' logs say that the roll-out of FILES kept its order, and
#                              that it has reached these databases, the first one first
#   only NAME FILES DATABASES  the same of a roll-out that has not ended: nobody else has seen a statement
#   soaking, stalled REASON, ready   for wait_for
#   saw FILES DATABASE         for wait_for: its server has logged a statement of these files
#   looked                     the controller has looked at everything since
#   message TYPE               of a condition
#   began_anew                 why, as status says; empty when it did not

. "$SLUICE_SOURCE/tests/support/controller.sh"

order_init() {
    controller_init
    MIN_INTERVAL=100ms
    pg_start pg log "log_line_prefix=%n %p %d "
    [ "${1:-}" = pg ] || mariadb_start mariadb log log_output=FILE,TABLE "default_time_zone=+00:00"
    git_http_start
    STORIES=$SERVERS_DIR/stories
    mkdir "$STORIES"
    stories=()
}

# Every story is a process with servers of its parent; what it started itself ends with it.
story() {
    local name=$1 function=$2
    [[ -z "${SLUICE_STORY:-}" || ",$SLUICE_STORY," == *",$name,"* ]] || return 0
    (
        S=$name
        PLANS=$SERVERS_DIR/plans-$S CONTROLLER_LOG=$STORIES/$S.log ORDERS=$STORIES/$S.orders
        tap_count=0 tap_failed=0 controller_pid='' servers_mine=1
        export SLUICE_STANDALONE=$PLANS
        within() { story_within "$@"; }
        trap 'controller_reap' EXIT
        mkdir -p "$PLANS"
        : >"$CONTROLLER_LOG" && : >"$ORDERS"
        declare -A spec=([entries]='a b c' [select]='names: [a]' [soak]=0 [gate]='' [type]=Canary [more]=''
            [waves]='' [top]='' [paths]='[sql]' [folders]=. [first]=1 [fleet]='')
        declare -A more_of=()
        repo_new "$S"
        sql=$SERVERS_DIR/$S/sql
        mkdir -p "$sql"
        $function
        printf '1..%d\n' "$tap_count"
        [ "$tap_failed" = 0 ] || { printf '# its controller:\n'; tail -n 12 "$CONTROLLER_LOG" | cut -c1-400 | sed 's/^/#   /'; }
    ) >"$STORIES/$name.tap" 2>&1 &
    stories+=("$name:$!")
}

stories_end() {
    local one name line plan
    for one in "${stories[@]}"; do
        name=${one%%:*}
        wait "${one#*:}" || true
        plan=''
        while IFS= read -r line; do
            case $line in
            'ok - '*) pass "$name: ${line#ok - }" ;;
            'not ok - '*) flunk "$name: ${line#not ok - }" ;;
            1..*) plan=$line ;;
            *) printf '#%s\n' "${line#\#}" ;;
            esac
        done <"$STORIES/$name.tap"
        [ -n "$plan" ] || flunk "$name: came to its end"
    done
    stories=()
}

# Rarer than tap.sh does: many stories are beside each other.
story_within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.4
    done
}

# ---- inside a story -------------------------------------------------------------------------------

server_of() { case $1 in m*) printf mariadb ;; *) printf pg ;; esac; }
sql_on() { db_sql "$(server_of "$1")" "${S}_$1" "$2"; }
note() { printf '%s %s\n' "$(date +%s.%3N)" "$*" >>"$ORDERS"; }

database() { # NAME: an empty one, with its Secret
    db_create "$(server_of "$1")" "${S}_$1"
    if [ -n "${spec[fleet]}" ]; then tenant "$1"; else secret "$1-db" "$(db_uri "$(server_of "$1")" "${S}_$1")"; fi
}

tenant() { # NAME: its Secret as one of a fleet, with the labels of more_of[NAME]
    cat >"$PLANS/.new-secret" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: $1, labels: {fleet: $S${more_of[$1]:+, ${more_of[$1]}}}}
stringData: {uri: '$(db_uri "$(server_of "$1")" "${S}_$1")'}
YAML
    mv "$PLANS/.new-secret" "$PLANS/$1.yaml"
}

file() {
    mkdir -p "$sql${2:+/$2}"
    printf "insert into effect values ('mark:%s:%s');\n" "$S" "${3:-${1%%__*}}" >"$sql${2:+/$2}/$1.sql"
}

plan_text() {
    local entry name
    cat <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: shop}
spec:
  source: {url: '$SLUICE_TEST_GIT_HTTP_URL/$S.git', interval: 1s, paths: ${spec[paths]}}
  interval: 3s
  retryInterval: 300ms
YAML
    [ -z "${spec[top]}" ] || printf '  %s\n' "${spec[top]}"
    if [ -n "${spec[fleet]}" ]; then
        printf '  databaseSelector: {matchLabels: {fleet: %s}}\n' "$S"
    else
        printf '  databases:\n'
    fi
    for entry in $([ -n "${spec[fleet]}" ] || printf '%s' "${spec[entries]}"); do
        name=${entry%=*}
        printf '  - {name: %s, secretRef: {name: %s-db}%s}\n' "$name" "${entry#*=}" "${more_of[$name]:+, ${more_of[$name]}}"
    done
    printf '  strategy:\n    type: %s\n' "${spec[type]}"
    [ -z "${spec[more]}" ] || printf '    %s\n' "${spec[more]}"
    [ "${spec[type]}" != AllAtOnce ] || return 0
    printf '    waves:\n    - name: canary\n      select: {%s}\n      soak: %ss\n' "${spec[select]}" "${spec[soak]}"
    [ -z "${spec[gate]}" ] || printf '      gates: [{name: %s, sql: {query: "%s", interval: 500ms}}]\n' "${spec[gate]}" \
        "select yes from answer where 'gate:$S:${spec[gate]}' <> ''"
    [ -z "${spec[waves]}" ] || printf '%s\n' "${spec[waves]}"
}

plan() {
    local pair
    for pair in "$@"; do spec[${pair%%=*}]=${pair#*=}; done
    plan_text >"$PLANS/.new-plan"
    if [ "${spec[type]}" = AllAtOnce ]; then
        note open
    else
        note "first=${spec[first]} soak=${spec[soak]} gate=${spec[gate]:--}"
    fi
    mv "$PLANS/.new-plan" "$PLANS/shop.yaml"
}

push() { commit "$S" "${1:-more}"; } # sets $sha

begin() {
    local name folder
    spec[entries]=${1:-${spec[entries]}}
    for name in ${spec[entries]}; do database "${name#*=}"; done
    for folder in ${spec[folders]}; do
        mkdir -p "$sql/$folder"
        cat >"$sql/$folder/V1__first.sql" <<'SQL'
create table effect (mark varchar(60));
create table answer (yes boolean);
insert into answer values (true);
SQL
    done
    push first
    plan
    controller_start
    run_expect "a first commit reaches everybody" 0 '' wait_commit "$sha" 90
}

# soak_begins SOAK GATE [ENTRIES]: V2 is on the canary, and it soaks.
soak_begins() {
    begin "${3:-${spec[entries]}}"
    plan soak="$1" gate="$2"
    file V2__second
    push second
    wait_for "the canary soaks" 60 soaking
}
gate_fails() {
    begin
    answer a no
    plan soak="$1" gate=g1
    file V2__second
    push second
    wait_for "its gate says no" 60 stalled GateFailed
}
# A wave that has chosen by count: its canary first, then the others of ENTRIES, as `kept` wants them.
canary_first() { printf '%s %s' "$canary" "$(tr ' ' '\n' <<<"$1" | grep -v "$canary" | paste -sd' ')"; }
done_all() { run_expect "the roll-out comes to its end" 0 '' wait_commit "$sha" 90; }
only() { is "$1" "$(witness "$2" 2>&1)" "$3"; }
over() { [ "$(date +%s)" -ge "$1" ]; } # for wait_for: it is that late

lock() {
    db_sql pg "${S}_$1" "begin; lock table effect; select pg_sleep(200)" >/dev/null 2>&1 &
    within 30 eval "[ \"\$(db_sql pg ${S}_$1 \"select count(*) from pg_locks where relation = 'effect'::regclass and granted and mode like 'Acc%Excl%'\")\" = 1 ]"
}
unlock() {
    db_sql pg postgres "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = '${S}_$1' and query like '%pg_sleep(200)%' and pid <> pg_backend_pid()" >/dev/null
}

waiting() {
    db_sql pg postgres "select string_agg(substr(datname, ${#S} + 2), ' ' order by datname) from pg_stat_activity
        where datname like '${S}\_%' and wait_event_type = 'Lock' and query like '%mark:$S:%'"
}

# A try for a lock ends after a second, and the next one begins a little later.
one_waits() {
    local found
    found=$(waiting)
    [ -n "$found" ] && printf -v "$1" '%s' "$found"
}

answer() {
    local yes=false
    [ "$2" = no ] || yes=true
    sql_on "$1" "update answer set yes = $yes where 'answer:$S:$2' <> ''" >/dev/null
}

witness() { # FILES [ORDERS]
    local mariadb=''
    [ -z "${SLUICE_TEST_MARIADB_LOG:-}" ] || mariadb=${SLUICE_TEST_MARIADB_LOG%/*}/data/mysql/general_log.CSV
    # shellcheck disable=SC2086
    perl "$SLUICE_SOURCE/tests/support/order-witness.pl" "$S" "${2:-$ORDERS}" "$1" "$SLUICE_TEST_PG_LOG" $mariadb
}

kept() {
    local said code=0 faults
    faults=$(mktemp)
    said=$(witness "$2" 2>"$faults") || code=$?
    if [ $code = 0 ] && [ "$said" = "$3" ]; then
        pass "$1"
    else
        flunk "$1" "the servers saw it on: $said" "want: $3" "$(cat "$faults" "$ORDERS")"
    fi
}

soaking() { condition_is Waiting "True Soaking"; }
stalled() { condition_is Stalled "True $1"; }
ready() { condition_is Ready "True ReconciliationSucceeded"; }
began_anew() { plan_json .status.rollout.restarted; }
message() {
    "$SLUICE" get plan/shop -o json | perl -MJSON::PP -0777 -ne '
        BEGIN { $type = shift @ARGV }
        for (@{decode_json($_)->{status}{conditions}}) { print $_->{message} if $_->{type} eq $type }' "$1"
}
saw() { [[ " $(witness "$1" 2>/dev/null) " == *" $2 "* ]]; } # FILES DATABASE
observed() { [ "$(plan_json .status.observedGeneration)" = "$(plan_json .metadata.generation)" ]; }
# The controller has seen the plan as it is now, polled its source and looked at every database, twice.
looked() {
    local turn before
    for turn in 1 2; do
        before=$(plan_json .status.lastHandledReconcileAt)
        "$SLUICE" reconcile plan/shop >/dev/null
        within 30 eval "[ \"\$(plan_json .status.lastHandledReconcileAt)\" != '$before' ] && observed" || return 1
    done
}
