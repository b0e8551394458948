#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The table of reasons is closed: code produces each of them, and a test expects each of them.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/sources.sh"

header=model/reason.h
readarray -t reasons < <(sed -n 's/^#define \(REASON_[A-Z_]*\) "\([A-Za-z]*\)".*/\1 \2/p' "$header")
readarray -t product < <(product_sources | grep -v "^model/reason\.[ch]$")
# These list the table itself, which is no expectation of any behaviour.
readarray -t tests < <(sources 'tests/unit/*_test.c' 'tests/integration/*.sh' 'tests/cluster/*.sh' | grep -Ev '/(model_text|docs)_test\.c$')

# Comments expect nothing.
code() { grep -hvE '^[[:space:]]*(#|//|/?\*)' "$@" || true; }
text=$(code "${tests[@]}")
made=$(code "${product[@]}")

expected() { # MACRO NAME
    grep -qE "\\b$1\\b|[\"' (|]$2[\"' )|\\\\]" <<<"$text"
}
is "the search finds a reason, and not one that is not there" \
    "$(expected REASON_MIGRATION_FAILED MigrationFailed && echo yes)$(expected REASON_NOWHERE Nowhere || echo no)" yesno
[ ${#reasons[@]} -gt 50 ] || flunk "$header is read" "${#reasons[@]} reasons"

problems=''
for reason in "${reasons[@]}"; do
    grep -qw "${reason% *}" <<<"$made" || problems+="${reason#* }"$'\n'
done
is "code can produce every reason of the table" "$problems" ''

problems=''
for reason in "${reasons[@]}"; do
    # shellcheck disable=SC2086
    expected $reason || problems+="${reason#* }"$'\n'
done
is "every reason is an outcome that some test expects" "$problems" ''
done_testing
