#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How SQL reaches a runner: byte for byte, whatever its size; what carried it is gone with its Job, also
# when the controller was dead meanwhile; nobody else's Job or ConfigMap is taken for ours.
# cluster: node
# timeout: 420
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/cluster.sh"
. "$SLUICE_SOURCE/tests/support/cluster_plan.sh"
cluster_init

pg_start pg tcp max_wal_size=4GB
git_http_start
repo_new shop
repo_new huge
sql=$SERVERS_DIR/shop/sql
databases='tiny medium large held tamper named configured'
for database in $databases huge; do db_create pg "$database"; done

# ---- trees -------------------------------------------------------------------------------------------

body() { head -c $(($1 * 3 / 4 + 3)) /dev/urandom | base64 -w 0 | head -c "$1"; }

# file PATH BYTES [FIRST]: exactly so many, nearly all of them text that no compression shortens much
file() {
    local first=${3:-} insert="insert into content values ('" end="');"
    printf '%s%s' "$first" "$insert" >"$1"
    body $(($2 - ${#first} - ${#insert} - ${#end})) >>"$1"
    printf '%s' "$end" >>"$1"
}

create='create table content (body text);'
mkdir -p "$sql"/{tiny,medium,large,held,tamper,named,configured}
printf "create table content as select '01234567' as body;" >"$sql/tiny/V1__tree.sql"
file "$sql/medium/V1__tree.sql" $((900 * 1024)) "$create"
file "$sql/large/V1__tree.sql" $((5 * 1024 * 1024)) "$create"
printf '%s\nselect pg_advisory_xact_lock(42);\n' "$create" >"$sql/held/V1__tree.sql"
for database in tamper named configured; do
    printf "%s -- %s\ninsert into content values ('done');\n" "$create" "$database" >"$sql/$database/V1__tree.sql"
done
push shop trees
sizes=$(stat -c %s "$sql"/{tiny,medium,large}/V1__tree.sql | tr '\n' ' ')
is "trees of 50 bytes, 900 KiB and 5 MiB" "$sizes" '50 921600 5242880 '

# ---- the cluster -------------------------------------------------------------------------------------

ok "the controller is installed" sluice_install --leader-election-lease-duration=6s \
    --leader-election-renew-deadline=4s --leader-election-retry-period=1s
namespace shop pod-security.kubernetes.io/enforce=restricted >/dev/null
sluice_grant shop >/dev/null
for database in $databases huge; do db_secret "$database-db" pg "$database"; done

plan() { # NAME REPO DATABASES [JSON: more of spec]
    local entries='' database
    for database in $3; do entries+="{name: $database, secretRef: {name: $database-db}},"; done
    kubectl apply -f - >/dev/null <<YAML
apiVersion: sluice.dev/v1alpha1
kind: MigrationPlan
metadata: {name: $1, namespace: shop}
spec:
  source: {url: $SLUICE_TEST_GIT_HTTP_URL/$2.git, interval: 1h}
  databases: [$entries]
  strategy: {type: AllAtOnce}
  interval: 5s
  retryInterval: 1s
${4:+  $4}
YAML
}
patch() { kubectl patch mplan/"$1" -n shop --type merge --patch "$2" >/dev/null; }
ready() { kubectl wait --for=condition=Ready "--timeout=${2:-90}s" "mplan/$1" -n shop; }
says() { get "mplan/$1" '{.status.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Ready")].message} {.status.databases}' -n shop; }
says_like() { [[ $(says "$1") =~ $2 ]]; }
job_of() { get jobs '{.items[0].metadata.name}' -n shop -l "sluice.dev/plan=$1"; }
has_job() { [ -n "$(kubectl get jobs -n shop -l "sluice.dev/plan=$1" -o name)" ]; }
carriers() { kubectl get configmaps -n shop -o name | grep -E '^configmap/sluice-(sql|assignment)-' || true; }
none_left() { [ -z "$(carriers)" ]; }
count() { db_sql pg "$1" 'select count(*) from content'; }
scale() { kubectl scale deployment/sluice-controller -n sluice-system --replicas="$1" >/dev/null; }
kill_controller() {
    kubectl delete pods -n sluice-system -l app.kubernetes.io/component=controller --grace-period=0 --force --wait=true >/dev/null 2>&1
}
# While the ReplicaSet has yet to hear of it, it makes another; and a pod that is forced to go is gone from the
# API before its process is.
none_wanted() { ! get replicasets '{.items[*].spec.replicas}' -n sluice-system | grep -q '[1-9]'; }
process_gone() { ! node_run test -d "/proc/$1"; }
end_controller() {
    local pid
    pid=$(container_pid "$(controller_pod)" controller sluice-system)
    scale 0
    wait_for "no controller is wanted" 30 none_wanted
    kill_controller
    wait_for "none is left" 30 process_gone "${pid:?}"
}

# arrived DATABASE FOLDER: what the server stored is what git holds, by the journal, and by its content
arrived() {
    local file got want
    for file in "$2"/*.sql; do
        want=$(sha256sum "$file")
        got=$(db_sql pg "$1" "select file_sha256 from sluice_journal where script = '$(basename "$file")' and file_sha256 is not null limit 1")
        [ "$got" = "${want%% *}" ] || { printf '%s: the journal has %s, git has %s\n' "$file" "$got" "$want"; return 1; }
    done
    want=$(sed -s "s/^.*values ('//; s/');\$//; s/^.*select '\\(.*\\)' as body;\$/\\1/" "$2"/*.sql | tr -d '\n' | sha256sum)
    got=$(db_sql pg "$1" 'copy (select body from content order by ctid) to stdout' | tr -d '\n' | sha256sum)
    [ "$got" = "$want" ] || { printf '%s: the content differs\n' "$1"; return 1; }
}

# ---- sizes -------------------------------------------------------------------------------------------

plan sizes shop 'tiny medium large'
ok "three trees are applied" ready sizes
for database in tiny medium large; do
    ok "$database: every byte arrived" arrived "$database" "$sql/$database"
done
wait_for "and nothing is left of what carried them" 30 none_left
is "the Jobs are still there" "$(kubectl get jobs -n shop -o name | wc -l)" 3

# parts JOB: of how many ConfigMaps its SQL was
parts() { get "job/$1" '{range .spec.template.spec.volumes[*].projected.sources[*]}{.configMap.name}{"\n"}{end}' -n shop | grep -c '^sluice-sql-'; }
large_job=$(kubectl get jobs -n shop -o name | grep -o 'sizes-large-.*')
ok "the largest was cut: $(parts "$large_job") parts" test "$(parts "$large_job")" -ge 4

# ---- a controller that dies meanwhile ----------------------------------------------------------------

exec {lock}> >(exec psql -XAtq "$(servers_get pg ADMIN_URI | sed 's|/postgres?|/held?|')" >/dev/null)
echo 'select pg_advisory_lock(42);' >&"$lock"
is_locked() { [ "$(db_sql pg held "select count(*) from pg_locks where locktype = 'advisory' and objid = 42 and granted")" = 1 ]; }
runner_waits() { [ "$(db_sql pg held "select count(*) from pg_stat_activity where datname = 'held' and wait_event = 'advisory'")" = 1 ]; }
within 10 is_locked
plan held shop held
wait_for "a runner is in the middle of its file" 60 runner_waits
held_job=$(job_of held)
held_carriers=$(carriers)
is "its SQL and its manifest are there" "$(printf '%s\n' "$held_carriers" | wc -l)" 2
dead=$(controller_pod)
kill_controller
revived() { [ -n "$(controller_pod)" ] && [ "$(controller_pod)" != "$dead" ] && kubectl logs -n sluice-system "$(controller_pod)" | grep -q '"leading"'; }
wait_for "a killed controller is replaced" 60 revived

# ---- names that somebody else took -------------------------------------------------------------------

plan named shop named 'suspend: true'
uid=$(get mplan/named '{.metadata.uid}' -n shop)
name=named-named-$(printf '%s/named' "$uid" | sha256sum | cut -c1-10)-1
kubectl create -f - >/dev/null 2>&1 <<YAML
apiVersion: batch/v1
kind: Job
metadata: {name: $name, namespace: shop}
spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: runner, image: $SLUICE_IMAGE}]}}}
YAML
foreign=$(get "job/$name" '{.metadata.uid}' -n shop)
patch named '{"spec":{"suspend":false}}'
wait_for "a foreign Job with our name is told" 60 says_like named "NameConflict .*$name exists and is not of this plan"
ok "and the plan goes on beside it" ready named
is "it is left alone" "$(get "job/$name" '{.metadata.uid}' -n shop)" "$foreign"
is "by a Job of its own of the next name" "$(get "job/${name%1}2" '{.metadata.labels.sluice\.dev/plan}' -n shop)" named
kubectl delete job "$name" -n shop >/dev/null

name=sluice-sql-$(sha256sum "$sql/configured/V1__tree.sql" | cut -c1-16)-000
kubectl create configmap "$name" -n shop --from-literal=x=y >/dev/null
plan configured shop configured
wait_for "a foreign ConfigMap with our name is told" 60 says_like configured "NameConflict .*$name is not the one"
is "nothing ran" "$(kubectl get jobs -n shop -l sluice.dev/plan=configured -o name)" ''
is "and it is left alone" "$(get "configmap/$name" '{.data.x}' -n shop)" y
kubectl delete configmap "$name" -n shop >/dev/null
ok "and the plan goes on when it is removed, too" ready configured

held_only() { [ "$(carriers)" = "$held_carriers" ]; }
wait_for "of all that, what is left is what the living Job mounts" 30 held_only
end_controller
echo 'select pg_advisory_unlock(42);' >&"$lock"
ok "the Job ends well without a controller" job_ends 180 "$held_job" -n shop
is "nobody has cleaned up" "$(carriers)" "$held_carriers"
scale 1
wait_for "the next controller does" 60 none_left
ok "and knows that the Job did it" ready held
is "with the first attempt" "$(kubectl get jobs -n shop -l sluice.dev/plan=held -o name)" "job.batch/$held_job"

# ---- tampering ---------------------------------------------------------------------------------------

plan tamper shop tamper 'execution: {job: {nodeSelector: {nowhere: "yes"}}}'
wait_for "a Job waits for its node" 60 has_job tamper
end_controller
job=$(job_of tamper)
folder=$SERVERS_DIR/tamper
mkdir "$folder"
kubectl get "job/$job" -n shop -o json >"$folder/job"
bundle=$(get "job/$job" '{.metadata.annotations.sluice\.dev/bundles}' -n shop)-000
manifest=sluice-assignment-$(get "job/$job" '{.metadata.annotations.sluice\.dev/assignment-sha256}' -n shop | cut -c1-16)
kubectl get configmap "$bundle" -n shop -o json >"$folder/bundle"
kubectl get configmap "$manifest" -n shop -o json >"$folder/manifest"

# A kubelet that has not put the pod before away yet gives its ConfigMaps, which never change, to the next.
pod_uids() { get pods '{.items[*].metadata.uid}' -n shop -l "batch.kubernetes.io/job-name=$job"; }
put_away() {
    local uid
    for uid in "$@"; do node_run test ! -e "$CLUSTER_DIR/kubelet/pods/$uid" || return 1; done
}

# again BUNDLE-CODE MANIFEST-CODE: the same Job once more, its bytes ($_) changed by perl; prints code and reason
again() {
    local uids
    uids=$(pod_uids)
    kubectl delete "job/$job" "configmap/$bundle" "configmap/$manifest" -n shop --cascade=foreground --ignore-not-found >/dev/null
    # shellcheck disable=SC2086
    within 60 put_away $uids || return 1
    perl -MJSON::PP -MMIME::Base64 -MIO::Compress::Gzip=gzip -MIO::Uncompress::Gunzip=gunzip -e '
        my ($folder, %code) = (shift, bundle => shift, manifest => shift);
        my @items = map { local (@ARGV, $/) = "$folder/$_"; decode_json(<>) } qw(bundle manifest job);
        for my $i (0, 1) {
            my ($key) = keys %{$items[$i]{binaryData}};
            local $_ = decode_base64($items[$i]{binaryData}{$key});
            eval $code{(qw(bundle manifest))[$i]};
            die $@ if $@;
            $items[$i]{binaryData}{$key} = encode_base64($_, "");
        }
        delete @{$_->{metadata}}{qw(uid resourceVersion creationTimestamp generation managedFields)} for @items;
        my $job = $items[2];
        delete $job->{$_} for qw(status);
        delete $job->{spec}{selector};
        delete $job->{spec}{template}{spec}{nodeSelector};
        delete $job->{spec}{template}{metadata}{labels}{$_}
            for qw(controller-uid job-name batch.kubernetes.io/controller-uid batch.kubernetes.io/job-name);
        print encode_json({apiVersion => "v1", kind => "List", items => \@items});
    ' "$folder" "$1" "$2" | kubectl create -f - >/dev/null
    within 60 job_over "$job" -n shop || return 1
    kubectl get pods -n shop -l "batch.kubernetes.io/job-name=$job" \
        -o 'jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode} {.items[0].status.containerStatuses[0].state.terminated.message}'
}
unzip='my $x; gunzip(\$_ => \$x); $_ = $x;' zip='gzip(\$_ => \$x); $_ = $x;'
tables() { db_sql pg tamper "select count(*) from pg_tables where schemaname = 'public'"; }
refused() { # NAME BUNDLE-CODE MANIFEST-CODE
    like "$1: refused with 10" "$(again "$2" "$3")" '^10 .*AssignmentStale'
    is "$1: nothing was done" "$(tables)" 0
}
refused "one byte of packed SQL" 'substr($_, length($_) / 2, 1) ^= "\x01";' ''
refused "other SQL, packed well" "$unzip s/'done'/'evil'/ or die; $zip" ''
refused "more SQL, packed well" "$unzip \$_ .= '-- more'; $zip" ''
refused "one byte of the manifest" '' 's/"attempt":1/"attempt":2/ or die;'
like "the untouched bytes are taken" "$(again '' '')" '^0 .*"Done"'
is "and done" "$(count tamper)" 1
kubectl delete "job/$job" -n shop --cascade=foreground >/dev/null
is "a Job that goes without a controller leaves its objects" "$(carriers | wc -l)" 2
scale 1
wait_for "until there is one again" 60 none_left
ok "which takes the database's word" ready tamper
is "and has not forgotten what the commit was fetched by" "$(get mplan/tamper '{.status.lastAppliedRevision}' -n shop)" "main@sha1:$sha"
is "and has nothing done twice" "$(count tamper)" 1

# ---- the largest -------------------------------------------------------------------------------------

mkdir -p "$SERVERS_DIR/huge/sql/huge"
for ((i = 1; i <= 8; i++)); do
    file "$SERVERS_DIR/huge/sql/huge/V${i}__tree.sql" $((60 * 1024 * 1024 / 8)) "$([ $i != 1 ] || printf '%s' "$create")"
done
git -C "$SERVERS_DIR/huge" config core.compression 1
push huge trees
plan huge huge huge
ok "a tree of 60 MiB is applied" ready huge 150
ok "every byte arrived" arrived huge "$SERVERS_DIR/huge/sql/huge"
huge_job=$(job_of huge)
ok "by $(parts "$huge_job") ConfigMaps" test "$(parts "$huge_job")" -ge 40
wait_for "of which none is left" 60 none_left

# ---- deletion ----------------------------------------------------------------------------------------

ok "the plans can be deleted" kubectl delete mplan --all -n shop --timeout=60s
is "no ConfigMap is left" "$(carriers)" ''
done_testing
