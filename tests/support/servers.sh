# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Private servers for tests: a bash library. Source it, start what you need, and the exit trap stops
# and removes everything. README.md beside this file is the short manual.
#
#   pg_start NAME [OPTION…]        a PostgreSQL; NAME = pg, pg2, pg3 …
#   mariadb_start NAME [OPTION…]   a MariaDB;    NAME = mariadb, mariadb2 …
#       tcp        also on $SERVERS_HOST (and TLS by the test CA); without it on its Unix socket alone
#       plain      like tcp, but the server has no TLS
#       log        every statement goes to SLUICE_TEST_<NAME>_LOG
#       KEY=VALUE  a server setting, e.g. fsync=on or lock_wait_timeout=5
#   git_http_start                 lighttpd + git-http-backend on http and https
#   git_ssh_start                  sshd that logs in as ourselves
#   server_stop NAME | server_kill NAME | server_resume NAME     NAME also http, ssh
#   db_create NAME DATABASE        an empty database that the role app owns
#   db_uri NAME DATABASE [tcp|plain]   its URI for the role app
#   db_sql NAME DATABASE SQL       run as the superuser; rows on stdout, columns by "|" or tab
#   repo_new NAME                  bare repository $SLUICE_TEST_GIT_ROOT/NAME.git and a clone of it
#                                  in $SERVERS_DIR/NAME with branch main
#
# Exported, <NAME> in capitals (PG, PG2, MARIADB …):
#   SLUICE_TEST_<NAME>_URI         role app, database app, over the Unix socket, no password
#   SLUICE_TEST_<NAME>_ADMIN_URI   the superuser
#   SLUICE_TEST_<NAME>_SOCKET      PostgreSQL: the folder; MariaDB: the socket itself
#   SLUICE_TEST_<NAME>_PORT, _TCP_URI   with tcp or plain; password SLUICE_TEST_PASSWORD;
#                                  with tcp the URI demands verify-full
#   SLUICE_TEST_<NAME>_PID, _LOG
#   SLUICE_TEST_CA                 ca.crt that signed localhost, 127.0.0.1 and the cluster tests' node
#   SLUICE_TEST_OTHER_CA           a CA that signed nothing
#   SLUICE_TEST_GIT_ROOT           folder of the served repositories
#   SLUICE_TEST_GIT_HTTP_URL, _GIT_HTTPS_URL       …/NAME.git, for everybody, pushes too
#   SLUICE_TEST_GIT_PRIVATE_URL    https, basic auth git / SLUICE_TEST_PASSWORD
#   SLUICE_TEST_GIT_HTTP_LOG       access log
#   SLUICE_TEST_GIT_SSH_URL        …/NAME.git; SLUICE_TEST_SSH_KEY, SLUICE_TEST_SSH_KNOWN_HOSTS
#
# SERVERS_HOST, if it is set before: where they listen, instead of 127.0.0.1.
#
# A server that is not installed ends the script with code 77: "skipped". Nothing runs as root:
# servers_drop_root "$0" "$@" starts the script again as an unprivileged user.

[ -n "${SERVERS_SH:-}" ] && return 0
SERVERS_SH=1
servers_mine='' # SERVERS_DIR may be inherited from with-servers.sh: then it is not ours to remove
SLUICE_TEST_PASSWORD=${SLUICE_TEST_PASSWORD:-correct-horse}
export SLUICE_TEST_PASSWORD
SERVERS_HOST=${SERVERS_HOST:-127.0.0.1}
servers_pods=10.88 # addresses of the pods that the cluster tests start: 10.88.0.0/16
declare -A servers_pid=() servers_command=() servers_probe=() servers_errorlog=() servers_signal=()
servers_order=()

servers_say() { printf '# %s\n' "$*" >&2; }
servers_fail() { printf '# servers: %s\n' "$*" >&2; return 1; }
servers_upper() { printf '%s' "${1^^}"; }
servers_export() { export "SLUICE_TEST_$(servers_upper "$1")_$2=$3"; }
# The value of SLUICE_TEST_<NAME>_<FIELD>, empty if there is none.
servers_get() { local v; v="SLUICE_TEST_$(servers_upper "$1")_$2"; printf '%s' "${!v:-}"; }

