#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `sluice validate`: the reason, every problem, and what `*:pending` lets pass, on both engines.
# timeout: 120
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/scenes.sh"

scenes_start
validate() { "$SLUICE" validate --url "$url" --dir sql "$@"; }
listed() { grep '^problem: ' <<<"$run_stdout" | sed 's/^problem: //' | cut -c1-60; }

for server in pg mariadb; do
    scene $server
    echo 'create table a (id int);' >sql/V1__a.sql
    echo 'create table b (id int);' >sql/V2__b.sql
    echo 'create or replace view v as select 1 as one;' >sql/R__v.sql
    migrate >/dev/null
    run_expect "$server: all agrees" 0 '' validate
    is "$server: and is counted" "${run_stdout##*: }" '3 migrations agree with the files'

    echo 'create table c (id int);' >sql/V3__c.sql
    run_expect "$server: one file is pending" 6 "^sluice validate: sql/V3__c.sql is not applied yet \(Pending\): apply them with .sluice migrate., or let them pass with --ignore-pattern '\*:pending'\$" validate
    is "$server: one problem is said once" "$run_stdout" ''
    echo 'create table d (id int);' >sql/V4__d.sql
    echo 'create or replace view v as select 2 as one;' >sql/R__v.sql
    run_expect "$server: several: the first, without counting" 6 '^sluice validate: sql/[^ ]* [^(]*\(Pending\): ' validate
    is "$server: one line" "$(wc -l <<<"$run_stderr")" 1
    is "$server: and all of them" "$(listed | sort)" "$(printf '%s\n' \
        'sql/R__v.sql was changed since its last run and is not appli' 'sql/V3__c.sql is not applied yet' 'sql/V4__d.sql is not applied yet')"
    is "$server: also as JSON" "$(validate -o json 2>/dev/null | perl -MJSON::PP -0ne 'my $o = decode_json($_); print "$o->{reason} " . @{ $o->{problems} }')" 'Pending 3'
    run_expect "$server: *:pending lets them pass" 0 '' validate --ignore-pattern '*:pending'
    is "$server: and does not count them as agreeing" "${run_stdout##*: }" '2 migrations agree with the files, 3 not applied let pass'
    run_expect "$server: versioned:pending lets the versioned ones pass" 6 'R__v.sql was changed .*\(Pending\)' validate --ignore-pattern 'versioned:pending'
    run_expect "$server: repeatable:pending the others" 6 'V3__c.sql .*\(Pending\)' validate --ignore-pattern 'repeatable:pending'

    echo 'create table b (id bigint);' >sql/V2__b.sql
    run_expect "$server: what is wrong stands before what is pending" 6 'V2__b.sql was changed after it had been applied.*\(ChecksumMismatch\)' validate
    is "$server: and is listed with it" "$(listed | wc -l)" 4
    run_expect "$server: *:pending lets only those pass" 6 '\(ChecksumMismatch\)' validate --ignore-pattern '*:pending'
done
done_testing
