#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is written into databases, Jobs and files is what docs/reference/formats.md says: columns, hash chain,
# manifest, result, the folder of a standalone controller; the history table is what docs/reference/flyway.md says.
# timeout: 240
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/plan.sh"

page=$SLUICE_SOURCE/docs/reference/formats.md
keys() { "$SLUICE_SOURCE/tests/support/keys.pl" "$@"; }

pg_start pg
mariadb_start mariadb
db_create pg shop
db_create mariadb shop

# ---- columns ------------------------------------------------------------------------------------

# "name type null" of each row of the table below a heading.
documented() { # FILE HEADING COLUMN-OF-TYPE COLUMN-OF-NULL
    perl -ne '
        BEGIN { our ($heading, $type, $null) = splice @ARGV, 0, 3 }
        if (/^#+ (.*)/) { $on = index($1, $heading) == 0 }
        elsif ($on && /^\| [a-z]/ && !/^\| column/) {
            my @cells = map { s/^\s+|\s+$//gr } split /\|/;
            print "$cells[1] $cells[$type] $cells[$null]\n";
        }' "$2" "$3" "$4" "$1"
}

# The same, as the server says it, in the words of the page for PostgreSQL.
found() { # SERVER TABLE
    if [ "$1" = pg ]; then
        db_sql pg shop "select column_name || ' ' || case data_type
                when 'character varying' then 'varchar(' || character_maximum_length || ')'
                when 'timestamp with time zone' then 'timestamptz'
                when 'timestamp without time zone' then 'timestamp' else data_type end
                || case when column_default ~ 'now' then ', default ' || column_default else '' end
                || ' ' || lower(is_nullable)
            from information_schema.columns where table_schema = 'public' and table_name = '$2' order by ordinal_position"
    else
        db_sql mariadb shop "select concat(column_name, ' ', column_type,
                case when column_default like 'current_timestamp%' then ', default CURRENT_TIMESTAMP' else '' end, ' ', lower(is_nullable))
            from information_schema.columns where table_schema = 'shop' and table_name = '$2' order by ordinal_position" |
            sed -E 's/ (big|tiny)?int\([0-9]+\)/ \1int/'
    fi
}

# What formats.md says of types on MariaDB and MySQL.
to_mariadb() { sed -E 's/ timestamptz / datetime(6) /; s/ text / mediumtext /; s/ integer / int /'; }

mkdir sql
echo 'create table one (id int);' >sql/V1__one.sql
printf 'insert into one values (1);\ninsert into one values (2);\n' >sql/V2__rows.sql
# shellcheck disable=SC2016
echo 'create view seen as select ${number} as x;' >sql/R__seen.sql
for server in pg mariadb; do
    run_expect "$server: a tree is applied" 0 '' \
        "$SLUICE" migrate --url "$(db_uri $server shop)" --dir sql --placeholder number=1
    for table in 1.1:sluice_lease 1.2:sluice_journal; do
        want=$(documented "$page" "${table%:*} " 2 3)
        [ "$(wc -l <<<"$want")" -gt 12 ] || flunk "the table of formats.md ${table%:*} is read" "$want"
        [ $server = pg ] || want=$(to_mariadb <<<"$want")
        is "$server: columns of ${table#*:}" "$(found $server "${table#*:}")" "$want"
    done
    if [ $server = pg ]; then column=2; else column=3; fi
    is "$server: columns of the history table" "$(found $server flyway_schema_history)" \
        "$(documented "$SLUICE_SOURCE/docs/reference/flyway.md" '1.2 ' $column 4 | sed 's/ bool / tinyint /')"
done
is "pg: primary keys" "$(db_sql pg shop "select t.relname || ' ' || pg_get_constraintdef(c.oid) from pg_constraint c
    join pg_class t on t.oid = c.conrelid where t.relname ~ '^(sluice|flyway)' and c.contype = 'p' order by 1")" \
    'flyway_schema_history PRIMARY KEY (installed_rank)
sluice_journal PRIMARY KEY (history_table, seq)
sluice_lease PRIMARY KEY (history_table)'
is "mariadb: engine and collation of ours" "$(db_sql mariadb shop "select concat_ws(' ', table_name, engine, table_collation)
    from information_schema.tables where table_schema = 'shop' and table_name like 'sluice%' order by 1")" \
    'sluice_journal InnoDB utf8mb4_bin
sluice_lease InnoDB utf8mb4_bin'

# ---- the hash chain, by a program that shares no code -----------------------------------------------

echo 'insert into nowhere values (1);' >sql/V3__bad.sql
chain=(history_table seq format_version installed_rank kind version description script step line
    statement_sha256 step_class pre_state state git_commit file_sha256 placeholders_hmac epoch attempt
    retry_token session_id row_hash)
export_journal() { # SERVER
    local column columns='' hex
    for column in "${chain[@]}"; do
        if [ "$1" = pg ]; then
            hex="coalesce(encode(convert_to($column::text, 'UTF8'), 'hex'), '-')"
            columns+="${columns:+ || '|' || }$hex"
        else
            hex="coalesce(lower(hex(cast($column as char))), '-')"
            columns+="${columns:+, }$hex"
        fi
    done
    [ "$1" = pg ] || columns="concat_ws('|', $columns)"
    db_sql "$1" shop "select $columns from sluice_journal order by seq"
}
for server in pg mariadb; do
    run_expect "$server: a file fails" 3 '' \
        "$SLUICE" migrate --url "$(db_uri $server shop)" --dir sql --placeholder number=1
    export_journal $server >journal
    rows=$(db_sql $server shop 'select count(*) from sluice_journal')
    last=$(db_sql $server shop 'select row_hash from sluice_journal order by seq desc limit 1')
    run_expect "$server: the hash chain holds" 0 '' "$SLUICE_SOURCE/tests/support/journal-verify.pl" journal
    is "$server: all of it" "$run_stdout" "$rows rows, head $last"
    [ "$rows" -ge 4 ] || flunk "$server: there are rows to verify" "$rows"
    # A changed field breaks it: in hex, the first digit of the second row's file_sha256.
    awk -F'|' -v OFS='|' 'NR == 2 { $16 = (substr($16, 1, 2) == "30" ? "31" : "30") substr($16, 3) } 1' journal >forged
    run_expect "$server: a changed row breaks it, and is named" 1 'seq 2: row_hash' \
        "$SLUICE_SOURCE/tests/support/journal-verify.pl" forged
done

# ---- a Job of a standalone controller --------------------------------------------------------------

git_http_start
repo_new shop
clone=$SERVERS_DIR/shop
mkdir -p "$clone/sql/orders" "$clone/sql/billing"
cp sql/V1__one.sql "$clone/sql/orders"
echo 'create view seen as select 1 as x;' >"$clone/sql/orders/R__seen.sql"
cp sql/V3__bad.sql "$clone/sql/billing"
plan_commit "$clone" first
db_create pg orders
db_create mariadb billing
plan_databases='orders billing'
plan_begin plans
plan_secret orders-db "$(db_uri pg orders)"
plan_secret billing-db "$(db_uri mariadb billing)"
plan_write shop shop
controller_start
run_expect "orders is applied, billing fails" 3 '' \
    "$SLUICE" wait plan/shop --standalone "$PLANS" --commit "$sha" --timeout 60s --if-missing wait
state=$PLANS/.sluice
cat "$state"/jobs/shop-*/manifest.json >manifests
cat "$state"/jobs/shop-*/result.json >results
is "there are two Jobs" "$(find "$state/jobs" -name manifest.json | wc -l) $(find "$state/jobs" -name result.json | wc -l)" '2 2'
is "a manifest has the documented keys" "$(keys objects migrations.placeholders <manifests)" \
    "$(keys example "$page" '2. Assignment' migrations.placeholders)"
# Nothing failed is null, not absent: the key itself stands beside those below it.
is "a result has the documented keys" "$(keys objects <results | grep -v '^failed$')" "$(keys example "$page" '3. Result')"
is "each result is one line of at most 4 KiB" \
    "$(for file in "$state"/jobs/shop-*/result.json; do [ "$(wc -l <"$file") $(($(wc -c <"$file") <= 4096))" = '1 1' ] && echo ok; done)" $'ok\nok'
is "outcomes are documented words" "$(perl -MJSON::PP -ne 'print decode_json($_)->{outcome}, "\n" if /\S/' results | sort -u | while read -r word; do
    grep -qw "$word" "$page" && echo "$word"; done)" $'Done\nFailed'
perl -MJSON::PP -MDigest::SHA=sha256_hex -MIO::Uncompress::Gunzip=gunzip -e '
    for my $folder (@ARGV) {
        open my $in, "<:raw", "$folder/manifest.json" or die; local $/;
        my $manifest = decode_json(<$in>);
        for my $bundle (@{ $manifest->{bundles} }) {
            my $packed = "";
            for my $part (0 .. $bundle->{parts} - 1) {
                open my $piece, "<:raw", sprintf("%s/%s.%03d", $folder, $bundle->{name}, $part) or die;
                $packed .= <$piece>;
            }
            gunzip(\$packed => \my $text);
            print "bundle\n" if length $text == $bundle->{bytes} && sha256_hex($text) eq $bundle->{sha256};
            for my $file (grep { $_->{bundle} == 0 } @{ $manifest->{files} }) {
                print "file $file->{script}\n" if sha256_hex(substr $text, $file->{offset}, $file->{bytes}) eq $file->{sha256};
            }
        }
    }' "$state"/jobs/shop-* >bundles
is "bundles hold the files, as their SHA-256 say" "$(sort bundles)" \
    'bundle
bundle
file R__seen.sql
file V1__one.sql
file V3__bad.sql'

# ---- the folder -------------------------------------------------------------------------------------

"$SLUICE" retry plan/shop --standalone "$PLANS" >/dev/null
is "the state is for its owner alone" "$(stat -c %a "$state")" 700
is "format, .gitignore" "$(cat "$state/format" "$state/.gitignore")" $'1\n*'
like "cluster-id is a UUID" "$(cat "$state/cluster-id")" '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
is "it is the leases' owner_cluster" "$(db_sql pg orders 'select owner_cluster from sluice_lease')" "$(cat "$state/cluster-id")"
# As the page writes them; a folder that the page does not go into counts as one. What is being
# written at the moment is left out.
is "the files in it are those of the page" "$(cd "$state" && find . -type f -not -path "./plans/.*.json.*" | sed -E '
        s,^\./,,; s,^(git|tmp)/.*,\1/,; s,^jobs/[^/]*/.*,jobs/<name>/,
        s,^(plans|overlay)/default\.shop\.json$,\1/<namespace>.<name>.json,' | grep -vx 'overlay/.lock' | sort -u)" \
    "$(keys page "$page" '4. Standalone state' | grep -vxE 'tmp/|overlay/\.lock' | sort -u)"
no_copies() { [ -z "$(find "$state/jobs" -name uri)" ]; } # what a Job needs of a Secret goes with it
wait_for "no Job works" 20 no_copies
named=$(sed -n 's/^| `jobs\/<name>\/` | \([^;]*\);.*/\1/p' "$page" | tr -d ' ' | tr , '\n')
is "a Job's folder has what the page says" "$(cd "$state/jobs" && find . -type f -path '*/shop-*' | sed -E 's,.*/,,; s,^sluice-sql-[0-9a-f]{16}\.[0-9]{3}$,bundleparts,' | sort -u)" \
    "$(sort -u <<<"$named")"
is "and no credentials after its end" "$(find "$state/jobs" -path '*credentials*' | wc -l)" 0
is "a plan's file has the documented keys" "$(keys objects metadata status <"$state/plans/default.shop.json")" \
    $'apiVersion\nkind\nmetadata\nspecSha256\nstatus'
is "and of its metadata" "$(perl -MJSON::PP -0ne 'print join " ", sort keys %{ decode_json($_)->{metadata} }' "$state/plans/default.shop.json")" \
    'creationTimestamp generation name namespace uid'
is "an overlay is a merge patch" "$(keys objects <"$state/overlay/default.shop.json")" 'metadata.annotations.sluice.dev/retry'
is "the user's folder has the user's files" "$(cd "$PLANS" && find . -maxdepth 1 -type f | sort)" $'./billing-db.yaml\n./orders-db.yaml\n./shop.yaml'
controller_stop
done_testing