# ---- who runs ---------------------------------------------------------------------------------

# The user for everything when started as root: servers refuse root, and one uid keeps git content.
servers_user() {
    if [ -n "${SLUICE_TEST_USER:-}" ]; then
        printf '%s' "$SLUICE_TEST_USER"
    elif id -u sluice-test >/dev/null 2>&1; then
        printf 'sluice-test'
    else
        printf 'nobody'
    fi
}

# Run a command as that user; as ourselves if we are not root. HOME is not kept.
servers_as_user() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
        return
    fi
    local user
    user=$(servers_user)
    setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --reset-env -- \
        env -i "PATH=$PATH" "USER=$user" "LOGNAME=$user" "HOME=/nonexistent" \
        $(servers_kept_environment) "$@"
}

# What may pass from root to the user: our own variables, and those that say where and how.
servers_kept_environment() {
    local name
    for name in $(compgen -e); do
        case $name in
        SLUICE | SLUICE_* | SERVERS_KEEP | CI | TMPDIR | ASAN_OPTIONS | UBSAN_OPTIONS | LSAN_OPTIONS | TSAN_OPTIONS | TERM)
            case ${!name} in *[[:space:]]*) ;; *) printf '%s=%s ' "$name" "${!name}" ;; esac ;;
        esac
    done
}

servers_drop_root() {
    [ "$(id -u)" = 0 ] || return 0
    local script
    script=$(readlink -f "$1")
    shift
    if ! servers_as_user test -r "$script"; then
        servers_say "user $(servers_user) cannot read $script: use tests/run.sh, or a checkout in another place"
        exit 1
    fi
    cd /
    servers_as_user bash "$script" "$@"
    exit
}

# ---- the folder, the environment, the end -----------------------------------------------------

