# SPDX-License-Identifier: Apache-2.0
sluice_test(rollout_test SOURCES unit/rollout_test.c LINK sluice_rollout)
