#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files are split at 600 lines, functions at 100; every file says its licence and its purpose.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

# FILE or FILE:FUNCTION, and why it may be longer.
excuses='
'

excused() { grep -q "^$1[[:space:]]" <<<"$excuses"; }

problems=''
while read -r lines file; do
    [ "$file" != total ] || continue
    [ "$lines" -le 600 ] || excused "$file" || problems+="$file has $lines lines"$'\n'
done < <(product_sources | xargs wc -l)
is "no file of the product has more than 600 lines" "$problems" ''

# clang-format puts the braces of a function, and of nothing else, alone into column 1.
measure='
    FNR == 1 { name = ""; start = 0 }
    /^[a-zA-Z_].*\(/ && !/;$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
    /^\{/ { start = FNR }
    /^\}/ && start { if (FNR - start - 1 > limit) print FILENAME ":" name " " FNR - start - 1; start = 0 }'
is "the measure sees a long function" \
    "$(printf 'static int\nlong_one(int a)\n{\n%s\n}\n' "$(seq 101)" | awk -v limit=100 "$measure" | cut -d: -f2)" \
    "long_one 101"
problems=''
while read -r function lines; do
    excused "$function" || problems+="$function has $lines lines"$'\n'
done < <(product_sources | xargs awk -v limit=100 "$measure")
is "no function of the product has more than 100 lines" "$problems" ''

problems=$(sources '*.c' '*.h' '*.sh' '*.cmake' '*CMakeLists.txt' | while IFS= read -r file; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || printf '%s\n' "$file"
done)
is "every source file names its licence in its first two lines" "$problems" ''

problems=$(sources '*.c' '*.h' | while IFS= read -r file; do
    sed -n 2p "$file" | grep -Eq '^(/\*|//) ' || printf '%s\n' "$file"
done)
is "every C file says in its second line what it is for" "$problems" ''

problems=$(sources '*.sh' '.ci/*' | while IFS= read -r file; do
    bash -n "$file" 2>&1 || true
done)
is "every script parses" "$problems" ''
done_testing
