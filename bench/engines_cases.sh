# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The cases of engines.sh, as the unprivileged user: engines_cases.sh MODE [WORD]…
set -euo pipefail
# shellcheck source=tests/support/servers.sh
. "$SLUICE_SOURCE/tests/support/servers.sh"
servers_drop_root "${BASH_SOURCE[0]}" "$@"
# shellcheck source=bench/engines_files.sh
. "$SLUICE_SOURCE/bench/engines_files.sh"
bin=$SLUICE_BENCH_STAGE/bin
mode=$1
shift

engines=() settings=() works=() sizes=()
for word in "$@"; do
    case $word in
    pg | mariadb) engines+=("$word") ;;
    loopback | 1ms | fsync) settings+=("$word") ;;
    apply | noop | one | instructions) works+=("$word") ;;
    [1-9]*) sizes+=("$word") ;;
    esac
done
[ ${#engines[@]} != 0 ] || engines=(pg mariadb)
if [ ${#settings[@]} = 0 ]; then
    settings=(loopback 1ms fsync)
    [ "$mode" != quick ] || settings=(loopback 1ms)
fi
if [ ${#works[@]} = 0 ]; then
    works=(apply noop one)
    [ "$mode" != full ] || works+=(instructions)
fi
if [ ${#sizes[@]} = 0 ]; then
    case $mode in smoke) sizes=(10) ;; quick) sizes=(1000) ;; full) sizes=(10 1000 10000) ;; esac
fi
programs=(loop sluice)
for rival in goose dbmate; do [ ! -x "$bin/$rival" ] || programs+=("$rival"); done

say() { printf '# %s\n' "$*"; }

rounds_of() { # WORK SETTING FILES
    local rounds
    case $mode-$1-$3 in
    smoke-*) rounds=1 ;;
    quick-apply-*) rounds=3 ;;
    quick-*) rounds=5 ;;
    full-apply-?????*) rounds=1 ;;
    full-apply-????) rounds=5 ;;
    full-apply-*) rounds=11 ;;
    full-*-?????*) rounds=7 ;;
    full-*) rounds=15 ;;
    esac
    # A file costs the loop four milliseconds there.
    case $mode-$1-$2-$3 in quick-apply-1ms-???*) rounds=1 ;; full-apply-1ms-????) rounds=3 ;; esac
    printf '%s' "${SLUICE_BENCH_ROUNDS:-$rounds}"
}

# How many files there are at first: those that `one` adds must fit into sluice's limit of 10,000, too.
start_of() { # FILES
    local most=10000 setting
    case " ${works[*]} " in
    *' one '*) for setting in "${settings[@]}"; do most=$((most - $(rounds_of one "$setting" "$1"))); done ;;
    esac
    if [ "$1" -lt "$most" ]; then printf '%s' "$1"; else printf '%s' "$most"; fi
}

# ---- servers ----------------------------------------------------------------------------------

# server_of ENGINE SETTING: its name for servers.sh.
server_of() { if [ "$2" = fsync ]; then printf '%s2' "$1"; else printf '%s' "$1"; fi; }

server_up() { # NAME: once
    case " ${servers_order[*]-} " in *" $1 "*) return ;; esac
    case $1 in
    *2) # its folder is on the disk, the others are in memory
        mkdir "$SLUICE_BENCH_STAGE/disk/$1"
        ln -s "$SLUICE_BENCH_STAGE/disk/$1" "$SERVERS_DIR/$1"
        ;;
    esac
    case $1 in
    pg) pg_start pg plain shared_buffers=256MB max_wal_size=4GB ;;
    pg2) pg_start pg2 plain shared_buffers=256MB max_wal_size=4GB fsync=on full_page_writes=on ;;
    mariadb) mariadb_start mariadb plain innodb-buffer-pool-size=256M innodb-log-file-size=256M ;;
    mariadb2)
        mariadb_start mariadb2 plain innodb-buffer-pool-size=256M innodb-log-file-size=256M \
            innodb-flush-log-at-trx-commit=1
        ;;
    esac
}

declare -A relay_port=()
relay_up() { # SERVER: once
    local file=$SERVERS_DIR/relay-$1
    [ -z "${relay_port[$1]:-}" ] || return 0
    "$bin/relay" "$file" "$(servers_get "$1" PORT)" 1000 "$file.trips" &
    relays+=($!)
    for ((try = 0; try < 200; try++)); do
        [ ! -s "$file" ] || break
        sleep 0.02
    done
    relay_port[$1]=$(<"$file")
}
relays=()

# ---- one program --------------------------------------------------------------------------------

