#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The order of a roll-out holds on a cluster when its plan is edited while the canary soaks: a longer
# soak, the canary removed, every entry renamed while suspended. The server's own log says which database
# saw a statement when.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
. "$SLUICE_SOURCE/tests/support/cluster_outside.sh"
cluster_init
pg_start pg tcp log "log_line_prefix=%n %p %d "
stories='longer removed renamed'
declare -A soak=() select=() entries=() suspend=() gate=() commit=()

note() { printf '%s %s\n' "$(date +%s.%3N)" "${*:2}" >>"$SERVERS_DIR/$1.orders"; } # STORY WORDS
manifest() { # STORY
    local entry
    cat <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: $1, namespace: $NS}
spec:
  source: {url: "file://$SLUICE_TEST_GIT_ROOT/$1.git", interval: 1s, paths: [sql]}
  suspend: ${suspend[$1]:-false}
  interval: 5s
  retryInterval: 1s
  databases:
YAML
    for entry in ${entries[$1]:-a b c}; do
        printf '  - {name: %s, secretRef: {name: %s-%s}, labels: {tier: %s}}\n' "${entry%=*}" "$1" "${entry#*=}" \
            "$([ "${entry#*=}" = a ] && printf canary || printf rest)"
    done
    cat <<YAML
  strategy:
    type: Canary
    waves:
    - name: canary
      select: {${select[$1]:-matchLabels: {tier: canary\}}}
      soak: ${soak[$1]:-0}s
YAML
    [ -z "${gate[$1]:-}" ] || printf '      gates: [{name: %s, sql: {query: "%s", interval: 500ms}}]\n' "${gate[$1]}" \
        "select 'gate:$1:${gate[$1]}' <> ''"
}
apply_plan() { # STORY
    note "$1" "first=1 soak=${soak[$1]:-0} gate=${gate[$1]:--}"
    manifest "$1" | kubectl apply -f - >/dev/null
}
commit_file() { # STORY FILE SQL
    mkdir -p "$SERVERS_DIR/$1/sql"
    printf '%s\n' "$3" >"$SERVERS_DIR/$1/sql/$2"
    push "$1" "$2"
    commit[$1]=$sha
}
has() { [ "$(get "mplan/$1" '{.status.lastAppliedCommit}' -n "$NS")" = "${commit[$1]}" ]; }
soaks() { [ "$(get "mplan/$1" '{.status.conditions[?(@.type=="Waiting")].reason}' -n "$NS")" = Soaking ]; }
ready_of() { get "mplan/$1" '{.status.conditions[?(@.type=="Ready")].message}' -n "$NS"; }
seen_by_controller() {
    [ "$(get "mplan/$1" '{.metadata.generation}' -n "$NS")" = "$(get "mplan/$1" '{.status.observedGeneration}' -n "$NS")" ]
}
kept() { # NAME STORY DATABASES
    local said code=0 faults
    faults=$(mktemp)
    said=$("$SLUICE_SOURCE/tests/support/order-witness.pl" "$2" "$SERVERS_DIR/$2.orders" V2 "$SLUICE_TEST_PG_LOG" 2>"$faults") || code=$?
    if [ $code = 0 ] && [ "$said" = "$3" ]; then
        pass "$1"
    else
        flunk "$1" "the server saw it on: $said" "want: $3" "$(cat "$faults" "$SERVERS_DIR/$2.orders")"
    fi
}

outside_begin
outside_start
for story in $stories; do
    repo_new "$story"
    for name in a b c; do
        db_create pg "${story}_$name"
        db_secret "$story-$name" pg "${story}_$name"
    done
    commit_file "$story" V1__first.sql 'create table effect (mark varchar(60));'
    apply_plan "$story"
done
for story in $stories; do wait_for "$story: a first commit reaches everybody" 120 has "$story"; done

for story in $stories; do
    soak[$story]=20 gate[$story]=g1
    apply_plan "$story"
    commit_file "$story" V2__second.sql "insert into effect values ('mark:$story:V2');"
done

# ---- a longer soak, by a patch -----------------------------------------------------------------------

wait_for "longer: the canary soaks" 60 soaks longer
soak[longer]=30
note longer "first=1 soak=30 gate=g1"
kubectl patch mplan/longer -n "$NS" --type json \
    -p '[{"op":"replace","path":"/spec/strategy/waves/0/soak","value":"30s"}]' >/dev/null

# ---- the canary removed, by apply --------------------------------------------------------------------

wait_for "removed: the canary soaks" 60 soaks removed
note removed left=a
entries[removed]='b c' select[removed]='names: [b]'
apply_plan removed

# ---- all renamed while suspended ---------------------------------------------------------------------

wait_for "renamed: the canary soaks" 60 soaks renamed
suspend[renamed]=true
apply_plan renamed
wait_for "renamed: it is suspended" 30 seen_by_controller renamed
entries[renamed]='n1=a n2=b n3=c'
apply_plan renamed
wait_for "renamed: all its entries have other names" 30 seen_by_controller renamed
suspend[renamed]=false
apply_plan renamed

again='strategy edited: wave canary soaks again until 20'
wait_for "longer: Ready says what happens, and until when" 60 eval '[[ "$(ready_of longer)" == "$again"* ]]'
like "so does get" "$(sluice get plan/longer -o wide)" "$again"
like "so does describe" "$(sluice describe plan/longer)" "$again"

for story in $stories; do wait_for "$story: the roll-out comes to its end" 120 has "$story"; done
kept "a longer soak is served in full" longer 'a b c'
kept "another one becomes the canary, with the whole soak and its gate" removed 'a b c'
kept "under other names the one that has begun is the canary, and soaks" renamed 'a b c'
outside_stop
done_testing
