#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What commands print with -o json is what docs/reference/commands.md says: each key that it names appears, on
# both engines, and no other one does. Likewise the options.
# timeout: 180
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

page=$SLUICE_SOURCE/docs/reference/commands.md
keys() { "$SLUICE_SOURCE/tests/support/keys.pl" "$@"; }
command -v perl >/dev/null || skip_all "perl is not installed"

# said FILE CODE COMMAND…: its JSON goes to the end of FILE.
said() {
    local file=$1 code=$2 got=0
    shift 2
    "$SLUICE" "$@" -o json >>"$file" 2>said.stderr || got=$?
    [ $got = "$code" ] || flunk "sluice $* ends with $code" "it was $got" "$(cat said.stderr)"
}

pg_start pg
mariadb_start mariadb

# ---- a tree in a repository, so that there are commits --------------------------------------------

git -c init.defaultBranch=main init -q tree
git -C tree config user.name t
git -C tree config user.email t@example.com
commit() { git -C tree add -A && git -C tree commit -q -m "$1"; }
source=(--repo "file://$PWD/tree" --allow-source-scheme file)

reset_tree() {
    rm -rf tree/sql
    mkdir -p tree/sql
    echo 'create table one (id int);' >tree/sql/V1__one.sql
    echo 'create view seen as select 1 as x;' >tree/sql/R__seen.sql
    echo 'select 1;' >tree/sql/V9_slip.sql # one underscore: passed over, with a notice
    commit "$1: start" || true
}

# A statement whose outcome nothing can tell, long enough to be killed in.
write_nap() {
    if [ "$1" = pg ]; then
        # shellcheck disable=SC2016
        printf '%s\n' '-- sluice: transaction=none' 'do $$ begin perform pg_sleep(2); end $$;' >tree/sql/V3__nap.sql
    else
        echo 'create procedure nap() begin do sleep(2); end;' >tree/sql/V2__procedure.sql
        echo 'call nap();' >tree/sql/V3__nap.sql
    fi
    commit nap
}
napping() { # the number of sessions that are in it
    if [ "$1" = pg ]; then
        db_sql pg shop "select count(*) from pg_stat_activity where query ~ '^do .*pg_sleep' and state = 'active'"
    else
        db_sql mariadb shop "select count(*) from information_schema.processlist where info regexp 'sleep[(]2[)]|call nap' and id <> connection_id()"
    fi
}
is_napping() { [ "$(napping "$1")" = 1 ]; }
is_awake() { [ "$(napping "$1")" = 0 ]; }

