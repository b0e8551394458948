#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The model check of the order of roll-outs in the release build: every edit, commit, retry and mishap
# at any moment, judged by an oracle that knows no rule; every row of the table of events is hit.
# timeout: 900
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

seeds=100000
run_expect "$seeds seeds break no rule of the order" 0 '' \
    "$SLUICE_BUILD/tests/order_check" 1 $seeds
like "and all of them were run" "$run_stdout" "$seeds seeds, .* 0 failed"
while IFS= read -r line; do printf '# %s\n' "$line"; done <<<"$run_stdout"
done_testing
