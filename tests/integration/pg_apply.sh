#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The PostgreSQL adapter through its port: fences, attempts, owners, recorded failures, gates, tails.
# timeout: 300
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/tap.sh"
. "$SLUICE_SOURCE/tests/support/servers.sh"

pg_start pg
criterion "$SLUICE_DEBUG_BUILD/tests/pg_apply_test"
done_testing
