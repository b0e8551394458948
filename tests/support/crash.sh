# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# crash_sweep pg|mariadb: starts the server, runs crash-sweep.pl and judges its figures.
# SLUICE_TEST_KILLS: how many kills.

crash_sweep() {
    local engine=$1 kills=520 out folder kind
    [ -z "${SLUICE_FULL:-}" ] || kills=2000
    kills=${SLUICE_TEST_KILLS:-$kills}
    command -v strace >/dev/null || skip_all "strace is not installed"
    if [ "$engine" = pg ]; then
        # A COMMIT takes a while, so that kills meet it unanswered.
        pg_start pg fsync=on commit_delay=3000 commit_siblings=0
        CRASH_URI="postgresql://app@/%s?host=$SLUICE_TEST_PG_SOCKET"
        CRASH_SQL="psql -XAtq -v ON_ERROR_STOP=1 -h $SLUICE_TEST_PG_SOCKET -U postgres -d \$CRASH_DB -c"
    else
        mariadb_start mariadb
        CRASH_URI="mariadb://app@/%s?socket=$SLUICE_TEST_MARIADB_SOCKET"
        CRASH_SQL="mariadb --no-defaults --skip-ssl --batch --skip-column-names --user=root --socket=$SLUICE_TEST_MARIADB_SOCKET --database=\$CRASH_DB --execute"
    fi
    export CRASH_URI CRASH_SQL CRASH_VERIFY=$SLUICE_SOURCE/tests/support/journal-verify.pl
    folder=$(mktemp -d "$PWD/sweep-XXXXXX")
    ok "$engine: no violation in the sweep" crash_run "$engine" "$kills" "$folder"
    out=$(tail -n 1 "$folder/out")
    grep '^kind ' "$folder/out" | sed 's/^/# /'
    for kind in view trigger partition ctas routine block session temporary; do
        [ "$kills" -lt 500 ] || like "$engine: trees with $kind" "$(cat "$folder/out")" "kind $kind "
    done
    printf '# %s\n' "$out"
    like "$engine: at least $kills kills between first and last byte" "$out" "^kills ($kills|[1-9][0-9]{3})"
    crash_at_least "$engine: with a transaction or step open, in per cent" 50 \
        "$(printf '%s' "$out" | sed -n 's/.*open [0-9]* (\([0-9]*\) %).*/\1/p')"
    crash_at_least "$engine: kills between a COMMIT and its answer" 40 \
        "$(printf '%s' "$out" | sed -n 's/.*unanswered COMMIT \([0-9]*\).*/\1/p')"
    crash_at_least "$engine: such kills with one file in flight" 1 \
        "$(printf '%s' "$out" | sed -n 's/.*(\([0-9]*\) with one file.*/\1/p')"
    [ "$engine" != pg ] || crash_at_least "$engine: such kills with several files in flight" 1 \
        "$(printf '%s' "$out" | sed -n 's/.*, \([0-9]*\) with several.*/\1/p')"
}

crash_run() {
    "$SLUICE_SOURCE/tests/support/crash-sweep.pl" "$1" "$2" "${SLUICE_TEST_SEED:-1}" "$3" >"$3/out" 2>&1 || {
        tail -n 30 "$3/out"
        return 1
    }
}

crash_at_least() {
    if [ -n "$3" ] && [ "$3" -ge "$2" ]; then pass "$1: $3"; else flunk "$1" "have ${3:-nothing}, want at least $2"; fi
}
