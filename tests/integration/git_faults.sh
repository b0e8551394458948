#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Servers that hang, drip or never end; a child killed in the middle; a clone that is damaged,
# foreign, overgrown or wanted by many at once; limits; secrets that must not be seen.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/integration/git_support.bash"

git_http_start
repo_new shop
put shop sql/V1__a.sql 'select 1;'
put shop sql/V2__b.sql 'select 2;'
commit shop first 2>/dev/null
url=$SLUICE_TEST_GIT_HTTP_URL/shop.git
clone=$SERVERS_DIR/clone
fetch() { "$probe" fetch "$url" --http --cache "$clone" --path sql "$@" 2>&1 || true; }
good=$(fetch | grep -v rebuilt)

# ---- deadlines ----
# late NAME REGEX SECONDS ARGUMENT…: it ends by its deadline, neither much earlier nor later.
late() {
    local name=$1 regex=$2 limit=$3 start=$EPOCHREALTIME took
    shift 3
    said "$name" "$regex" "$@" --timeout 2000
    took=$((${EPOCHREALTIME/./} - ${start/./}))
    ok "$name: stopped at its deadline" test "$took" -ge 1000000 -a "$took" -le $((limit * 1000000))
}
fake silent "$SERVERS_DIR/silent.log"
silent=$fake_port
late "a server that says nothing" "SourceUnavailable: .*127.0.0.1:$silent.*no complete answer within 2s" 4 \
    fetch "http://127.0.0.1:$silent/x.git" --http --path .
late "the same, polled" 'SourceUnavailable: .*no complete answer within 2s' 4 poll "http://127.0.0.1:$silent/x.git" --http
late "a TLS server that says nothing" 'SourceUnavailable: .*no complete answer within 2s' 4 \
    fetch "https://127.0.0.1:$silent/x.git" --path .
ssh-keygen -q -t ed25519 -N '' -f "$SERVERS_DIR/key"
late "an ssh server that says nothing" 'SourceUnavailable: .*no complete answer within 2s' 4 \
    fetch "ssh://git@127.0.0.1:$silent/x.git" --secret "identity=@$SERVERS_DIR/key" --secret 'known_hosts=x y z' --path .
fake drip "$SERVERS_DIR/drip.log"
late "one byte a second" 'SourceUnavailable: .*no complete answer within 2s' 4 \
    fetch "http://127.0.0.1:$fake_port/x.git" --http --path .
is "no child is left" "$(children_left)" 0

# ---- secrets ----
printf horse-battery-staple >"$SERVERS_DIR/password"
"$probe" fetch "http://127.0.0.1:$silent/x.git" --http --secret username=git --secret "password=@$SERVERS_DIR/password" \
    --timeout 20000 --path . >/dev/null 2>&1 &
parent=$!
child=
child_runs() { child=$(pgrep -P "$parent") && grep -q fetch-once "/proc/$child/cmdline"; }
wait_for "the child runs" 10 child_runs
seen=$(cat "/proc/$child/cmdline" "/proc/$child/environ" "/proc/$parent/cmdline" | tr '\0' '\n' | grep -Ec 'horse-battery-staple|aG9yc2UtYmF0dGVyeS1zdGFwbGU' || true)
is "no password in arguments or environment" "$seen" 0
is "the child has no environment of ours" "$(tr '\0' '\n' <"/proc/$child/environ" | sed 's/=.*//' | sort | tr '\n' ' ')" 'LC_ALL '
is "nor in its folder" "$(grep -rEl 'horse-battery-staple|aG9yc2UtYmF0dGVyeS1zdGFwbGU' "$TMPDIR" 2>/dev/null | wc -l)" 0
is "it cannot dump core" "$(awk '/core file/ { print $5, $6 }' "/proc/$child/limits")" '0 0'
kill -KILL "$parent"
wait "$parent" 2>/dev/null || true
gone() { ! kill -0 "$child" 2>/dev/null || grep -q '^State:.Z' "/proc/$child/status"; }
wait_for "it does not outlive its parent" 5 gone
rm -rf "$TMPDIR"/sluice-fetch-??????

mkfifo "$SERVERS_DIR/cancel"
exec 7<>"$SERVERS_DIR/cancel"
"$probe" fetch "http://127.0.0.1:$silent/x.git" --http --cancel-fifo "$SERVERS_DIR/cancel" --timeout 60000 --path . \
    >"$SERVERS_DIR/cancelled" 2>&1 &
