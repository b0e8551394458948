#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No circle of files: of two files at the most one calls the other, on whatever way, and of two headers
# at the most one includes the other. What stands in a circle can only be read and changed as one.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"
circles() { perl "$SLUICE_SOURCE/tests/support/circles.pl" "$@"; }

# Circles that stand for a reason: the files, sorted, then the reason. One that is gone leaves this list.
known='
cli/commands.c cli/completion.c cli/completion_bash.c cli/completion_fish.c cli/completion_zsh.c cli/help.c   the table of commands names help and completion, which print the table
'

# The file of each object that defines a symbol, and the objects that want it. Objects whose source is
# gone are left over from a build before.
calls() {
    local objects
    objects=$(cd "$SLUICE_BUILD" && product_folders | while read -r folder; do
        find "$folder" -path '*/CMakeFiles/sluice*.dir/*.c.o' 2>/dev/null || true
    done | sort -u)
    [ -n "$objects" ] || { echo "no objects in $SLUICE_BUILD" >&2; exit 1; }
    (cd "$SLUICE_BUILD" && xargs nm -A --format=posix 2>/dev/null <<<"$objects") | perl -ne '
        s{/CMakeFiles/[^/]+\.dir/}{/};
        my ($file, $symbol, $type) = m{^(\S+)\.o: (\S+) (\S)} or next;
        next if !-e "$ENV{SLUICE_SOURCE}/$file";
        if ($type eq "U") { push @wants, [$file, $symbol] }
        elsif ($type =~ /[TDBRVWC]/) { $home{$symbol} = $file }
        END {
            for (@wants) {
                my ($file, $symbol) = @$_;
                $why{"$file $home{$symbol}"}{$symbol} = 1 if $home{$symbol};
            }
            print "$_ ", join(",", sort keys %{ $why{$_} }), "\n" for sort keys %why;
        }'
}

product_folders() { (cd "$SLUICE_SOURCE" && product_sources) | sed 's|/.*||' | sort -u; }

includes() {
    product_sources | grep '\.h$' | xargs grep -HoE '^#include "[^"]+"' | sed 's/:#include "/ /; s/"$//'
}

# EDGES KNOWN: what is wrong with them, if anything.
judge() {
    local circle line found
    found=$(circles <<<"$1")
    while read -r circle; do
        [ -n "$circle" ] || continue
        if ! grep -qE "^$circle( {2,}|$)" <<<"$2"; then
            echo "a new circle:"
            circles -v <<<"$1" | awk -v first="$circle" '$0 == first { show = 1; print; next } /^[^ ]/ { show = 0 } show'
        fi
    done <<<"$found"
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        circle=${line%%   *}
        grep -qxF "$circle" <<<"$found" || echo "this circle is gone, and leaves the list: $circle"
        [ "$circle" != "$line" ] || echo "no reason is given for: $circle"
    done <<<"$2"
}

# The measure itself.
is "two that call each other are a circle" "$(printf 'a b f\nb a g\n' | circles)" "a b"
is "so are three in a ring, and who hangs on it is none" "$(printf 'a b\nb c\nc a\nd a\nc e\n' | circles)" "a b c"
is "a tree has none" "$(printf 'a b\na c\nb d\nc d\na a\n' | circles)" ""
like "a new circle is told with its calls" "$(judge $'a b f\nb a g' '')" "a new circle:.a b.*a -> b f"
is "a known one is not" "$(judge $'a b f\nb a g' 'a b   the reason')" ""
like "a known one without a reason is" "$(judge $'a b f\nb a g' 'a b')" "no reason"
like "one that is gone is" "$(judge $'a b f' 'a b   the reason')" "is gone"
like "one that has grown is both" "$(judge $'a b\nb c\nc a' 'a b   the reason')" "a new circle:.a b c.*is gone"

edges=$(calls)
count=$(wc -l <<<"$edges")
problems=$(judge "$edges" "$known")
if [ "$count" -lt 500 ]; then
    flunk "the calls between files are read" "only $count"
elif [ -z "$problems" ]; then
    pass "no circle in who calls whom ($count pairs of files)"
else
    flunk "no circle in who calls whom ($count pairs of files)" "$problems"
fi
edges=$(includes)
is "no circle in who includes whom" "$(judge "$edges" '')" ''
is "includes are read" "$([ "$(wc -l <<<"$edges")" -gt 100 ] && echo many)" many
done_testing