servers_init() {
    [ -n "$servers_mine" ] && return 0
    if [ "$(id -u)" = 0 ]; then
        servers_fail "do not start servers as root (servers_drop_root)"
        exit 1
    fi
    # Short, because a socket path must stay under 108 bytes.
    SERVERS_DIR=$(mktemp -d "${TMPDIR:-/tmp}/sl-XXXXXX")
    if [ ${#SERVERS_DIR} -gt 80 ]; then
        rmdir "$SERVERS_DIR"
        SERVERS_DIR=$(mktemp -d /tmp/sl-XXXXXX)
    fi
    servers_mine=1
    export SERVERS_DIR
    chmod 700 "$SERVERS_DIR"
    trap 'servers_end $?' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$SERVERS_DIR/home"
    servers_neutral
    SLUICE_TEST_TEMPLATES=${SLUICE_TEST_TEMPLATES:-$SERVERS_DIR/templates}
    mkdir -p "$SLUICE_TEST_TEMPLATES"
    export SLUICE_TEST_TEMPLATES
}

# Nothing of the developer's own configuration may reach a test.
servers_neutral() {
    local name
    for name in $(compgen -e); do
        case ${name,,} in
        pg* | mysql_* | mariadb_* | git_* | ssh_* | *_proxy | xdg_*) unset "$name" ;;
        esac
    done
    export HOME=$SERVERS_DIR/home LC_ALL=C.UTF-8
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
    export GIT_AUTHOR_NAME=Tester GIT_AUTHOR_EMAIL=tester@example.com
    export GIT_COMMITTER_NAME=Tester GIT_COMMITTER_EMAIL=tester@example.com
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=init.defaultBranch GIT_CONFIG_VALUE_0=main
}

servers_end() {
    local code=$1 name i
    trap - EXIT
    trap '' INT TERM HUP # timeout sends its signal twice
    if [ "$code" != 0 ] && [ "$code" != 77 ]; then
        for name in "${servers_order[@]}"; do servers_tail "$name"; done
    fi
    for name in "${servers_order[@]}"; do server_signal "$name"; done
    for ((i = ${#servers_order[@]} - 1; i >= 0; i--)); do server_stop "${servers_order[i]}"; done
    if [ -n "${SERVERS_KEEP:-}" ]; then
        servers_say "kept: $SERVERS_DIR"
    elif [ -n "$SERVERS_DIR" ]; then
        cd /
        chmod -R u+rwX "$SERVERS_DIR" 2>/dev/null
        rm -rf "$SERVERS_DIR"
    fi
    exit "$code"
}

servers_tail() {
    local log=${servers_errorlog[$1]:-}
    [ -s "$log" ] || return 0
    servers_say "last lines of $1's log:"
    grep -v '\[Note\]' "$log" | tail -n "${2:-8}" | sed 's/^/#   /' >&2
}

# ---- one server -------------------------------------------------------------------------------

# servers_run NAME SIGNAL LOG PROBE COMMAND…: start, remember, wait until PROBE (a function) is true.
servers_run() {
    local name=$1 signal=$2 log=$3 probe=$4
    shift 4
    servers_command[$name]=$(printf '%q ' "$@")
    servers_probe[$name]=$probe
    servers_signal[$name]=$signal
    servers_errorlog[$name]=$log
    case " ${servers_order[*]-} " in *" $name "*) ;; *) servers_order+=("$name") ;; esac
    server_resume "$name"
}

# Start it (again) as it was, after server_stop or server_kill.
server_resume() {
    local name=$1 try
    eval "${servers_command[$name]} </dev/null >>\"\${servers_errorlog[$name]}\" 2>&1 &"
    servers_pid[$name]=$!
    servers_export "$name" PID "${servers_pid[$name]}"
    for ((try = 0; try < 600; try++)); do
        if ! kill -0 "${servers_pid[$name]}" 2>/dev/null; then
            wait "${servers_pid[$name]}" || true
            servers_pid[$name]=
            servers_tail "$name" 25
            servers_fail "$name did not start"
            return 1
        fi
        if ${servers_probe[$name]} "$name" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    servers_tail "$name" 25
    servers_fail "$name does not answer after 30 s"
}

server_signal() {
    [ -z "${servers_pid[$1]:-}" ] || kill "-${servers_signal[$1]}" "${servers_pid[$1]}" 2>/dev/null || true
}

# Ask it to end and wait; after 20 s it is killed.
server_stop() {
    local pid=${servers_pid[$1]:-} try
    [ -n "$pid" ] || return 0
    server_signal "$1"
    for ((try = 0; try < 400; try++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    server_kill "$1"
}

# The hard way: SIGKILL, as a power cut would do (fsync stays with the page cache).
server_kill() {
    local pid=${servers_pid[$1]:-} children child
    [ -n "$pid" ] || return 0
    # PostgreSQL's backends notice the postmaster's death by themselves; a test that resumes at
    # once must not meet them, so they go too.
    children=$(servers_children "$pid")
    kill -9 "$pid" 2>/dev/null || true
    for child in $children; do kill -9 "$child" 2>/dev/null || true; done
    wait "$pid" 2>/dev/null || true
    servers_pid[$1]=
}

servers_children() {
    local stat pid rest
    for stat in /proc/[0-9]*/stat; do
        { read -r pid rest <"$stat"; } 2>/dev/null || continue
        rest=${rest##*) }
        # shellcheck disable=SC2086
        set -- "$1" $rest
        [ "$3" = "$1" ] && printf '%s\n' "$pid"
    done
    return 0
}

# A free port of $SERVERS_HOST below the ephemeral range, ours until the last process that inherits the
# lock ends. The number is left in servers_port (a subshell could not keep the lock).
servers_take_port() {
    local folder=/tmp/.sluice-ports.$UID try fd
    mkdir -p "$folder"
    for ((try = 0; try < 200; try++)); do
        servers_port=$((20000 + RANDOM % 10000))
        exec {fd}>"$folder/$servers_port"
        if flock -n "$fd" && ! (exec 3<>"/dev/tcp/$SERVERS_HOST/$servers_port") 2>/dev/null; then
            return 0
        fi
        exec {fd}>&-
    done
    servers_fail "found no free port"
}

# Ends the script with 77 if a program is missing.
servers_need() {
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null 2>&1; then
            servers_say "skipped: $program is not installed"
            exit 77
        fi
    done
}

# servers_template NAME COMMAND…: COMMAND builds the folder given as its last argument, once per run.
servers_template() {
    local target=$SLUICE_TEST_TEMPLATES/$1 lock
    shift
    [ -e "$target.ready" ] && return 0
    exec {lock}>"$target.lock"
    flock "$lock"
    if [ ! -e "$target.ready" ]; then
        rm -rf "$target"
        if ! "$@" "$target" >"$target.log" 2>&1 {lock}>&-; then
            sed 's/^/#   /' "$target.log" | tail -n 30 >&2
            exec {lock}>&-
            servers_fail "could not prepare $(basename "$target")"
            return 1
        fi
        : >"$target.ready"
    fi
    exec {lock}>&-
}

# ---- certificates -----------------------------------------------------------------------------

tls_init() {
    [ -n "${SLUICE_TEST_CA:-}" ] && [ -e "$SLUICE_TEST_CA" ] && return 0
    servers_need openssl
    servers_template tls tls_build || return 1
    cp -a "$SLUICE_TEST_TEMPLATES/tls" "$SERVERS_DIR/tls"
    export SLUICE_TEST_CA=$SERVERS_DIR/tls/ca.crt SLUICE_TEST_OTHER_CA=$SERVERS_DIR/tls/other.crt
}

tls_build() {
    local d=$1 name
    mkdir -p "$d"
    (
        set -e
        cd "$d"
        for name in ca other; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
                -subj "/CN=sluice test $name" -addext basicConstraints=critical,CA:TRUE \
                -addext keyUsage=critical,keyCertSign -keyout "$name.key" -out "$name.crt"
        done
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
            -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:%s.0.1\nextendedKeyUsage=serverAuth\n' "$servers_pods" >ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
            -extfile ext -out server.crt
        chmod 600 ./*.key
    )
}

# ---- PostgreSQL -------------------------------------------------------------------------------

pg_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

pg_build() {
    local bin
    bin=$(pg_bin)
    "$bin/initdb" -D "$1" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8 || return 1
    printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' \
        'host all all ::1/128 scram-sha-256' "host all all $servers_pods.0.0/16 scram-sha-256" >"$1/pg_hba.conf"
    "$bin/postgres" --single -D "$1" -c fsync=off postgres <<END
create role app login password '$SLUICE_TEST_PASSWORD'
create database app owner app
END
}

pg_probe() { psql -XAtq "$(servers_get "$1" ADMIN_URI)" -c 'select 1'; }

pg_start() {
    local name=$1 dir bin option port=5432 tcp='' settings=()
    servers_init
    dir=$SERVERS_DIR/$name
    bin=$(pg_bin)
    if [ -z "$bin" ]; then
        servers_say "skipped: PostgreSQL is not installed"
        exit 77
    fi
    servers_need psql
    servers_template pg pg_build || return 1
    for option in "${@:2}"; do
        case $option in
        tcp | plain) tcp=$option ;;
        log) settings+=(-c log_statement=all) ;;
        *=*) settings+=(-c "$option") ;;
        *) servers_fail "pg_start: unknown option $option"; return 1 ;;
        esac
    done
    mkdir -p "$dir"
    cp -a --reflink=auto "$SLUICE_TEST_TEMPLATES/pg" "$dir/data"
    if [ -n "$tcp" ]; then
        servers_take_port || return 1
        port=$servers_port
        settings+=(-c "listen_addresses=$SERVERS_HOST" -c "port=$port")
    else
        settings+=(-c listen_addresses=)
    fi
    if [ "$tcp" = tcp ]; then
        tls_init || return 1
        settings+=(-c ssl=on -c "ssl_cert_file=${SLUICE_TEST_CA%/*}/server.crt"
            -c "ssl_key_file=${SLUICE_TEST_CA%/*}/server.key")
    fi
    servers_export "$name" SOCKET "$dir"
    servers_export "$name" LOG "$dir/log"
    pg_addresses "$name" "$dir" "$port" "$tcp"
    servers_run "$name" INT "$dir/log" pg_probe "$bin/postgres" -D "$dir/data" -k "$dir" \
        -c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c jit=off \
        -c max_connections=100 "${settings[@]}"
}

pg_addresses() {
    local name=$1 dir=$2 port=$3 tcp=$4
    servers_export "$name" URI "postgresql://app@/app?host=$dir"
    servers_export "$name" ADMIN_URI "postgresql://postgres@/postgres?host=$dir"
    [ -n "$tcp" ] || return 0
    # The port is a part of the socket's name too.
    servers_export "$name" URI "postgresql://app@/app?host=$dir&port=$port"
    servers_export "$name" ADMIN_URI "postgresql://postgres@/postgres?host=$dir&port=$port"
    servers_export "$name" PORT "$port"
    servers_export "$name" TCP_URI "$(db_uri "$name" app "$tcp")"
}

# ---- MariaDB ----------------------------------------------------------------------------------

mariadb_build() {
    mariadb-install-db --no-defaults --datadir="$1" --auth-root-authentication-method=normal \
        --skip-test-db --skip-name-resolve --innodb-log-file-size=10M || return 1
    mariadbd --no-defaults --datadir="$1" --bootstrap --innodb-log-file-size=10M <<END
use mysql;
flush privileges;
create user app@localhost;
create user app@'127.0.0.1' identified by '$SLUICE_TEST_PASSWORD';
create user app@'::1' identified by '$SLUICE_TEST_PASSWORD';
create user app@'$servers_pods.%' identified by '$SLUICE_TEST_PASSWORD';
create database app character set utf8mb4;
grant all on app.* to app@localhost, app@'127.0.0.1', app@'::1', app@'$servers_pods.%';
END
}

mariadb_probe() { db_sql "$1" '' 'select 1'; }

mariadb_start() {
    local name=$1 dir option tcp='' settings=()
    servers_init
    servers_need mariadbd mariadb-install-db mariadb
    dir=$SERVERS_DIR/$name
    servers_template mariadb mariadb_build || return 1
    mkdir -p "$dir"
    for option in "${@:2}"; do
        case $option in
        tcp | plain) tcp=$option ;;
        log) settings+=(--general-log=1 "--general-log-file=$dir/statements") ;;
        *=*) settings+=("--$option") ;;
        *) servers_fail "mariadb_start: unknown option $option"; return 1 ;;
        esac
    done
    cp -a --reflink=auto "$SLUICE_TEST_TEMPLATES/mariadb" "$dir/data"
    if [ -n "$tcp" ]; then
        servers_take_port || return 1
        settings+=("--bind-address=$SERVERS_HOST" "--port=$servers_port")
        servers_export "$name" PORT "$servers_port"
    else
        settings+=(--skip-networking)
    fi
    if [ "$tcp" = tcp ]; then
        tls_init || return 1
        settings+=("--ssl-ca=$SLUICE_TEST_CA" "--ssl-cert=${SLUICE_TEST_CA%/*}/server.crt"
            "--ssl-key=${SLUICE_TEST_CA%/*}/server.key")
    else
        settings+=(--skip-ssl)
    fi
    servers_export "$name" SOCKET "$dir/sock"
    servers_export "$name" LOG "$dir/statements"
    servers_export "$name" URI "$(db_uri "$name" app)"
    servers_export "$name" ADMIN_URI "mariadb://root@/mysql?socket=$dir/sock"
    [ -z "$tcp" ] || servers_export "$name" TCP_URI "$(db_uri "$name" app "$tcp")"
    : >"$dir/statements"
    servers_run "$name" TERM "$dir/log" mariadb_probe mariadbd --no-defaults \
        --datadir="$dir/data" --socket="$dir/sock" --pid-file="$dir/pid" --tmpdir="$dir" \
        --skip-log-bin --skip-name-resolve --character-set-server=utf8mb4 \
        --innodb-buffer-pool-size=32M --innodb-log-file-size=10M --innodb-use-native-aio=0 \
        --innodb-flush-log-at-trx-commit=0 "${settings[@]}"
}

# The host of an address that a certificate must be good for.
servers_name() { case $SERVERS_HOST in 127.0.0.1) printf localhost ;; *) printf '%s' "$SERVERS_HOST" ;; esac; }

# ---- databases --------------------------------------------------------------------------------

db_uri() {
    local name=$1 database=$2 how=${3:-} scheme=mariadb key='ssl-mode' ca='ssl-ca' mode=VERIFY_IDENTITY
    local address="app@/$database?socket=$(servers_get "$name" SOCKET)" port
    port=$(servers_get "$name" PORT)
    case $name in
    pg*)
        scheme=postgresql key=sslmode ca=sslrootcert mode=verify-full
        address="app@/$database?host=$(servers_get "$name" SOCKET)${port:+&port=$port}"
        ;;
    esac
    case $how in
    '') printf '%s://%s' "$scheme" "$address" ;;
    plain)
        [ "$scheme" = mariadb ] && mode=DISABLED || mode=disable
        printf '%s://app:%s@%s:%s/%s?%s=%s' "$scheme" "$SLUICE_TEST_PASSWORD" "$SERVERS_HOST" "$port" \
            "$database" "$key" "$mode"
        ;;
    tcp)
        printf '%s://app:%s@%s:%s/%s?%s=%s&%s=%s' "$scheme" "$SLUICE_TEST_PASSWORD" "$(servers_name)" "$port" \
            "$database" "$key" "$mode" "$ca" "$SLUICE_TEST_CA"
        ;;
    esac
}

db_create() {
    case $1 in
    pg*) db_sql "$1" postgres "create database \"$2\" owner app" ;;
    *) db_sql "$1" mysql "create database \`$2\` character set utf8mb4;
        grant all on \`$2\`.* to app@localhost, app@'127.0.0.1', app@'::1', app@'$servers_pods.%'" ;;
    esac
}

db_drop() {
    case $1 in
    pg*) db_sql "$1" postgres "drop database if exists \"$2\" with (force)" ;;
    *) db_sql "$1" mysql "drop database if exists \`$2\`" ;;
    esac
}

db_sql() {
    local name=$1 database=$2 sql=$3 uri
    case $name in
    pg*)
        uri=$(servers_get "$name" ADMIN_URI)
        psql -XAtq -v ON_ERROR_STOP=1 "${uri/\/postgres\?//$database?}" -c "$sql"
        ;;
    *)
        # The client of 11.8 demands TLS, also on the socket, unless told not to.
        mariadb --no-defaults --skip-ssl --batch --skip-column-names --user=root \
            --socket="$(servers_get "$name" SOCKET)" --default-character-set=utf8mb4 \
            --execute="$sql" "$database"
        ;;
    esac
}

# ---- git --------------------------------------------------------------------------------------

git_root_init() {
    servers_init
    servers_need git
    [ -n "${SLUICE_TEST_GIT_ROOT:-}" ] && return 0
    export SLUICE_TEST_GIT_ROOT=$SERVERS_DIR/git
    mkdir -p "$SLUICE_TEST_GIT_ROOT"
}

repo_new() {
    git_root_init
    git init -q --bare "$SLUICE_TEST_GIT_ROOT/$1.git"
    git -C "$SLUICE_TEST_GIT_ROOT/$1.git" config http.receivepack true
    git clone -q "$SLUICE_TEST_GIT_ROOT/$1.git" "$SERVERS_DIR/$1" 2>/dev/null
}

http_probe() { (exec 3<>"/dev/tcp/$SERVERS_HOST/$http_port") && (exec 3<>"/dev/tcp/$SERVERS_HOST/$https_port"); }

git_http_start() {
    git_root_init
    servers_need lighttpd
    tls_init || return 1
    local dir=$SERVERS_DIR/http backend
    backend=$(git --exec-path)
    if [ ! -x "$backend/git-http-backend" ]; then
        servers_say "skipped: git-http-backend is not installed"
        exit 77
    fi
    servers_take_port || return 1
    http_port=$servers_port
    servers_take_port || return 1
    https_port=$servers_port
    mkdir -p "$dir/up"
    printf 'git:%s\n' "$SLUICE_TEST_PASSWORD" >"$dir/users"
    git_http_config "$dir" "$backend" >"$dir/config"
    export SLUICE_TEST_GIT_HTTP_URL=http://$SERVERS_HOST:$http_port/git
    export SLUICE_TEST_GIT_HTTPS_URL=https://$(servers_name):$https_port/git
    export SLUICE_TEST_GIT_PRIVATE_URL=https://$(servers_name):$https_port/private
    export SLUICE_TEST_GIT_HTTP_LOG=$dir/access
    servers_run http TERM "$dir/log" http_probe lighttpd -D -f "$dir/config"
}

# cgi.assign stays global: inside a condition 1.4.79 serves the program itself. HTTP/2 is off: with
# it 1.4.69 breaks chunked pushes.
git_http_config() {
    local dir=$1 backend=$2
    cat <<END
server.modules = ("mod_accesslog","mod_setenv","mod_alias","mod_auth","mod_authn_file","mod_cgi","mod_openssl")
server.document-root = "$dir/up"
server.upload-dirs = ("$dir/up")
server.bind = "$SERVERS_HOST"
server.port = $http_port
server.errorlog = "$dir/log"
accesslog.filename = "$dir/access"
server.feature-flags = ("server.h2proto" => "disable")
\$SERVER["socket"] == "$SERVERS_HOST:$https_port" {
  ssl.engine = "enable"
  ssl.pemfile = "${SLUICE_TEST_CA%/*}/server.crt"
  ssl.privkey = "${SLUICE_TEST_CA%/*}/server.key"
}
alias.url = ("/git/" => "$backend/git-http-backend/", "/private/" => "$backend/git-http-backend/")
cgi.assign = ("git-http-backend" => "")
auth.backend = "plain"
auth.backend.plain.userfile = "$dir/users"
\$HTTP["url"] =~ "^/(git|private)/" {
  setenv.add-environment = ("GIT_PROJECT_ROOT" => "$SLUICE_TEST_GIT_ROOT", "GIT_HTTP_EXPORT_ALL" => "1", "HOME" => "$HOME")
}
\$HTTP["url"] =~ "^/private/" {
  auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
}
END
}

ssh_probe() { (exec 3<>"/dev/tcp/$SERVERS_HOST/$ssh_port"); }

git_ssh_start() {
    git_root_init
    servers_need ssh-keygen
    local dir=$SERVERS_DIR/ssh user shell
    if [ ! -x /usr/sbin/sshd ]; then
        servers_say "skipped: sshd is not installed"
        exit 77
    fi
    user=$(id -un)
    shell=$(getent passwd "$user" | cut -d: -f7)
    case $shell in
    */nologin | */false)
        servers_say "skipped: the shell of $user is $shell, so it cannot log in over ssh"
        exit 77
        ;;
    esac
    servers_take_port || return 1
    ssh_port=$servers_port
    mkdir -p "$dir"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
    ssh-keygen -q -t ed25519 -N '' -C test -f "$dir/key"
    cp "$dir/key.pub" "$dir/authorized"
    printf '[%s]:%s %s\n' "$SERVERS_HOST" "$ssh_port" "$(cut -d' ' -f1,2 "$dir/host.pub")" >"$dir/known_hosts"
    printf '%s\n' "Port $ssh_port" "ListenAddress $SERVERS_HOST" "HostKey $dir/host" \
        "PidFile $dir/pid" "AuthorizedKeysFile $dir/authorized" 'UsePAM no' 'StrictModes no' \
        'PasswordAuthentication no' 'KbdInteractiveAuthentication no' >"$dir/config"
    export SLUICE_TEST_SSH_KEY=$dir/key SLUICE_TEST_SSH_KNOWN_HOSTS=$dir/known_hosts
    export SLUICE_TEST_GIT_SSH_URL=ssh://$user@$SERVERS_HOST:$ssh_port$SLUICE_TEST_GIT_ROOT
    servers_run ssh TERM "$dir/log" ssh_probe /usr/sbin/sshd -D -e -f "$dir/config"
}
