#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README to the letter: its commands and its manifest, with the addresses of servers of this machine in place of its
# example.com.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

readme=$SLUICE_SOURCE/README.md
PATH=$(dirname "$SLUICE"):$PATH
shown() { grep -oE "^    (\\$ )?sluice $1 .*" "$readme" | sed 's/^    \(\$ \)\{0,1\}//; s/ *#.*//' | head -n 1; }

# ---- versions ------------------------------------------------------------------------------------------
is "PostgreSQL from the version that is taken" "$(sed -n 's/^| PostgreSQL | \([0-9]*\) .*/\1/p' "$readme")" \
    "$(sed -n 's/.*version < \([0-9]*\)0000).*/\1/p' "$SLUICE_SOURCE/database/postgresql/connect.c")"
is "MariaDB and MySQL likewise" "$(sed -n 's/^| \(MariaDB\|MySQL\) | \([0-9.]*\) .*/\1 \2/p' "$readme" | paste -sd,)" \
    "$(grep -oE '"(MariaDB|MySQL) [0-9.]+"' "$SLUICE_SOURCE/database/mysql/identify.c" | tr -d '"' | paste -sd,)"

# ---- one database ---------------------------------------------------------------------------------------
pg_start pg
for database in orders eu us asia; do db_create pg $database; done
mkdir one
cd one
mkdir sql
echo 'create table orders (id int, created_at timestamptz default now());' >sql/V1__orders.sql
echo 'create index orders_by_day on orders (created_at);' >sql/V2__orders_by_day.sql
command=$(shown migrate)
is "the first command" "$command" 'sluice migrate --url postgresql://app@db.example.com/orders --dir sql'
printed=$(bash -c "${command/postgresql:\/\/app@db.example.com\/orders/\'$(db_uri pg orders)\'}" 2>&1)
like "prints what it shows" "$printed" '^postgresql://app@.*/orders.* \(PostgreSQL [0-9.]+\), schema public.  \[1/2\] V1__orders.sql  applied \([0-9]+ ms\).  \[2/2\] V2__orders_by_day.sql  applied \([0-9]+ ms\).done: 2 migrations applied in [0-9]+ ms$'
cd ..

# ---- many, from git ----------------------------------------------------------------------------------------
git_http_start
repo_new schema
clone=$SERVERS_DIR/schema
mkdir -p "$clone/sql"
echo 'create table orders (id int, created_at timestamptz default now());' >"$clone/sql/V1__orders.sql"
echo 'insert into orders values (1);' >"$clone/sql/V2__first.sql"
plan_commit "$clone" first
mkdir work
cd work
mkdir plans
chmod 700 plans
awk '/^```yaml/ { on = 1; next } /^```/ { on = 0 } on' "$readme" >manifest
is "every Secret that the plan names is there" \
    "$(grep -oE 'secretRef: \{name: [a-z-]+' manifest | sed 's/.* //' | sort | paste -sd,)" \
    "$(grep -A1 '^kind: Secret' manifest | sed -n 's/^metadata: {name: \(.*\)}/\1/p' | sort | paste -sd,)"
sed -e "s|https://git.example.com/shop/schema.git|$SLUICE_TEST_GIT_HTTP_URL/schema.git|" \
    -e "s|postgresql://app:secret@eu.example.com/shop|$(db_uri pg eu)|" \
    -e "s|postgresql://app:secret@us.example.com/shop|$(db_uri pg us)|" \
    -e "s|postgresql://app:secret@asia.example.com/shop|$(db_uri pg asia)|" \
    -e 's|soak: 10m|soak: 1s|; s|sql: {query|sql: {interval: 200ms, query|' manifest >plans/shop.yaml
is "nothing of example.com is left" "$(grep -c example.com plans/shop.yaml || true)" 0
command=$(shown controller)
is "the command of the controller" "$command" 'sluice controller --standalone ./plans'
# http is what the server of the tests speaks; the ports are any that are free.
bash -c "exec $command --allow-source-scheme=http --min-interval=100ms" 2>controller.log &
controller=$!
ready() { sluice get plan/shop --standalone ./plans >/dev/null 2>&1 && [ -s plans/.sluice/ports.json ]; }
within 30 ready || flunk "the controller starts" "$(tail -n 3 controller.log)"
wait=$(grep -oE '^    sluice wait plan/shop --commit .*--standalone ./plans' "$readme" | sed 's/^ *//')
run_expect "the wait ends well" 0 '' timeout 100 bash -c "${wait/git rev-parse/git -C \'$clone\' rev-parse}"
run_expect "get shows it" 0 '^$' bash -c "$(shown get)"
like "as Ready" "$run_stdout" 'shop +True +ReconciliationSucceeded +3/3'
run_expect "a password in a URL works" 0 '' sluice info --url "$(db_uri pg eu | sed 's|//app@|//app:secret@|')" --dir "$clone/sql"
is "and is shown nowhere" "$(grep -c 'app:secret' <<<"$run_stdout" || true)" 0
controller_stop
done_testing
