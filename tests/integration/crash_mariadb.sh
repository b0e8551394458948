#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The runner is killed at its k-th system call, hundreds of times; after recovery every effect is
# there exactly once.
# timeout: 2400
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"
. "$SLUICE_SOURCE/tests/support/crash.sh"

crash_sweep mariadb
done_testing