parent=$!
wait_for "the child runs" 10 child_runs
echo stop >&7
wait "$parent" || true
like "a fetch can be given up" "$(<"$SERVERS_DIR/cancelled")" 'error 2 Interrupted'

# ---- limits ----
repo_new large
for n in 1 2 3 4 5 6; do head -c 1000000 /dev/urandom >"$SERVERS_DIR/large/data$n"; done
put large sql/V1__a.sql 'select 1;'
commit large first 2>/dev/null
large=$SLUICE_TEST_GIT_HTTP_URL/large.git
said "more bytes than allowed" 'SourceTooLarge: .*more than 1000000 bytes' \
    fetch "$large" --http --cache "$SERVERS_DIR/large.clone" --pack-bytes 1000000 --path sql
is "stopped while they came" "$(du -s --apparent-size -B1 "$SERVERS_DIR/large.clone" | awk '{ print ($1 < 3000000) }')" 1
said "the same by file" 'SourceTooLarge: .*more than 1000000 bytes' \
    fetch "file://$SLUICE_TEST_GIT_ROOT/large.git" --file --pack-bytes 1000000 --path sql
said "more objects than allowed" 'SourceTooLarge: .*more than 4 objects' \
    fetch "$large" --http --objects 4 --path sql
repo_new delta
head -c 3000000 /dev/urandom >"$SERVERS_DIR/delta/data"
commit delta first 2>/dev/null
echo more >>"$SERVERS_DIR/delta/data"
commit delta second 2>/dev/null
bare delta repack -q -a -d -f
said "an object that unfolds to more than allowed" 'SourceTooLarge: .*an object of more than 1000000 bytes' \
    fetch "$SLUICE_TEST_GIT_HTTP_URL/delta.git" --http --object-bytes 1000000 --path sql
head -c 3000000 /dev/zero | tr '\0' x | bare delta commit-tree "$(bare delta rev-parse 'main^{tree}')" >"$SERVERS_DIR/oid"
bare delta update-ref refs/heads/long "$(<"$SERVERS_DIR/oid")"
said "a commit message of megabytes" 'SourceTooLarge: .*the commit itself has 300[0-9]{4} bytes' \
    fetch "$SLUICE_TEST_GIT_HTTP_URL/delta.git" --http --branch long --object-bytes 1000000 --path sql
said "within the limits all is well" 'file 0 sql/V1__a.sql' fetch "$large" --http --path sql
# The sanitizers need more address space than any limit allows, so this is the release build's test.
if [ -x "$SLUICE" ]; then
    repo_new bomb
    head -c 60000000 /dev/zero >"$SERVERS_DIR/bomb/data"
    commit bomb first 2>/dev/null
    echo more >>"$SERVERS_DIR/bomb/data"
    commit bomb second 2>/dev/null
    bare bomb -c core.bigFileThreshold=1g repack -q -a -d -f
    said "more memory than allowed" 'SourceTooLarge: .*takes more than 50000000 bytes of memory' \
        fetch "$SLUICE_TEST_GIT_HTTP_URL/bomb.git" --http --exe "$SLUICE" --memory 50000000 --path sql
    said "the program itself fetches as the probe does" 'file 0 sql/V1__a.sql' \
        fetch "$url" --http --exe "$SLUICE" --path sql
fi
fake endless "$SERVERS_DIR/endless.log"
said "a list of refs without end" 'SourceTooLarge: .*more than 2000000 bytes' \
    fetch "http://127.0.0.1:$fake_port/x.git" --http --pack-bytes 2000000 --path .

# ---- killed in the middle ----
fake slow "$SERVERS_DIR/slow.log" "$(sed -n 's|.*:\([0-9]*\)/git$|\1|p' <<<"$SLUICE_TEST_GIT_HTTP_URL")"
slow=http://127.0.0.1:$fake_port/git/large.git
for k in 1 2 3; do
    rm -rf "$SERVERS_DIR/cut"
    "$probe" fetch "$slow" --http --cache "$SERVERS_DIR/cut" --path sql >"$SERVERS_DIR/cut.out" 2>&1 &
    parent=$!
    receiving() { find "$SERVERS_DIR/cut/objects/pack" -size +$((k * 500))k 2>/dev/null | grep -q .; }
    wait_for "round $k: some of it has come" 20 receiving
    child=$(pgrep -P "$parent")
    kill -KILL "$child"
    wait "$parent" || true
    like "round $k: a killed child is an error of the fetch" "$(<"$SERVERS_DIR/cut.out")" \
        'error 0 SourceFetchFailed: .*ended by signal 9'
    said "round $k: the next fetch is whole" 'rebuilt 0.*file 0 sql/V1__a.sql' fetch "$slow" --http --cache "$SERVERS_DIR/cut" --path sql
    is "round $k: half a pack is swept away" "$(find "$SERVERS_DIR/cut/objects/pack" -type f | wc -l)" 2
