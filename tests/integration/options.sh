#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/reference/options.md is what the program says of its commands and options, to the letter.
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

page=$SLUICE_SOURCE/docs/reference/options.md
"$SLUICE_SOURCE/tests/support/options-page.sh" "$SLUICE" >made
if cmp -s made "$page"; then
    pass "the page is what tests/support/options-page.sh makes"
else
    flunk "the page is what tests/support/options-page.sh makes" "$(diff "$page" made)"
fi

# Nothing was lost on the way: counted by other means.
commands() { "$SLUICE" help | sed -n 's/^  \([a-z-]*\) .*/\1/p'; }
is "every command has its section" "$(sed -n 's/^## sluice //p' made)" "$(commands)"
rows=0
while read -r command; do
    want=$("$SLUICE" help "$command" </dev/null | grep -E '^  (-., |    )--' | grep -cvE -- '--(color|help)\b' || true)
    is "every option of $command has its row" \
        "$(sed -n "/^## sluice $command\$/,/^## sluice /p" made | grep -cE '^\| .*`--.* \| .+ \|$' || true)" "$want"
    rows=$((rows + want))
done < <(commands)
[ $rows -gt 200 ] || flunk "there are options" "$rows"
done_testing
