#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bare Debian 13.
# timeout: 4200
set -euo pipefail
. "$SLUICE_SOURCE/tests/support/root_tests.sh"
root_tests trixie
