#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every preset configures with what `deploy/install-packages.sh build` installs: tests only where Criterion is there or was
# asked for. What is missing is named with the set of packages that has it.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

# The module files of all but Criterion.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/modules" "$work/fewer"
IFS=: read -ra folders <<<"$(pkg-config --variable pc_path pkg-config)"
for folder in "${folders[@]}"; do
    for module in "$folder"/*.pc; do
        case $module in */criterion.pc | *'*.pc') ;; *) ln -sf "$module" "$work/modules/" ;; esac
    done
done
for module in "$work/modules"/*.pc; do
    case $module in */libgit2.pc | */yaml-0.1.pc) ;; *) ln -sf "$(readlink "$module")" "$work/fewer/" ;; esac
done

configure() { # MODULES PRESET OPTION…
    local modules=$1 preset=$2
    shift 2
    rm -rf "$work/build"
    (cd "$SLUICE_SOURCE" && PKG_CONFIG_LIBDIR="$work/$modules" cmake --preset "$preset" -B "$work/build" "$@" 2>&1)
}
programs() { ninja -C "$work/build" -t targets all | grep -cE "$1" || true; }
folded() { tr -s ' \n' ' '; }

for preset in release debug coverage tsan clang fuzz; do
    if [[ $preset = clang || $preset = fuzz ]] && ! command -v clang >/dev/null; then
        skip "$preset without Criterion" "clang is not installed"
        continue
    fi
    if said=$(configure modules $preset); then
        like "$preset without Criterion: it says how to get the tests" "$(folded <<<"$said")" \
            'Criterion is not installed: the program is built without its tests .deploy/install-packages.sh tests installs it'
        is "$preset without Criterion: the program and no test" "$(programs '^sluice: ') $(programs '_test: ')" '1 0'
    else
        flunk "$preset without Criterion configures" "$said"
    fi
done
said=$(configure modules release -DSLUICE_TESTS=ON) && flunk "tests that were asked for are not left out"
like "tests that were asked for are not left out" "$(folded <<<"$said")" 'the tests need Criterion: deploy/install-packages.sh tests installs it; without tests: -DSLUICE_TESTS=OFF'
said=$(configure fewer release) && flunk "libraries that are missing are an error"
like "libraries that are missing are told at once" "$(folded <<<"$said")" 'libraries are missing: libgit2, yaml-0.1; deploy/install-packages.sh build installs them'
said=$(configure modules clang -DCMAKE_C_COMPILER=clang-nowhere) && flunk "a compiler that is missing is an error"
like "a compiler that is missing is told with its packages" "$(folded <<<"$said")" 'clang-nowhere is not installed: deploy/install-packages.sh build analysis'
if pkg-config --exists criterion; then
    rm -rf "$work/build"
    (cd "$SLUICE_SOURCE" && cmake --preset release -B "$work/build") >"$work/log" 2>&1 || flunk "with Criterion" "$(tail "$work/log")"
    ok "with Criterion there are tests" test "$(programs '_test: ')" -gt 20
    for label in static unit integration cluster roots; do
        if [ $label = unit ]; then
            all=$(cut -d' ' -f1 "$work/build/tests/unit.list" | sort)
        else
            all=$(cd "$SLUICE_SOURCE/tests" && printf '%s\n' $label/*.sh | sed 's/\.sh$//' | sort)
        fi
        is "CTest knows each test of label $label" \
            "$(ctest --test-dir "$work/build" -N -L "^$label\$" | sed -n 's/^ *Test *#[0-9]*: //p' | sort)" "$all"
    done
else
    skip "with Criterion there are tests" "it is not installed"
fi
done_testing
