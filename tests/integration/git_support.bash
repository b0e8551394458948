# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the git_*.sh scripts share: the probe, and ways to make repositories, good and forged.

probe=$SLUICE_DEBUG_BUILD/tests/git_probe

# Private folders of the fetch processes are made, and looked for, in a place of this script alone.
servers_init
export TMPDIR=$SERVERS_DIR/tmp
mkdir -p "$TMPDIR"
private_folders() { find "$TMPDIR" -maxdepth 1 -name 'sluice-fetch-*' | wc -l; }

# fetch processes of this script that still run; its working folder is its own.
children_left() {
    local process count=0
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/cwd" 2>/dev/null)" = "$PWD" ] &&
            tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q 'fetch-once'; then
            count=$((count + 1))
        fi
    done
    printf '%s' $count
}

# said NAME REGEX ARGUMENT…: the probe's whole output, stderr too, matches.
said() {
    local name=$1 regex=$2 output
    shift 2
    output=$("$probe" "$@" 2>&1) || true
    if [[ $output =~ (ERROR:\ [A-Za-z]*Sanitizer|runtime\ error:) ]]; then
        flunk "$name: clean under the sanitizers" "$output"
    fi
    like "$name" "$output" "$regex"
}

# field KEY TEXT: the value of the probe's line "KEY value".
field() { sed -n "s/^$1 //p" <<<"$2" | head -n 1; }

# commit NAME MESSAGE: everything in the clone NAME, pushed to its branch.
commit() {
    git -C "$SERVERS_DIR/$1" add -A
    git -C "$SERVERS_DIR/$1" commit -q --allow-empty -m "$2"
    git -C "$SERVERS_DIR/$1" push -q origin HEAD
}

# put NAME PATH TEXT: a file in the clone NAME.
put() {
    mkdir -p "$(dirname "$SERVERS_DIR/$1/$2")"
    printf '%s\n' "$3" >"$SERVERS_DIR/$1/$2"
}

head_of() { git -C "$SERVERS_DIR/$1" rev-parse HEAD; }
bare() { git -C "$SLUICE_TEST_GIT_ROOT/$1.git" "${@:2}"; }

# entry MODE NAME OID: one raw entry of a tree object. NAME may hold \x escapes.
entry() {
    printf '%s ' "$1"
    printf '%b' "$2"
    printf '\0'
    printf '%b' "$(sed 's/../\\x&/g' <<<"$3")"
}

# Objects are written straight into the served repository: no git would make them by itself.
blob() { bare "$1" hash-object -w --stdin; }
raw_tree() { bare "$1" hash-object -w --literally -t tree --stdin; }

# forge NAME BRANCH TREE: a commit of that tree on a branch.
forge() {
    bare "$1" update-ref "refs/heads/$2" "$(bare "$1" commit-tree "$3" -m forged)"
}

# fake MODE LOG [UPSTREAM]: starts the fake server and sets fake_port.
fake() {
    server_stop "fake_$1" # a second one of a mode takes the place of the first
    servers_take_port
    fake_port=$servers_port
    servers_run "fake_$1" TERM "$SERVERS_DIR/fake_$1.err" fake_probe \
        perl "$SLUICE_SOURCE/tests/integration/git_fake_server.pl" "$1" "$fake_port" "${@:2}"
}
fake_probe() { (exec 3<>"/dev/tcp/127.0.0.1/$fake_port"); }
