#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Wrong versions of the rules of the order, one patch each in tests/mutants/order/: the model check
# catches every one of them. A patch that does not apply, does not compile or survives is a failure. One
# whose events seldom meet names the seed that catches it, in a line `seed: N`, which the right version
# passes.
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
archives=(step rollout plan migration model base)
libraries=()
for box in "${archives[@]}"; do libraries+=("$SLUICE_BUILD/reconcile/$box/libsluice_$box.a"); done
IFS=' ' read -ra foreign <<<"$(pkg-config --libs libcjson yaml-0.1 libcrypto zlib)"

# mutant PATCH: prints "ok SEEDS" or why not.
mutant() {
    local name=${1##*/} folder="$work/${1##*/}" file objects=() said seed first=1 count=$seeds
    mkdir "$folder"
    for file in $(sed -n 's,^--- a/,,p' "$1"); do
        mkdir -p "$folder/${file%/*}"
        cp "$file" "$folder/$file"
    done
    patch -s -d "$folder" -p1 <"$1" >"$folder/patched" 2>&1 || { echo "does not apply"; return; }
    for file in $(sed -n 's,^--- a/,,p' "$1"); do
        cc -O1 -std=gnu17 -D_GNU_SOURCE -I. -include reconcile/base/banned.h -w -c \
            -o "$folder/${file//\//_}.o" "$folder/$file" 2>"$folder/compiled" ||
            { echo "does not compile"; return; }
        objects+=("$folder/${file//\//_}.o")
    done
    cc -o "$folder/check" "${programs[@]}" "${objects[@]}" "${libraries[@]}" "${foreign[@]}" \
        2>"$folder/linked" || { echo "does not link: $(head -n 1 "$folder/linked")"; return; }
    seed=$(sed -n 's/^seed: \([0-9]*\)$/\1/p' "$1")
    if [ -n "$seed" ]; then
        first=$seed count=1
        "$SLUICE_BUILD/tests/order_check" "$seed" 1 >/dev/null ||
            { echo "is not needed: the right version fails seed $seed"; return; }
    fi
    if said=$(SLUICE_FAILURES=1 timeout 600 "$folder/check" $first $count); then
        echo "survives $count seeds from $first on"
    else
        echo "ok $(sed -n 's/^\([0-9]*\) seeds, .* 1 failed.*/\1/p' <<<"$said")" \
            "$(sed -n 's/^seed [0-9]* failed: at [0-9]*: //p' <<<"$said" | cut -c1-70)"
    fi
    rm -rf "$folder"
}

export -f mutant
patches=(tests/mutants/order/*.patch)
is "there are enough wrong versions" "$((${#patches[@]} >= 24))" 1
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