done
# A server that dies in the middle is no reason to throw the clone away.
"$probe" fetch "$url" --http --cache "$SERVERS_DIR/kept" --path sql >/dev/null
for n in 7 8 9 10 11 12; do head -c 1000000 /dev/urandom >"$SERVERS_DIR/shop/data$n"; done
commit shop large 2>/dev/null
git -C "$SLUICE_TEST_GIT_ROOT" clone -q --bare shop.git moved.git
fake slow "$SERVERS_DIR/slow.log" "$(sed -n 's|.*:\([0-9]*\)/git$|\1|p' <<<"$SLUICE_TEST_GIT_HTTP_URL")"
relay=http://127.0.0.1:$fake_port/git/moved.git
git -C "$SERVERS_DIR/shop" reset -q --hard HEAD~1
git -C "$SERVERS_DIR/shop" push -q -f origin main
git -C "$SLUICE_TEST_GIT_ROOT/moved.git" branch -q old main~1
"$probe" fetch "$relay" --http --cache "$SERVERS_DIR/kept2" --branch old --path sql >/dev/null
"$probe" fetch "$relay" --http --cache "$SERVERS_DIR/kept2" --path sql >"$SERVERS_DIR/kept.out" 2>&1 &
parent=$!
half() { find "$SERVERS_DIR/kept2/objects/pack" -size +1000k 2>/dev/null | grep -q .; }
wait_for "half of it has come" 20 half
server_kill fake_slow
wait "$parent" || true
like "a server that dies in the middle" "$(<"$SERVERS_DIR/kept.out")" 'SourceUnavailable: '
server_resume fake_slow
answer=$("$probe" fetch "$relay" --http --cache "$SERVERS_DIR/kept2" --path sql)
is "the next fetch goes on with the same clone" "$(field rebuilt "$answer") $(grep -c '^file' <<<"$answer")" '0 2'