# command_of ENGINE PORT PROGRAM DATABASE: the words, in $command; loop_my has the password in MYSQL_PWD.
command_of() {
    local engine=$1 port=$2 database=$4 pw=$SLUICE_TEST_PASSWORD
    local pg="app:$pw@127.0.0.1:$port/$database?sslmode=disable"
    case $3-$engine in
    loop-pg) command=("$bin/loop_pg" "postgresql://$pg" "$files/sluice") ;;
    loop-*) command=("$bin/loop_my" 127.0.0.1 "$port" app "$database" "$files/sluice") ;;
    sluice-pg) command=("$bin/sluice" migrate --url "postgresql://$pg" --dir "$files/sluice") ;;
    sluice-*)
        command=("$bin/sluice" migrate --dir "$files/sluice"
            --url "mariadb://app:$pw@127.0.0.1:$port/$database?ssl-mode=DISABLED")
        ;;
    goose-pg) command=("$bin/goose" -dir "$files/goose" postgres "postgres://$pg" up) ;;
    goose-*) command=("$bin/goose" -dir "$files/goose" mysql "app:$pw@tcp(127.0.0.1:$port)/$database?parseTime=true" up) ;;
    dbmate-pg) command=("$bin/dbmate" --url "postgres://$pg" --migrations-dir "$files/dbmate" --no-dump-schema migrate) ;;
    dbmate-*)
        command=("$bin/dbmate" --url "mysql://app:$pw@127.0.0.1:$port/$database"
            --migrations-dir "$files/dbmate" --no-dump-schema migrate)
        ;;
    esac
}

# run ENGINE SETTING PROGRAM: once; $figures = wall us, CPU us, peak KiB, round trips (0 without a relay).
run() {
    local server port trips='' out=$SERVERS_DIR/out
    server=$(server_of "$1" "$2")
    port=$(servers_get "$server" PORT)
    if [ "$2" = 1ms ]; then
        relay_up "$server"
        port=${relay_port[$server]}
        trips=$SERVERS_DIR/relay-$server.trips
        : >"$trips"
    fi
    command_of "$1" "$port" "$3" "$(database_of "$3")"
    if ! MYSQL_PWD=$SLUICE_TEST_PASSWORD "$bin/measure" "$SERVERS_DIR/figures" "${command[@]}" >"$out" 2>&1 </dev/null; then
        tail -n 5 "$out" >&2
        servers_fail "$3 failed on $1, $2"
        exit 1
    fi
    figures="$(<"$SERVERS_DIR/figures") 0"
    if [ -n "$trips" ]; then
        # A connection that ends is told a moment after its client.
        for ((try = 0; try < 200; try++)); do
            [ "$(grep -c open "$trips")" != "$(grep -vc open "$trips")" ] || break
            sleep 0.01
        done
        figures="$(<"$SERVERS_DIR/figures") $(awk '/^[0-9]/ { n += $1 } END { print n + 0 }' "$trips")"
    fi
}

database_of() { printf 'bench_%s' "$1"; }

fresh_database() { # SERVER PROGRAM
    # That it was not there is no news.
    PGOPTIONS="-c client_min_messages=warning" db_drop "$1" "$(database_of "$2")" >/dev/null
    db_create "$1" "$(database_of "$2")"
}

# ---- one cell of the table ------------------------------------------------------------------------

# The database of each program on this server has all files; not measured.
declare -A filled=()
catch_up() { # ENGINE SETTING
    local server program direct=$2
    server=$(server_of "$1" "$2")
    [ "$direct" != 1ms ] || direct=loopback
    for program in "${programs[@]}"; do
        [ -n "${filled[$server]:-}" ] || fresh_database "$server" "$program"
        run "$1" "$direct" "$program"
    done
    filled[$server]=1
}

