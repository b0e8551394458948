#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ten thousand seeded worlds with lost, doubled and delayed effects and crashes, in the release build:
# every plan ends where the undisturbed one does.
# timeout: 600
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"

seeds=10000
[ -z "${SLUICE_FULL:-}" ] || seeds=100000
run_expect "$seeds seeds reach the end of the undisturbed run" 0 '' \
    "$SLUICE_BUILD/tests/step_simulation" 1 $seeds
like "and all of them were run" "$run_stdout" "^$seeds seeds, .* 0 failed"
printf '# %s\n' "$run_stdout"
done_testing
