#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Wrong versions of the rules of the order, one patch each in tests/mutants/order/: the model check
# catches every one of them. A patch that does not apply, does not compile or survives is a failure. Of one whose
# events seldom meet, too many seeds would be needed: a line `test: NAME` names the scenes that catch it, which were made
# of the seed that did, and which the right version passes.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

command -v patch >/dev/null || skip_all "patch is not installed"
seeds=100000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$SLUICE_SOURCE"

# The program is linked of its own objects and the archives of the build; a changed file of the rules
# comes before the archive that holds the right one.
programs=("$SLUICE_BUILD"/tests/CMakeFiles/order_check.dir/unit/*.o)
scenes=step_order_proof_test
archives=(reconcile/step reconcile/rollout reconcile/plan reconcile/migration model base)
libraries=()
for box in "${archives[@]}"; do libraries+=("$SLUICE_BUILD/$box/libsluice_${box##*/}.a"); done
IFS=' ' read -ra foreign <<<"$(pkg-config --libs libcjson yaml-0.1 libcrypto zlib)"

# mutant PATCH: prints "ok SEEDS" or why not.
mutant() {
    local name=${1##*/} folder="$work/${1##*/}" file objects=() said test main=("${programs[@]}") more=()
    mkdir "$folder"
    for file in $(sed -n 's,^--- a/,,p' "$1"); do
        mkdir -p "$folder/${file%/*}"
        cp "$file" "$folder/$file"
    done
    patch -s -d "$folder" -p1 <"$1" >"$folder/patched" 2>&1 || { echo "does not apply"; return; }
    for file in $(sed -n 's,^--- a/,,p' "$1"); do
        cc -O1 -std=gnu17 -D_GNU_SOURCE -I. -include base/banned.h -w -c \
            -o "$folder/${file//\//_}.o" "$folder/$file" 2>"$folder/compiled" ||
            { echo "does not compile"; return; }
        objects+=("$folder/${file//\//_}.o")
    done
    test=$(sed -n 's/^test: \([a-z_]*\)$/\1/p' "$1")
    if [ -n "$test" ]; then
        [ "$test" = $scenes ] || { echo "names a test that is not built for this: $test"; return; }
        main=("$SLUICE_BUILD/tests/CMakeFiles/$test.dir/unit"/*.o) more=(-lcriterion)
    fi
    cc -o "$folder/check" "${main[@]}" "${objects[@]}" "${libraries[@]}" "${foreign[@]}" "${more[@]}" \
        2>"$folder/linked" || { echo "does not link: $(head -n 1 "$folder/linked")"; return; }
    if [ -n "$test" ]; then
        if said=$(timeout 600 "$folder/check" --jobs 1 2>&1); then
            echo "survives the scenes of $test"
        else
            echo "ok 1 run: $(grep -m 1 -o 'Assertion Failed.*\|[a-z0-9_]*\.[ch]:[0-9]*: .*' <<<"$said" | cut -c1-70)"
        fi
    elif said=$(SLUICE_FAILURES=1 timeout 600 "$folder/check" 1 $seeds); then
        echo "survives $seeds seeds"
    else
        echo "ok $(sed -n 's/^\([0-9]*\) seeds, .* 1 failed.*/\1 seeds:/p' <<<"$said")" \
            "$(sed -n 's/^seed [0-9]* failed: at [0-9]*: //p' <<<"$said" | cut -c1-70)"
    fi
    rm -rf "$folder"
}

export -f mutant
patches=(tests/mutants/order/*.patch)
is "there are enough wrong versions" "$((${#patches[@]} >= 24))" 1
right=$("$SLUICE_BUILD/tests/$scenes" --jobs 1 2>&1) && pass "the right version passes the scenes" ||
    flunk "the right version passes the scenes" "$right"
running=0
for patch in "${patches[@]}"; do
    mutant "$patch" >"$work/${patch##*/}.said" &
    running=$((running + 1))
    [ $((running % 2)) != 0 ] || wait
done
wait
for patch in "${patches[@]}"; do
    said=$(cat "$work/${patch##*/}.said")
    name=${patch##*/}
    name=${name%.patch}
    case $said in
    ok\ [0-9]*) pass "$name is caught after ${said#ok }" ;;
    *) flunk "$name" "$said" "$(head -n 1 "$patch")" ;;
    esac
done
done_testing