# report ENGINE SETTING WORK FILES: medians over the rounds of $SERVERS_DIR/rounds.
report() {
    awk -v head="$1 $2 $3 $4" '
        function median(list, n,    i, j, t) {
            for (i = 2; i <= n; i++) {
                t = list[i]
                for (j = i - 1; j > 0 && list[j] > t; j--) list[j + 1] = list[j]
                list[j + 1] = t
            }
            return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        }
        function of(program, column,    i, list) {
            for (i = 1; i <= rounds; i++) list[i] = value[i, program, column]
            return median(list, rounds)
        }
        function least(program,    i, n) {
            for (i = 1; i <= rounds; i++) if (i == 1 || value[i, program, 1] < n) n = value[i, program, 1]
            return n
        }
        function ratio(program,    i, list) {
            for (i = 1; i <= rounds; i++) list[i] = value[i, program, 1] / value[i, "loop", 1]
            return median(list, rounds)
        }
        {
            if (!($2 in seen)) { seen[$2] = ++programs; name[programs] = $2 }
            rounds = $1
            for (i = 1; i <= 4; i++) value[$1, $2, i] = $(i + 2)
        }
        END {
            split(head, h, " ")
            for (p = 1; p <= programs; p++) {
                trips = of(name[p], 4)
                printf "%-8s %-9s %-6s %6d  %-7s %6d %10.1f %10.1f %7.2f %9.1f %7.1f %7s\n", h[1], h[2], h[3], h[4],
                    name[p], rounds, of(name[p], 1) / 1000, least(name[p]) / 1000, ratio(name[p]),
                    of(name[p], 2) / 1000, of(name[p], 3) / 1024, trips ? trips : "-"
            }
        }' "$SERVERS_DIR/rounds"
}

cell() { # ENGINE SETTING WORK FILES
    local server program round rounds
    server=$(server_of "$1" "$2")
    rounds=$(rounds_of "$3" "$2" "$4")
    server_up "$server"
    [ "$3" = apply ] || catch_up "$1" "$2"
    : >"$SERVERS_DIR/rounds"
    for ((round = 1; round <= rounds; round++)); do
        [ "$3" != one ] || files_add
        for program in "${programs[@]}"; do
            [ "$3" != apply ] || fresh_database "$server" "$program"
            run "$1" "$2" "$program"
            printf '%s %s %s\n' "$round" "$program" "$figures" >>"$SERVERS_DIR/rounds"
        done
    done
    [ "$3" != apply ] || filled[$server]=1
    report "$1" "$2" "$3" "$4"
}

instructions() { # ENGINE FILES
    local program out=$SERVERS_DIR/callgrind
    if ! command -v valgrind >/dev/null; then
        say "without instructions: valgrind is not installed"
        return
    fi
    server_up "$1"
    catch_up "$1" loopback
    for program in loop sluice; do
        command_of "$1" "$(servers_get "$1" PORT)" "$program" "$(database_of "$program")"
        MYSQL_PWD=$SLUICE_TEST_PASSWORD valgrind --tool=callgrind "--callgrind-out-file=$out" "${command[@]}" >"$out.log" 2>&1 </dev/null ||
            { tail -n 5 "$out.log" >&2; exit 1; }
        printf '%-8s %-9s %-6s %6d  %-7s %s million instructions\n' "$1" loopback noop "$2" "$program" \
            "$(awk '/^(summary|totals):/ { n = $2 } END { printf "%.1f", n / 1000000 }' "$out")"
        [ "$program" = sluice ] || continue
        # The ten that cost most with what they call, but for those that do nothing else than call the rest.
        callgrind_annotate --inclusive=yes --threshold=100 "$out" 2>/dev/null |
            sed -n 's/^ *[0-9,]* *( *\([0-9.]*%\)) *[^ ]*:\([^[]*\).*/\1 \2/p' |
            awk '$2 !~ /^(\(below|_start|main|run|0x|_dl_|__libc_start|\(cycle)/ && ++n <= 10 { print "#  ", $1, $2 }'
    done
}

# ---- all of them --------------------------------------------------------------------------------

if [ -d /dev/shm ] && [ -w /dev/shm ] && [ -z "${SERVERS_DIR:-}" ]; then
    export TMPDIR=/dev/shm
else
    say "/dev/shm cannot be written: the servers that should be in memory are in ${TMPDIR:-/tmp}"
fi
servers_init
files=$SERVERS_DIR/files
say "$(date -u +%Y-%m-%d), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg); programs: ${programs[*]}"
say "$("$bin/sluice" version 2>/dev/null | head -n 1)"
printf '%-8s %-9s %-6s %6s  %-7s %6s %10s %10s %7s %9s %7s %7s\n' '#engine' setting work files program rounds \
    ms min ratio cpu_ms MiB trips
for engine in "${engines[@]}"; do
    for size in "${sizes[@]}"; do
        files_make "$(start_of "$size")"
        filled=()
        for work in "${works[@]}"; do
            if [ "$work" = instructions ]; then
                instructions "$engine" "$size"
                continue
            fi
            for setting in "${settings[@]}"; do cell "$engine" "$setting" "$work" "$size"; done
        done
    done
    for server in "$engine" "${engine}2"; do server_stop "$server"; done
done
for pid in "${relays[@]}"; do kill "$pid" 2>/dev/null || true; done
