#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The layout of all C is what clang-format makes of it.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

program=$(command -v clang-format-14 || command -v clang-format) || skip_all "clang-format is not installed"
# Releases differ in small things; the files follow 14, that of Debian 12.
version=$("$program" --version | sed 's/.*version \([0-9]*\).*/\1/')
[ "$version" = 14 ] || skip_all "the layout is judged by clang-format 14; here is $version"

problems=$(sources '*.c' '*.h' | while IFS= read -r file; do
    "$program" --style=file "$file" | cmp -s "$file" - || printf '%s\n' "$file"
done)
is "clang-format would change nothing" "$problems" ''
done_testing