for server in pg mariadb; do
    db_create "$server" shop
    db_create "$server" full
    url=$(db_uri "$server" shop)
    full=$(db_uri "$server" full)
    out=$PWD/$server
    mkdir "$out"
    reset_tree "$server"

    # As the superuser, of which a notice warns.
    admin=$(servers_get "$server" ADMIN_URI)
    admin=${admin/\/postgres\?/\/full?}
    admin=${admin/\/mysql\?/\/full?}
    db_sql "$server" full 'create table alembic_version (version_num varchar(32))'
    said "$out/info" 0 info --url "$full" "${source[@]}"
    said "$out/plan" 0 plan --url "$full" "${source[@]}" --baseline-on-migrate --baseline-version 0
    said "$out/migrate" 0 migrate --url "$admin" "${source[@]}" --baseline-on-migrate --baseline-version 0
    { [ "$server" = mariadb ] || echo '-- sluice: transaction=none'; } >tree/sql/V2__half.sql
    printf 'create table half (id int);\nselect nothing;\n' >>tree/sql/V2__half.sql
    commit half
    db_create "$server" halved
    said "$out/unused" 3 migrate --url "$(db_uri "$server" halved)" "${source[@]}"
    said "$out/plan" 0 plan --url "$(db_uri "$server" halved)" "${source[@]}"
    rm tree/sql/V2__half.sql
    commit "without it"
    said "$out/info" 0 info --url "$url" "${source[@]}"
    said "$out/migrate" 0 migrate --url "$url" "${source[@]}"
    said "$out/baseline" 0 baseline --url "$url" --table other

    # A failure, a difference, an owner.
    echo 'insert into nowhere values (1);' >tree/sql/V2__two.sql
    commit two
    said "$out/dry-run" 0 migrate --url "$url" "${source[@]}" --dry-run
    said "$out/migrate" 3 migrate --url "$url" "${source[@]}"
    db_sql "$server" shop "update sluice_lease set owner_plan_uid = 'u', owner_namespace = 'n', owner_name = 'shop', owner_database = 'orders', owner_cluster = 'c'"
    said "$out/info" 0 info --url "$url" "${source[@]}"
    said "$out/validate" 6 validate --url "$url" "${source[@]}" --journal
    db_sql "$server" shop "update sluice_lease set owner_plan_uid = null, owner_namespace = null, owner_name = null, owner_database = null, owner_cluster = null"
    like "$server: the failed statement's words are the server's alone" \
        "$(grep -h '"message"' "$out/info")" '"message": "([Rr]elation|Table)'
    like "$server: times are UTC" "$(grep -h '"started"' "$out/info")" '"20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z"'

    # An outcome that nobody knows, and a verdict.
    rm tree/sql/V2__two.sql
    write_nap "$server"
    "$SLUICE" migrate --url "$url" "${source[@]}" --force >killed.log 2>&1 &
    runner=$!
    within 30 is_napping "$server" || flunk "$server: the nap has begun" "$(cat killed.log)"
    said "$out/info" 0 info --url "$url" "${source[@]}"
    kill -9 $runner
    wait $runner 2>/dev/null || true
    within 30 is_awake "$server" || flunk "$server: the nap has ended"
    said "$out/migrate" 8 migrate --url "$url" "${source[@]}" --force
    ok "$server: a verdict is recorded" "$SLUICE" resolve --url "$url" --version 3 --step 1 --verdict not-applied --reason 'a test killed it' --force
    said "$out/info" 0 info --url "$url" "${source[@]}"
    like "$server: info shows the verdict" "$(grep -h '"verdict"' "$out/info")" not-applied
    said "$out/migrate" 0 migrate --url "$url" "${source[@]}" --force
    said "$out/prune" 0 prune --url "$url" --older-than 0s --force

    is "$server: info and validate" "$(cat "$out/info" "$out/validate" | keys objects)" "$(keys page "$page" 'info and validate')"
    is "$server: plan and migrate --dry-run" "$(cat "$out/plan" "$out/dry-run" | keys objects)" "$(keys page "$page" plan)"
    is "$server: migrate and baseline" "$(cat "$out/migrate" "$out/baseline" | keys objects result error)" \
        "$(keys page "$page" 'migrate and baseline')"
    is "$server: prune" "$(keys objects <"$out/prune")" "$(keys page "$page" prune)"
    is "$server: an error in it" "$(keys objects <"$out/migrate" | grep '^error' | grep -v '^error.details')" "$(keys page "$page" Errors)"
    # A failed row of another tool, an edited file, one that is gone; and a row that is not marked.
    db_create "$server" repaired
    repaired=$(db_uri "$server" repaired)
    reset_tree "$server: repair"
    echo 'create table gone (id int);' >tree/sql/V2__gone.sql
    echo 'create table three (id int);' >tree/sql/V3__three.sql
    commit three
    said "$out/unused" 0 migrate --url "$repaired" "${source[@]}"
    echo '-- edited' >>tree/sql/V3__three.sql
    rm tree/sql/V2__gone.sql
    commit edited
    db_sql "$server" repaired "insert into flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        values (5, '4', 'x', 'SQL', 'x', 1, 'x', 1, false), (6, '2.5', 'java', 'JDBC', 'x', 1, 'x', 1, true)"
    said "$out/repair" 0 repair --url "$repaired" "${source[@]}" --dry-run
    said "$out/repair" 0 repair --url "$repaired" "${source[@]}"
    is "$server: repair" "$(keys objects <"$out/repair")" "$(keys page "$page" repair)"
    # What is the same in all of them comes from where formats.md documents it.
    is "$server: a result in it" "$(keys objects <"$out/migrate" | sed -n 's/^result\.//p' | grep -v '^failed$')" \
        "$(keys example "$SLUICE_SOURCE/docs/reference/formats.md" '3. Result')"
done

for command in info validate plan migrate baseline repair prune; do
    : >errors
    said errors 9 "$command" --url 'postgresql:///none?host=/nowhere' $([[ $command = baseline || $command = prune ]] || echo --dir tree/sql)
    is "$command: an error" "$(keys objects <errors | grep '^error')" "$(keys page "$page" Errors)"
done

said version 0 version
is "version" "$(keys objects <version)" "$(keys page "$page" version)"
is "version: the same as in words" "sluice $(sed -n 's/^  "version": "\(.*\)",$/\1/p' version)" "$("$SLUICE" version)"
like "version: the commit" "$(sed -n 's/^  "commit": "\(.*\)",$/\1/p' version)" '^([0-9a-f]{40}(-dirty)?|unknown)$'
if [ -e /proc/self/maps ] && command -v pkg-config >/dev/null; then
    # The headers of the build and the libraries that are loaded come from the same packages here.
    for module in libgit2 libcurl:libcurl libcjson:cJSON yaml-0.1:libyaml libcrypto:OpenSSL zlib libmicrohttpd; do
        want=$(pkg-config --modversion "${module%:*}")
        got=$(sed -n "s/^    \"${module#*:}\": \"\(.*\)\".*/\1/p" version)
        is "version: ${module#*:} is the one that is installed" "$got" "$want"
    done
fi

# ---- options ----------------------------------------------------------------------------------------

commands=$("$SLUICE" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
shown=$({
    for command in $commands; do "$SLUICE" "$command" --help; done
    "$SLUICE" resolve plan/x --help
} | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u)
named=$(grep -oE -- '--[a-z][a-z0-9-]+' "$page" | sort -u)
# For the controller's own use.
is "the page names every option that --help shows" \
    "$(comm -23 <(echo "$shown") <(echo "$named") | grep -vE '^--(alive-fd|job)$' || true)" ''
is "the page names no other" "$(comm -13 <(echo "$shown") <(echo "$named"))" ''
for command in $commands; do
    grep -qE "sluice $command|^  *sluice $command|\`$command\`" "$page" || flunk "the page names the command $command"
done
done_testing