# ---- damage ----
pack() { find "$clone/objects/pack" -name "*.$1" | head -n 1; }
flip() { # FILE OFFSET: one bit
    local byte
    chmod u+w "$1"
    byte=$(od -An -tu1 -j "$2" -N1 "$1")
    printf '%b' "\\x$(printf %02x $((byte ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# mended NAME: whatever was done to the clone, the answer is the same, from a new clone.
mended() {
    local answer
    answer=$(fetch)
    is "$1: the right answer" "$(grep -v rebuilt <<<"$answer")" "$good"
    is "$1: from a new clone" "$(field rebuilt "$answer")" 1
    is "$1: which lasts" "$(field rebuilt "$(fetch)")" 0
}
size=$(stat -c %s "$(pack pack)")
chmod u+w "$(pack pack)"
truncate -s $((size / 2)) "$(pack pack)"
mended "half a pack"
: >"$(chmod u+w "$(pack pack)" && pack pack)"
mended "an empty pack"
flip "$(pack idx)" 1032
mended "a flipped bit in the index"
head -c 3000 /dev/urandom >"$(chmod u+w "$(pack idx)" && pack idx)"
mended "an index of noise"
rm -f "$(pack idx)"
mended "a pack without index"
rm -rf "$clone/objects"
mended "no objects"
echo '[core' >"$clone/config"
mended "a configuration of nonsense"
for f in "$clone"/refs/sluice/*; do echo nonsense >"$f"; done
answer=$(fetch)
is "refs of nonsense: the right answer" "$(grep -v rebuilt <<<"$answer")" "$good"
wrong=0
size=$(stat -c %s "$(pack pack)")
for ((at = 0; at < size; at += 19)); do
    flip "$(pack pack)" $at
    [ "$(fetch | grep -v rebuilt)" = "$good" ] || wrong=$((wrong + 1))
done
is "no flipped bit of a pack ever changes an answer" $wrong 0

# ---- whose clone ----
repo_new other
put other sql/V1__other.sql 'select 3;'
commit other first 2>/dev/null
answer=$("$probe" fetch "$SLUICE_TEST_GIT_HTTP_URL/other.git" --http --cache "$clone" --path sql)
like "a clone of another url is not used" "$answer" 'rebuilt 1.*V1__other.sql'
fetch >/dev/null
mkdir "$SERVERS_DIR/mine"
echo precious >"$SERVERS_DIR/mine/thesis"
said "a folder with other files is not touched" 'SourceFetchFailed: .*mine is to hold a clone, but other files are in it' \
    fetch "$url" --http --cache "$SERVERS_DIR/mine" --path sql
is "they are still there" "$(<"$SERVERS_DIR/mine/thesis")" precious
mkdir "$SERVERS_DIR/real"
ln -s real "$SERVERS_DIR/linked"
said "a link instead of a folder" 'SourceFetchFailed: .*linked' fetch "$url" --http --cache "$SERVERS_DIR/linked" --path sql
said "a place where nothing can be made" 'SourceFetchFailed: .*/proc/x' fetch "$url" --http --cache /proc/x/clone --path sql
said "no clone is kept when none is named" 'file 0 sql/V1__a.sql' fetch "$url" --http --path sql

for n in $(seq 201); do : >"$clone/objects/pack/pack-$n.pack"; done
answer=$(fetch)
is "an overgrown clone is made anew" "$(field rebuilt "$answer") $(find "$clone/objects/pack" -name '*.pack' | wc -l)" '1 1'

rm -rf "$SERVERS_DIR/many"
pids=()
for n in 1 2 3 4 5 6 7 8; do
    "$probe" fetch "$url" --http --cache "$SERVERS_DIR/many" --path sql >"$SERVERS_DIR/many.$n" 2>&1 &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || true; done
is "eight at once on one clone all succeed" "$(cat "$SERVERS_DIR"/many.? | grep -c 'file 0 sql/V2__b.sql')" 8
is "and it was fetched once" "$(find "$SERVERS_DIR/many/objects/pack" -name '*.pack' | wc -l)" 1
exec 8>>"$SERVERS_DIR/many.lock"
flock 8
late "somebody holds the clone" 'SourceUnavailable: .*another fetch of this repository still runs' 4 \
    fetch "$url" --http --cache "$SERVERS_DIR/many" --path sql
exec 8>&-

# ---- a child that lies ----
liar() { # NAME REGEX BYTES
    printf '#!/bin/sh\ncat >/dev/null\nprintf %s\n' "'$3'" >"$SERVERS_DIR/liar"
    chmod +x "$SERVERS_DIR/liar"
    said "$1" "$2" fetch "$url" --http --exe "$SERVERS_DIR/liar" --path sql
}
liar "a child without an answer" 'SourceFetchFailed: .*it wrote nothing' ''
liar "a child that talks" 'SourceFetchFailed: .*wrong first bytes' 'hello, here are your files'
liar "a child that breaks off" 'SourceFetchFailed: .*cut short' 'SLFETCH1\000\000\001\000{'
text='{"error":{"kind":"terminal","reason":"Succeeded","message":"gotcha"}}'
liar "a child that invents a reason" 'error 0 SourceFetchFailed: .*gotcha' "SLFETCH1\\000\\000\\000\\$(printf %03o ${#text})$text"
printf '#!/bin/sh\nkill -SEGV $$\n' >"$SERVERS_DIR/liar"
said "a child that crashes" 'SourceFetchFailed: .*ended by signal 11' fetch "$url" --http --exe "$SERVERS_DIR/liar" --path sql
# A clone that brings the child down is thrown away, once; the answer comes all the same.
printf '#!/bin/sh\n[ -e %s/fell ] || { : >%s/fell; kill -SEGV $$; }\nexec %s fetch-once\n' \
    "$SERVERS_DIR" "$SERVERS_DIR" "$probe" >"$SERVERS_DIR/liar"
answer=$("$probe" fetch "$url" --http --exe "$SERVERS_DIR/liar" --cache "$clone" --path sql 2>&1)
is "a crash over a clone: the right answer from a new one" \
    "$(field rebuilt "$answer") $(grep -c '^file 0 sql/' <<<"$answer")" '1 2'
printf '#!/bin/sh\nsleep 100 & sleep 100\n' >"$SERVERS_DIR/liar"
late "a child that hangs, and its own child" 'SourceUnavailable: .*no complete answer within 2s' 4 \
    fetch "$url" --http --exe "$SERVERS_DIR/liar" --path sql
said "no child at all" 'SourceFetchFailed: .*could not start' fetch "$url" --http --exe /nonexistent --path sql
is "nothing private is left behind" "$(private_folders)" 0
done_testing
